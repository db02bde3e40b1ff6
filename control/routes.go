package control

import (
	"context"
	"encoding/json"
	"net/http"
)

// routes is the control API. Names are queries rather than path elements, since
// the names of chains hold a "#".
func routes(b Backend) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusConflict, b.Reload, filledReloaded)
	})
	get(mux, "version", b.Version)
	get(mux, "status", func() Status { return filled(b.Status()) })
	get(mux, "sas", func() []SA { return filledSAs(b.SAs()) })
	get(mux, "ike", func() []IKE { return filledIKE(b.IKE()) })
	get(mux, "certificates", func() []Certificate { return filledCertificates(b.Certificates()) })
	get(mux, "rules", func() []Rule { return list(b.Rules()) })
	get(mux, "leases", func() []Lease { return list(b.Leases()) })
	get(mux, "routes", func() []Route { return list(b.Routes()) })
	get(mux, "history", func() []Event { return list(b.History()) })
	get(mux, "drops", func() map[string]uint64 { return counters(b.Drops()) })
	mux.HandleFunc("GET /v1/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusForbidden, b.Keys, filledKeys)
	})
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) { streamEvents(w, r, b) })
	mux.HandleFunc("POST /v1/up", func(w http.ResponseWriter, r *http.Request) { streamAction(w, r, b.Up) })
	mux.HandleFunc("POST /v1/down", func(w http.ResponseWriter, r *http.Request) { streamAction(w, r, b.Down) })
	mux.HandleFunc("POST /v1/rekey", func(w http.ResponseWriter, r *http.Request) { streamAction(w, r, b.Rekey) })
	mux.HandleFunc("POST /v1/reauth", func(w http.ResponseWriter, r *http.Request) { streamAction(w, r, b.Reauth) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusNotFound, failure{"no such request: " + r.Method + " " + r.URL.Path})
	})
	return mux
}

func get[T any](mux *http.ServeMux, name string, answer func() T) {
	mux.HandleFunc("GET /v1/"+name, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, answer())
	})
}

// answer replies with what ask gives, or with the error that it gives instead.
func answer[T any](w http.ResponseWriter, code int, ask func() (T, error), filled func(T) T) {
	if v, err := ask(); err != nil {
		reply(w, code, failure{err.Error()})
	} else {
		reply(w, http.StatusOK, filled(v))
	}
}

// streamEvents sends a JSON object a line until the client goes or the server
// closes.
func streamEvents(w http.ResponseWriter, r *http.Request, b Backend) {
	out := startStream(w)
	for e := range b.Subscribe(r.Context(), r.URL.Query().Get("all") != "") {
		if out.send(e) != nil {
			return
		}
	}
}

// A step is one line of the answer to up, down and rekey: an event, or the end.
type step struct {
	Event *Event `json:"event,omitempty"`
	Done  bool   `json:"done,omitempty"`
	Error string `json:"error,omitempty"`
}

type action func(ctx context.Context, chain string, progress func(Event)) error

// streamAction performs up, down or rekey and sends each step of it as a line.
func streamAction(w http.ResponseWriter, r *http.Request, do action) {
	chain := r.URL.Query().Get("chain")
	if chain == "" {
		reply(w, http.StatusBadRequest, failure{"chain is missing"})
		return
	}
	out := startStream(w)
	last := step{Done: true}
	if err := do(r.Context(), chain, func(e Event) { _ = out.send(step{Event: &e}) }); err != nil {
		last.Error = err.Error()
	}
	_ = out.send(last)
}

// A stream writes JSON lines that arrive one by one.
type stream struct {
	enc *json.Encoder
	ctl *http.ResponseController
}

// startStream answers at once, so that the client knows it is heard.
func startStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	s := &stream{json.NewEncoder(w), http.NewResponseController(w)}
	_ = s.ctl.Flush()
	return s
}

func (s *stream) send(v any) error {
	if err := s.enc.Encode(v); err != nil {
		return err
	}
	return s.ctl.Flush()
}
