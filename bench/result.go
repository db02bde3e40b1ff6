package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A Result is one run: every figure, and what one must know to judge them.
type Result struct {
	Started time.Time         `json:"started"`
	Minutes float64           `json:"minutes"`
	Label   string            `json:"label,omitempty"` // what to know about this run
	Machine Machine           `json:"machine"`
	Options Options           `json:"options"`
	Systems map[string]About  `json:"systems"`
	Rounds  []Round           `json:"rounds"`
	Version map[string]string `json:"versions"`
}

// About is what a run found out about a system.
type About struct {
	Title  string `json:"title"`
	Setup  string `json:"setup"`            // who talks to whom
	MTU    int    `json:"mtu"`              // of the path that applications see
	Suite  string `json:"suite,omitempty"`  // the cipher
	Layers int    `json:"layers,omitempty"` // tunnels
}

// A Round is what one system did in one round. A figure that could not be had
// is missing, and Error says why.
type Round struct {
	System  string             `json:"system"`
	Round   int                `json:"round"`
	Figures map[string]float64 `json:"figures"`

	// Sender lists the UDP figures that the sender limited, not the system.
	Sender []string `json:"sender_limited,omitempty"`
	Error  string   `json:"error,omitempty"`
}

// Figures are a system's figures of one metric, by round.
func (r *Result) Figures(system, key string) map[int]float64 {
	out := make(map[int]float64)
	for _, x := range r.Rounds {
		if v, ok := x.Figures[key]; ok && x.System == system {
			out[x.Round] = v
		}
	}
	return out
}

// Summary summarizes Figures.
func (r *Result) Summary(system, key string) Summary {
	return Summarize(values(r.Figures(system, key)))
}

// SenderLimited reports whether the sender was the limit in any round.
func (r *Result) SenderLimited(system, key string) bool {
	return slices.ContainsFunc(r.Rounds, func(x Round) bool {
		return x.System == system && slices.Contains(x.Sender, key)
	})
}

// Save writes the result into dir, named after its time, and returns the file.
// A file that is half written has another name.
func (r *Result) Save(dir string) (string, error) {
	return save(filepath.Join(dir, r.Started.UTC().Format(stamp)+".json"), r)
}

// stamp is the format of times in names of files.
const stamp = "20060102-150405"

// save writes v as the JSON file at path, which it returns.
func save(path string, v any) (string, error) {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	if err := os.WriteFile(path+".tmp", append(b, '\n'), 0o644); err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	return path, nil
}

// Load reads a file that Save has written.
func Load(path string) (*Result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	r := &Result{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("bench: %s: %w", path, err)
	}
	return r, nil
}
