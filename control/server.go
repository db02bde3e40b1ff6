package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
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
	log      *slog.Logger
	control  net.Listener
	metrics  net.Listener // nil for none
	servers  []*http.Server
	stop     context.CancelFunc // ends the requests that stream
	serving  sync.WaitGroup
	closeMu  sync.Mutex
	isClosed bool
}

// Listen takes the socket and the metrics address, so that a second daemon is
// refused before it touches anything else. Serve comes when the node is ready.
func Listen(opt Options) (*Server, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{log: opt.Log}
	var err error
	if s.control, err = listenUnix(opt.Socket); err != nil {
		return nil, err
	}
	if opt.Metrics == "" {
		return s, nil
	}
	if s.metrics, err = net.Listen("tcp", opt.Metrics); err != nil {
		_ = s.control.Close()
		return nil, fmt.Errorf("control: cannot serve metrics on %s: %w; set control.metrics to another address", opt.Metrics, rootCause(err))
	}
	return s, nil
}

// MetricsAddr is where metrics are served, or nil.
func (s *Server) MetricsAddr() net.Addr {
	if s.metrics == nil {
		return nil
	}
	return s.metrics.Addr()
}

// Serve answers with what b says until Close. It does not block.
func (s *Server) Serve(b Backend) {
	s.closeMu.Lock()
	defer s.closeMu.Unlock()
	if s.isClosed {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.start(ctx, s.control, routes(b))
	if s.metrics != nil {
		s.start(ctx, s.metrics, metricsHandler(b))
	}
}

func (s *Server) start(ctx context.Context, l net.Listener, h http.Handler) {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.servers = append(s.servers, srv)
	s.serving.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("control server stopped", "address", l.Addr().String(), "err", err)
		}
	})
}

// Close ends every request, stops listening and removes the socket. It may be
// called twice.
func (s *Server) Close() error {
	s.closeMu.Lock()
	defer s.closeMu.Unlock()
	if s.isClosed {
		return nil
	}
	s.isClosed = true
	var errs []error
	if s.stop != nil {
		s.stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, srv := range s.servers {
		if err := srv.Shutdown(ctx); err != nil {
			errs = append(errs, srv.Close())
		}
	}
	s.serving.Wait()
	for _, l := range []net.Listener{s.control, s.metrics} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// reply sends v, or the fact that it could not be encoded.
func reply(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		code, body = http.StatusInternalServerError, []byte(`{"error":"answer cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}

// failure is the body of every answer that is not a success.
type failure struct {
	Error string `json:"error"`
}
