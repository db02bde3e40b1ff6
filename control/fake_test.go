package control

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeBackend is a node with one chain, "web", whose second layer can be made
// to fail.
type fakeBackend struct {
	*EventLog
	status Status
	fail   error
	block  bool // Up waits for ctx
}

var _ Backend = (*fakeBackend)(nil)

func newFake() *fakeBackend {
	return &fakeBackend{EventLog: NewEventLog(8), status: Status{Node: "alice"}}
}

func (f *fakeBackend) Version() Version { return Version{Version: "test", Node: "alice"} }
func (f *fakeBackend) Status() Status   { return f.status }
func (f *fakeBackend) SAs() []SA        { return []SA{{SPI: "0x00001001", Direction: "in"}} }
func (f *fakeBackend) IKE() []IKE       { return []IKE{{Peer: "sg1"}} }
func (f *fakeBackend) Certificates() []Certificate {
	cert := Certificate{Kind: "own", Identity: "outer", Subject: "CN=alice", Issuer: "CN=ca", Serial: "1f", SecondsLeft: 3600}
	accepted := Certificate{Kind: "peer", Accepted: true, Subject: "CN=carol"}
	return []Certificate{cert, cert, accepted}
}
func (f *fakeBackend) Keys() (Keys, error) {
	return Keys{}, f.fail
}
func (f *fakeBackend) Reload() (Reloaded, error) {
	return Reloaded{Kept: []string{"web"}, Gone: []string{"rest", "web#2"}, Ended: []string{"carol.example"}}, f.fail
}
func (f *fakeBackend) Rules() []Rule            { return nil }
func (f *fakeBackend) Leases() []Lease          { return nil }
func (f *fakeBackend) Routes() []Route          { return nil }
func (f *fakeBackend) Drops() map[string]uint64 { return nil }

func (f *fakeBackend) Up(ctx context.Context, chain string, progress func(Event)) error {
	if chain != "web" && chain != "web#2" && chain != "all" {
		return fmt.Errorf("node: no chain is called %q", chain)
	}
	progress(Event{Kind: EventLayerUp, Chain: chain, Layer: 1, Peer: "sg1"})
	if f.block {
		<-ctx.Done()
		return ctx.Err()
	}
	if f.fail != nil {
		return f.fail
	}
	progress(Event{Kind: EventChainUp, Chain: chain})
	return nil
}

func (f *fakeBackend) Down(_ context.Context, chain string, progress func(Event)) error {
	progress(Event{Kind: EventChainDown, Chain: chain})
	return nil
}

func (f *fakeBackend) Rekey(_ context.Context, chain string, progress func(Event)) error {
	progress(Event{Kind: EventRekey, Chain: chain, Layer: 1, Peer: "sg1"})
	return f.fail
}

func (f *fakeBackend) Reauth(_ context.Context, chain string, progress func(Event)) error {
	progress(Event{Kind: EventReauth, Chain: chain, Layer: 1, Peer: "sg1"})
	return f.fail
}

// serve starts a server for f on a real socket, and a client for it.
func serve(t *testing.T, f *fakeBackend) (*Server, *Client) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "run", "alice.sock")
	s, err := Listen(Options{Socket: socket, Metrics: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(f)
	c := NewClient(socket)
	t.Cleanup(func() {
		c.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}
