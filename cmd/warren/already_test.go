package main

import (
	"context"
	"testing"

	"warren/control"
)

// settledDaemon has its chains where anybody wants them.
type settledDaemon struct{ *fakeDaemon }

func (settledDaemon) Up(context.Context, string, func(control.Event)) error   { return nil }
func (settledDaemon) Down(context.Context, string, func(control.Event)) error { return nil }

// TestAlready: a command that has nothing to do says so.
func TestAlready(t *testing.T) {
	two := []control.Chain{{Name: "intranet"}, {Name: "web"}}
	tests := map[string]struct {
		chains []control.Chain
		args   []string
		want   string
	}{
		"one chain":      {two, []string{"up", "web"}, "web is up\n"},
		"all of them":    {two, []string{"up", "all"}, "intranet is up\nweb is up\n"},
		"all are down":   {two, []string{"down", "all"}, "intranet is down\nweb is down\n"},
		"there are none": {nil, []string{"up", "all"}, "no chain is there\n"},
		"for machines":   {two, []string{"up", "all", "-o", "json"}, "[]\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			run := daemon(t, settledDaemon{&fakeDaemon{EventLog: control.NewEventLog(0), status: control.Status{Chains: tt.chains}}})
			code, out, errText := run(tt.args...)
			if code != exitGood || out != tt.want || errText != "" {
				t.Errorf("exits with %d, %q and prints %q, want %q", code, errText, out, tt.want)
			}
		})
	}
}
