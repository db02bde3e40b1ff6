package itest

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"warren/lab"
)

// metricsAddr is where every daemon of the lab shows its metrics, in its node.
const metricsAddr = "127.0.0.1:9466"

// Traces is what an attempt could leave behind at the sender.
type traces struct {
	kernel     lab.Snapshot
	files      []string
	goroutines int
	sas        int
}

func (w *world) traces(d *lab.Warren) traces {
	w.t.Helper()
	var tr traces
	sas, err := d.Client().SAs(w.ctx) // first: its connection is one of the open files
	must(w.t, err)
	tr.sas = len(sas)
	tr.kernel, err = d.Node.Snapshot(w.ctx)
	must(w.t, err)
	tr.goroutines = int(w.metric(d, "go_goroutines"))
	tr.files, err = d.OpenFiles()
	must(w.t, err)
	return tr
}

// sameTraces waits until the daemon's traces are those before. Connections of
// the control socket close a moment after their answer.
func (w *world) sameTraces(d *lab.Warren, before traces) {
	w.t.Helper()
	err := lab.Poll(quick, func() error {
		now := w.traces(d)
		switch {
		case len(before.kernel.Diff(now.kernel)) > 0:
			return fmt.Errorf("kernel state changed: %v", before.kernel.Diff(now.kernel))
		case now.sas != before.sas:
			return fmt.Errorf("%d SAs, before %d", now.sas, before.sas)
		case !slices.Equal(now.files, before.files):
			return fmt.Errorf("open files %v, before %v", now.files, before.files)
		case now.goroutines > before.goroutines:
			return fmt.Errorf("%d goroutines, before %d", now.goroutines, before.goroutines)
		}
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

// metric is the value of one sample on the daemon's metrics page, named with
// its labels as the page writes them.
func (w *world) metric(d *lab.Warren, name string) float64 {
	w.t.Helper()
	for line := range strings.Lines(w.page(d)) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" ")
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		must(w.t, err)
		return v
	}
	w.t.Fatalf("%s has no metric %s", d.Name, name)
	return 0
}

// page reads the metrics page. The connection is made by hand: http.Client
// dials on a goroutine of its own, which would not be in the namespace.
func (w *world) page(d *lab.Warren) string {
	w.t.Helper()
	var body strings.Builder
	must(w.t, d.Node.Do(func() error {
		c, err := net.DialTimeout("tcp", metricsAddr, quick)
		if err != nil {
			return err
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /metrics HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = bufio.NewReader(resp.Body).WriteTo(&body)
		return err
	}))
	return body.String()
}
