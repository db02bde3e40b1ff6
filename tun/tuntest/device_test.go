package tuntest

import (
	"errors"
	"testing"
	"time"

	"warren/packet"
)

func openFake(t *testing.T, queues int) Harness {
	d := NewQueues(1500, queues)
	t.Cleanup(func() { _ = d.Close() })
	return Harness{
		Device: d,
		Emit:   func(b []byte) { d.Inject(Datagram(Kernel, Peer, b)) },
		EmitRun: func(b []byte, segment int) {
			d.InjectSuper(Datagram(Kernel, Peer, b), segment)
		},
		Collect: func() ([]byte, error) {
			select {
			case p := <-d.Written():
				return p[packet.IPv4HeaderLen+packet.UDPHeaderLen:], nil
			case <-time.After(5 * time.Second):
				return nil, errors.New("nothing written")
			}
		},
	}
}

func TestContract(t *testing.T) {
	for _, queues := range []int{1, 3} {
		Contract(t, func(t *testing.T) Harness { return openFake(t, queues) })
	}
}

func TestReadGivesBatches(t *testing.T) {
	d := New(1500)
	for range 10 {
		d.Inject([]byte{1})
	}
	if n, err := d.ReadBatch(packet.NewBatch(8, 100)); n != 8 || err != nil {
		t.Errorf("first ReadBatch = %d, %v, want 8", n, err)
	}
	if n, err := d.ReadBatch(packet.NewBatch(8, 100)); n != 2 || err != nil {
		t.Errorf("second ReadBatch = %d, %v, want 2", n, err)
	}
}
