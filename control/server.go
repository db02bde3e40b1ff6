package control

import (
	"log/slog"
	"net"
)

// Options says where a Server listens.
type Options struct {
	// Socket is the path of the unix socket. Its folder is made if missing.
	Socket string

	// Metrics is the host:port of the Prometheus endpoint; empty for none.
	Metrics string

	// Log gets what the server itself does. Nil discards it.
	Log *slog.Logger
}

// A Server answers on the control socket and on the metrics address.
type Server struct {
	opt     Options
	control net.Listener
	metrics net.Listener
}

// Listen takes the socket and the metrics address, so that a second daemon is
// refused before it touches anything else. Serve comes when the node is ready.
func Listen(opt Options) (*Server, error) { panic("soon") }

// Serve answers with what b says until Close. It does not block.
func (s *Server) Serve(b Backend) { panic("soon") }

// Close ends every request, stops listening and removes the socket.
func (s *Server) Close() error { panic("soon") }
