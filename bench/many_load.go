package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"time"

	"warren/bench/blast"
	"warren/lab"
	"warren/packet"
)

// ManyOptions say how much of a gateway with many clients is measured. The zero
// value is a full run, some three minutes.
type ManyOptions struct {
	Clients  int       `json:"clients"` // zero means 10,000
	Rounds   int       `json:"rounds"`  // zero means 5
	Probe    int       `json:"probe"`   // milliseconds of each trial of a rate; zero means 200
	Progress io.Writer `json:"-"`       // nil discards a line for each figure
}

func (o ManyOptions) withDefaults() ManyOptions {
	o.Clients = cmp.Or(o.Clients, 10_000)
	o.Rounds = cmp.Or(o.Rounds, 5)
	o.Probe = cmp.Or(o.Probe, 200)
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return o
}

// Many is what a gateway with many clients forwards.
type Many struct {
	Started time.Time                  `json:"started"`
	Machine Machine                    `json:"machine"`
	Options ManyOptions                `json:"options"`
	Bytes   float64                    `json:"bytes_per_client"` // both SAs and what the dataplane knows of it
	Rates   map[string]map[int]float64 `json:"rates"`            // packets a second, by manyKey and round
}

// manyKey names a load with packets of one size.
func manyKey(load string, size int) string { return fmt.Sprint(load, "-", size) }

// Save writes the result into dir and returns the file.
func (r *Many) Save(dir string) (string, error) {
	return save(filepath.Join(dir, "many-"+r.Started.UTC().Format(stamp)+".json"), r)
}

// A manyLoad is a way in which packets go through the gateway.
type manyLoad struct {
	name  string
	title string
	base  string // what it is compared to
	side  func(*manyLab) *side
	flows bool // with the leases of all clients in turn, else with one
	out   bool // to the clients
}

func oneSide(m *manyLab) *side  { return &m.one }
func manySide(m *manyLab) *side { return &m.many }
func natSide(m *manyLab) *side  { return &m.nat }

func manyLoads() []manyLoad {
	return []manyLoad{
		{"in-flow", "in, 1 SA, 1 flow", "", oneSide, false, false},
		{"in-one", "in, 1 SA, many flows and addresses", "", oneSide, true, false},
		{"in-many", "in, many SAs, the same packets", "in-one", manySide, true, false},
		{"out-flow", "out, 1 SA, 1 flow", "", oneSide, false, true},
		{"out-one", "out, 1 SA, many flows", "", oneSide, true, true},
		{"out-nat", "out, many SAs, the same packets", "out-one", natSide, true, true},
		{"out-many", "out, many SAs, each with an address of its own", "out-one", manySide, true, true},
	}
}

// manySizes are those of UDP payloads.
func manySizes() []int { return []int{64, 1350} }

// MeasureMany measures the loss-free rates of all loads, round by round, each time
// in another order.
func MeasureMany(ctx context.Context, o ManyOptions) (res *Many, err error) {
	o = o.withDefaults()
	l, err := lab.New(lab.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	m, err := newManyLab(ctx, l, o.Clients)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.plane.Err(), m.plane.Close()) }()
	res = &Many{
		Started: time.Now(), Machine: ThisMachine(), Options: o, Bytes: m.bytes, Rates: make(map[string]map[int]float64),
	}
	loads, run := manyLoads(), uint32(0)
	for round := range o.Rounds {
		for i := range loads {
			for _, size := range manySizes() {
				load := loads[(i+round)%len(loads)]
				if err := res.cell(ctx, m, &load, size, round, &run); err != nil {
					return res, err
				}
			}
		}
	}
	return res, nil
}

// cell is one load in one round.
func (r *Many) cell(ctx context.Context, m *manyLab, load *manyLoad, size, round int, run *uint32) error {
	p, err := m.path(load, size)
	if err != nil {
		return err
	}
	defer p.close()
	key := manyKey(load.name, size)
	if r.Rates[key] == nil {
		r.Rates[key] = make(map[int]float64)
	}
	l := blast.Load{Size: size, For: time.Duration(r.Options.Probe) * time.Millisecond}
	try := func(rate float64) (blast.Trial, error) {
		if err := ctx.Err(); err != nil {
			return blast.Trial{}, err
		}
		*run++
		l.Rate, l.Run = rate, *run
		return blast.TrySource(p.sender, p.receiver, l, p.source)
	}
	const slow, below = 50_000, 0.7
	if _, err := try(slow); err != nil { // the flows are known afterwards
		return err
	}
	found, err := blast.Search(blast.Limits{Start: below * Summarize(values(r.Rates[key])).Median}, try)
	if err != nil {
		return err
	}
	if found.Rate == 0 {
		return fmt.Errorf("bench: %s, %d bytes: nothing gets through; drops %v", load.title, size, m.plane.Drops())
	}
	r.Rates[key][round] = found.Rate
	fmt.Fprintf(r.Options.Progress, "round %d  %-48s %5d B  %s kpps\n", round+1, load.title, size, number(found.Rate/1e3))
	return nil
}

// A manyPath is a load that is set up.
type manyPath struct {
	sender   *blast.Sender
	receiver *blast.Receiver
	source   blast.Source
}

func (p *manyPath) close() {
	p.sender.Close()
	p.receiver.Close()
}

func (m *manyLab) path(load *manyLoad, size int) (p *manyPath, err error) {
	side := load.side(m)
	m.plane.Publish(side.view)
	all := netip.AddrPortFrom(netip.IPv4Unspecified(), manyPort)
	p = new(manyPath)
	listen, bind := m.server, m.clients
	if load.out {
		listen, bind = m.clients, m.server
		p.source = &toClients{m: m, load: load, payload: make([]byte, size)}
	} else {
		p.source = m.newFromClients(side, load, size)
	}
	err = listen.Do(func() error {
		if load.out {
			p.receiver, err = blast.ListenAny(all, manySuite().SealedLen(size+udpHeaders))
		} else {
			p.receiver, err = blast.Listen(serverAddr())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = bind.Do(func() error {
		p.sender, err = blast.Bind(all)
		return err
	})
	if err != nil {
		p.receiver.Close()
		return nil, err
	}
	return p, nil
}

// client is the next one that the load is for.
func (m *manyLab) client(load *manyLoad, next *int) int {
	if !load.flows {
		return 0
	}
	*next++
	return m.turn[*next%len(m.turn)]
}

// toClients are packets from the server.
type toClients struct {
	m       *manyLab
	load    *manyLoad
	payload []byte
	next    int
}

func (s *toClients) Fill(b []blast.Message, run uint32) {
	blast.Payload(s.payload, run)
	for i := range b {
		b[i] = blast.Message{Data: s.payload, To: netip.AddrPortFrom(lease(s.m.client(s.load, &s.next)), blastPort)}
	}
}

// fromClients are packets that clients have sealed.
type fromClients struct {
	m     *manyLab
	side  *side
	load  *manyLoad
	plain []byte
	b     packet.Batch
	next  int
}

func (m *manyLab) newFromClients(s *side, load *manyLoad, size int) *fromClients {
	f := &fromClients{m: m, side: s, load: load, plain: make([]byte, size+udpHeaders), b: packet.NewBatch(gatewayBatch, 2048)}
	packet.PutIP(f.plain, packet.IPHeader{
		Src: lease(0), Dst: serverAddr().Addr(), Proto: packet.ProtoUDP, TTL: 64, DF: true, Len: len(f.plain),
	})
	packet.PutUDP(f.plain[packet.IPv4HeaderLen:], blastPort, blastPort, size+packet.UDPHeaderLen)
	return f
}

// gatewayBatch is at least what a Source is asked for at once.
const gatewayBatch = 64

func (f *fromClients) Fill(b []blast.Message, run uint32) {
	blast.Payload(f.plain[udpHeaders:], run)
	for i := range b {
		client := f.m.client(f.load, &f.next)
		sa := client % len(f.side.spis)
		p := f.b[i]
		p.Set(f.plain)
		packet.ReplaceAddr(p.Bytes(), true, lease(client))
		f.side.seqs[sa]++
		f.m.sealer.Add(&f.m.burst, p, f.side.spis[sa], uint64(f.side.seqs[sa]), packet.ProtoIPv4)
		b[i] = blast.Message{From: home(client), To: gatewayAddr()}
	}
	f.m.burst.Run()
	for i := range b {
		b[i].Data = f.b[i].Bytes()
	}
}
