package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"warren/config"
	"warren/control"
)

// configuration reads it as the node would, secrets and the modes of their files
// included.
func (p *patient) configuration() []Check {
	const name = "configuration"
	if p.Config == "" {
		return skip(name, "none was named: warren doctor -c FILE looks at the node's own ports, peers and files as well")
	}
	var problems config.Problems
	p.cfg, problems = config.Check(p.Config, config.Options{})
	errs, warnings := problems.Errors(), problems.Warnings()
	p.usable = len(errs) == 0
	switch {
	case len(errs) > 0:
		return fail(name, fmt.Sprintf("%d errors, the first: %s", len(errs), errs[0]), "warren check "+p.Config+" names all of them and what to write instead")
	case len(warnings) > 0:
		return warn(name, fmt.Sprintf("%d warnings, the first: %s", len(warnings), warnings[0]), "warren check "+p.Config+" names all of them")
	}
	return ok(name, p.Config+" is right, and its secrets are for its owner only")
}

// daemon asks the node itself, if it runs.
func (p *patient) daemon() []Check {
	const name = "daemon"
	if p.Daemon == nil {
		return told(name, Skip, p.NoDaemon)
	}
	st, err := p.Daemon.Status(p.ctx)
	switch {
	case errors.Is(err, control.ErrNotRunning):
		return p.killed()
	case err != nil:
		return fail(name, err.Error(), "")
	}
	p.running, p.status = true, st
	all := ok(name, fmt.Sprintf("%s runs, warren %s", st.Node, st.Version))
	if st.Version != p.Version {
		all = warn(name, fmt.Sprintf("%s runs warren %s, this is %s", st.Node, st.Version, p.Version), "start the daemon again")
	}
	all = append(all, memory(st)...)
	all = append(all, chains(st)...)
	return append(all, dataplane(st.Dataplane)...)
}

// killed looks for what a daemon that could not say goodbye has left.
func (p *patient) killed() []Check {
	const name = "daemon"
	if p.usable {
		socket := p.cfg.Control.Socket
		journal := strings.TrimSuffix(socket, filepath.Ext(socket)) + ".journal"
		if _, err := os.Stat(journal); err == nil {
			return warn(name, "it does not run, and was killed: "+journal+" lists what it left in the kernel",
				"the next warren run cleans up")
		}
	}
	return ok(name, "it does not run")
}

// memory says who may have the running node's secrets.
func memory(st control.Status) []Check {
	const name = "memory"
	switch {
	case st.KeyExport:
		return warn(name, "the node tells the keys of its SAs to whoever may use its control socket, and core dumps hold them", "delete allow_key_export when you are done with debugging")
	case st.CoreDumps:
		return warn(name, "core dumps and debuggers of its user get the node's keys", "start it without --core-dumps")
	}
	return ok(name, "no core dump, and no debugger but root's, gets the node's keys")
}

// chains says which are not what they should be.
func chains(st control.Status) []Check {
	const name = "chains"
	up := 0
	for _, c := range st.Chains {
		switch c.State {
		case control.StateUp:
			up++
		case control.StateFailed, control.StateDegraded:
			return fail(name, fmt.Sprintf("%s is %s at layer %d: %s", c.Name, c.State, c.FailedLayer, c.Reason), "warren status and warren events tell more")
		}
	}
	return ok(name, fmt.Sprintf("%d up of %d, none failed", up, len(st.Chains)))
}

// dataplane says what the running node could do faster.
func dataplane(d control.Dataplane) []Check {
	const name = "dataplane"
	if len(d.Notes) > 0 {
		return warn(name, strings.Join(d.Notes, "; "), "")
	}
	return ok(name, fmt.Sprintf("%d workers with every offload there is, %s", d.Workers, d.Cipher))
}
