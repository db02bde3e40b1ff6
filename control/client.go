package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// ErrNotRunning is wrapped by every Client error that means: nobody answers on
// the socket.
var ErrNotRunning = errors.New("no daemon answers")

// A Client talks to the daemon behind a socket. Safe for concurrent use.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client for the daemon that listens on socket. It connects
// when it is first used.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &Client{socket, &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Version says what is running.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return fetch[Version](ctx, c, "version")
}

// Status is the state of chains, sessions and drops.
func (c *Client) Status(ctx context.Context) (Status, error) { return fetch[Status](ctx, c, "status") }

// SAs lists the child SAs, a direction an entry.
func (c *Client) SAs(ctx context.Context) ([]SA, error) { return fetch[[]SA](ctx, c, "sas") }

// IKE lists the IKE SAs.
func (c *Client) IKE(ctx context.Context) ([]IKE, error) { return fetch[[]IKE](ctx, c, "ike") }

// Certificates lists certificates and revocation lists.
func (c *Client) Certificates(ctx context.Context) ([]Certificate, error) {
	return fetch[[]Certificate](ctx, c, "certificates")
}

// Keys are the keys of all SAs, if the node tells them.
func (c *Client) Keys(ctx context.Context) (Keys, error) { return fetch[Keys](ctx, c, "keys") }

// Reload has the daemon read its configuration anew.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	return request[Reloaded](ctx, c, http.MethodPost, "reload")
}

// Rules lists the rule tables.
func (c *Client) Rules(ctx context.Context) ([]Rule, error) { return fetch[[]Rule](ctx, c, "rules") }

// Leases lists virtual addresses, given and got.
func (c *Client) Leases(ctx context.Context) ([]Lease, error) {
	return fetch[[]Lease](ctx, c, "leases")
}

// Routes lists what the node put into the kernel's routing.
func (c *Client) Routes(ctx context.Context) ([]Route, error) {
	return fetch[[]Route](ctx, c, "routes")
}

// Drops counts refused packets by reason.
func (c *Client) Drops(ctx context.Context) (map[string]uint64, error) {
	return fetch[map[string]uint64](ctx, c, "drops")
}

// History lists the events that the node remembers.
func (c *Client) History(ctx context.Context) ([]Event, error) {
	return fetch[[]Event](ctx, c, "history")
}

// Up brings a chain up, or all of them with the name "all", and returns when
// it is up or has failed. Progress, if not nil, is called for each step.
func (c *Client) Up(ctx context.Context, chain string, progress func(Event)) error {
	return c.act(ctx, "up", chain, progress)
}

// Down takes a chain down, or all of them, and returns when it is.
func (c *Client) Down(ctx context.Context, chain string, progress func(Event)) error {
	return c.act(ctx, "down", chain, progress)
}

// Rekey replaces the SAs of a chain, or of all of them, and returns when it has.
func (c *Client) Rekey(ctx context.Context, chain string, progress func(Event)) error {
	return c.act(ctx, "rekey", chain, progress)
}

// Reauth replaces the sessions of a chain, or of all of them, and returns when it
// has.
func (c *Client) Reauth(ctx context.Context, chain string, progress func(Event)) error {
	return c.act(ctx, "reauth", chain, progress)
}

// Events calls each for every event until ctx ends, the daemon stops, or each
// returns an error. With all, the remembered ones come first. It returns nil
// when the daemon ended the stream.
func (c *Client) Events(ctx context.Context, all bool, each func(Event) error) error {
	query := url.Values{}
	if all {
		query.Set("all", "1")
	}
	body, err := c.do(ctx, http.MethodGet, "events", query)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return lines(body, each)
}

func (c *Client) act(ctx context.Context, verb, chain string, progress func(Event)) error {
	body, err := c.do(ctx, http.MethodPost, verb, url.Values{"chain": {chain}})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	var last step
	err = lines(body, func(s step) error {
		if s.Event != nil && progress != nil {
			progress(*s.Event)
		}
		last = s
		return nil
	})
	switch {
	case err != nil:
		return err
	case !last.Done:
		return fmt.Errorf("control: the daemon on %s stopped before %q was %s", c.socket, chain, verb)
	case last.Error != "":
		return errors.New(last.Error)
	}
	return nil
}

// lines decodes JSON objects from r until it ends.
func lines[T any](r io.Reader, each func(T) error) error {
	dec := json.NewDecoder(r)
	for {
		var v T
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("control: cannot read the daemon's answer: %w", err)
		}
		if err := each(v); err != nil {
			return err
		}
	}
}

func fetch[T any](ctx context.Context, c *Client, name string) (T, error) {
	return request[T](ctx, c, http.MethodGet, name)
}

func request[T any](ctx context.Context, c *Client, method, name string) (T, error) {
	var v T
	body, err := c.do(ctx, method, name, nil)
	if err != nil {
		return v, err
	}
	defer func() { _ = body.Close() }()
	if err := json.NewDecoder(body).Decode(&v); err != nil {
		return v, fmt.Errorf("control: cannot read the daemon's answer: %w", err)
	}
	return v, nil
}

// do sends a request and returns the body of a successful answer.
func (c *Client) do(ctx context.Context, method, name string, query url.Values) (io.ReadCloser, error) {
	target := url.URL{Scheme: "http", Host: "warren", Path: "/v1/" + name, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	var f failure
	if json.NewDecoder(resp.Body).Decode(&f) != nil || f.Error == "" {
		f.Error = "the daemon answers " + resp.Status
	}
	return nil, errors.New("control: " + f.Error)
}

// explain turns what the transport says into what the user can act on.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("control: %w on %s; start it with: warren run -c FILE", ErrNotRunning, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("control: may not open socket %s; run this as the user that runs the daemon", c.socket)
	}
	return fmt.Errorf("control: cannot reach the daemon on %s: %w", c.socket, rootCause(err))
}
