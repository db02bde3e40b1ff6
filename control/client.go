package control

import (
	"context"
	"errors"
)

// ErrNotRunning is wrapped by every Client error that means: nobody answers on
// the socket.
var ErrNotRunning = errors.New("no daemon answers")

// A Client talks to the daemon behind a socket. Safe for concurrent use.
type Client struct{ socket string }

// NewClient returns a client for the daemon that listens on socket. It connects
// when it is first used.
func NewClient(socket string) *Client { return &Client{socket: socket} }

// Close drops idle connections.
func (c *Client) Close() {}

func (c *Client) Version(ctx context.Context) (Version, error)         { panic("soon") }
func (c *Client) Status(ctx context.Context) (Status, error)           { panic("soon") }
func (c *Client) SAs(ctx context.Context) ([]SA, error)                { panic("soon") }
func (c *Client) IKE(ctx context.Context) ([]IKE, error)               { panic("soon") }
func (c *Client) Rules(ctx context.Context) ([]Rule, error)            { panic("soon") }
func (c *Client) Leases(ctx context.Context) ([]Lease, error)          { panic("soon") }
func (c *Client) Drops(ctx context.Context) (map[string]uint64, error) { panic("soon") }
func (c *Client) Routes(ctx context.Context) ([]Route, error)          { panic("soon") }
func (c *Client) History(ctx context.Context) ([]Event, error)         { panic("soon") }

// Up and Down return when the chain is up or down, or has failed; progress may
// be nil.
func (c *Client) Up(ctx context.Context, chain string, progress func(Event)) error   { panic("soon") }
func (c *Client) Down(ctx context.Context, chain string, progress func(Event)) error { panic("soon") }

// Events calls each for every event until ctx ends, the daemon stops or each
// returns an error. With all, the remembered ones come first.
func (c *Client) Events(ctx context.Context, all bool, each func(Event) error) error { panic("soon") }
