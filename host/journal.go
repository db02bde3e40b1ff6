package host

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A change is one line of the journal: what was done, or what it was before.
// Rules and routes need no line each: they carry our tag, and the layout says
// where they are.
type change struct {
	Node    string   `json:"node,omitempty"`
	PID     int      `json:"pid,omitempty"`
	Layout  *layout  `json:"layout,omitempty"`
	Sysctl  *sysctl  `json:"sysctl,omitempty"`
	Address *address `json:"address,omitempty"`
	NFTable string   `json:"nftable,omitempty"`
}

type address struct {
	Interface string       `json:"interface"`
	Prefix    netip.Prefix `json:"prefix"`
}

// state is a journal as read, or as written so far.
type state struct {
	changes []change
	damaged string // what is wrong with the file, if anything
}

func (s state) layouts() []layout {
	var out []layout
	for _, c := range s.changes {
		if c.Layout != nil {
			out = append(out, *c.Layout)
		}
	}
	return out
}

type journal struct {
	path  string
	f     *os.File
	state state
}

// openJournal locks the journal and reads what the last holder left in it.
func openJournal(opt Options) (*journal, state, error) {
	if err := os.MkdirAll(filepath.Dir(opt.Journal), 0o755); err != nil {
		return nil, state{}, fmt.Errorf("host: journal: %w", err)
	}
	for {
		f, err := os.OpenFile(opt.Journal, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, state{}, fmt.Errorf("host: journal: %w", err)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			f.Close()
			return nil, state{}, heldError(opt, err)
		}
		if !sameFile(f, opt.Journal) { // the last holder removed it meanwhile
			f.Close()
			continue
		}
		b, err := os.ReadFile(opt.Journal)
		if err != nil {
			f.Close()
			return nil, state{}, fmt.Errorf("host: journal: %w", err)
		}
		return &journal{path: opt.Journal, f: f}, parseJournal(b), nil
	}
}

func heldError(opt Options, err error) error {
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("host: lock journal %s: %w", opt.Journal, err)
	}
	who := "another process"
	if b, err := os.ReadFile(opt.Journal); err == nil {
		for _, c := range parseJournal(b).changes {
			if c.PID != 0 {
				who = fmt.Sprintf("node %q (pid %d)", c.Node, c.PID)
			}
		}
	}
	return fmt.Errorf("host: journal %s is held by %s: stop that one first", opt.Journal, who)
}

func sameFile(f *os.File, path string) bool {
	a, err1 := f.Stat()
	b, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// parseJournal reads as much as there is. It never fails: a damaged line is
// reported and the others are used.
func parseJournal(b []byte) state {
	var s state
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		var c change
		if err := json.Unmarshal(sc.Bytes(), &c); err != nil || !c.valid() {
			s.damaged = fmt.Sprintf("line %d is damaged", n)
			continue
		}
		s.changes = append(s.changes, c)
	}
	if err := sc.Err(); err != nil {
		s.damaged = err.Error()
	}
	if len(b) > 0 && len(s.layouts()) == 0 {
		s.damaged = "the first line is damaged"
	}
	return s
}

// valid refuses lines that would make the undoing touch what is not ours.
func (c change) valid() bool {
	if c.Layout != nil && (c.Layout.Priority < 1 || c.Layout.Priority+Span >= 32766 || c.Layout.Table < 1) {
		return false
	}
	if c.Sysctl != nil {
		k := c.Sysctl.Key
		return strings.HasPrefix(k, "net/") && filepath.Clean(k) == k && !strings.Contains(k, "..")
	}
	if c.Address != nil {
		return c.Address.Interface != "" && c.Address.Prefix.IsValid()
	}
	return c.NFTable == "" || strings.HasPrefix(c.NFTable, tablePrefix)
}

// begin replaces the predecessor's journal with a new one.
func (j *journal) begin(opt Options) error {
	l := opt.layout()
	c := change{Node: opt.Name, PID: os.Getpid(), Layout: &l}
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("host: journal: %w", err)
	}
	b = append(b, '\n')
	if _, err := j.f.WriteAt(b, 0); err != nil {
		return fmt.Errorf("host: journal: %w", err)
	}
	if err := j.f.Truncate(int64(len(b))); err != nil {
		return fmt.Errorf("host: journal: %w", err)
	}
	if _, err := j.f.Seek(0, 2); err != nil {
		return fmt.Errorf("host: journal: %w", err)
	}
	j.state = state{changes: []change{c}}
	return nil
}

// note writes a change down, before it is made.
func (j *journal) note(c change) error {
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("host: journal: %w", err)
	}
	if _, err := j.f.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("host: journal: %w", err)
	}
	j.state.changes = append(j.state.changes, c)
	return nil
}

func (j *journal) remove() error {
	if err := os.Remove(j.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("host: journal: %w", err)
	}
	return nil
}

func (j *journal) close() { j.f.Close() }

func (l layout) String() string {
	return "rules " + strconv.Itoa(l.Priority) + " to " + strconv.Itoa(l.Priority+Span) + ", table " + strconv.Itoa(l.Table)
}
