package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// dirPrefix starts the name of every lab's directory. The number that follows
// is the owner's process id, which tells a dead lab's directory from a live one's.
const dirPrefix = "warren-lab-"

// Options says how a lab is built. The zero value is a lab under the system's
// temporary directory that logs nothing.
type Options struct {
	// Dir is where the lab's directory is made. Empty means os.TempDir().
	Dir string

	// Warren is the warren binary that nodes run. Only StartWarren needs it.
	Warren string

	// Mode is how daemons move packets whose configuration does not say.
	Mode Mode

	// Log gets one line per node, process and capture. Nil discards them.
	Log *slog.Logger
}

// A Mode is how a daemon moves packets. What is left empty is its own choice.
type Mode struct {
	Workers  int
	Offloads []string
}

// A Lab is a set of nodes, their links, processes and files. Its methods may be
// called from any goroutine.
type Lab struct {
	dir    string
	warren string
	mode   Mode
	log    *slog.Logger
	spawn  chan func()

	mu     sync.Mutex
	nodes  []*Node
	procs  []*Process
	spaces []string // the namespaces made, as /proc/PID/ns/net prints them
	closed bool
}

// New makes an empty lab.
func New(o Options) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("lab: network namespaces need root")
	}
	base := o.Dir
	if base == "" {
		base = os.TempDir()
	}
	dir, err := TempDir(base)
	if err != nil {
		return nil, err
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &Lab{dir: dir, warren: o.Warren, mode: o.Mode, log: log, spawn: make(chan func())}
	go l.spawner()
	return l, nil
}

// Dir is the lab's directory: configs, secrets, sockets, logs and captures.
func (l *Lab) Dir() string { return l.dir }

// Nodes lists the nodes in the order they were made.
func (l *Lab) Nodes() []*Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.nodes)
}

// Processes lists every process the lab started, anchors included.
func (l *Lab) Processes() []*Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.procs)
}

// spawner starts every child from one thread that lives as long as the lab.
// Children ask to be killed when their parent dies, and to the kernel the
// parent is the thread: started from any goroutine, a child would die when the
// Go runtime retires that thread.
func (l *Lab) spawner() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for f := range l.spawn {
		f()
	}
}

func (l *Lab) start(c *exec.Cmd) error {
	c.SysProcAttr = childAttr(c.SysProcAttr)
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return errors.New("lab: closed")
	}
	done := make(chan error, 1)
	l.spawn <- func() { done <- c.Start() }
	return <-done
}

// childAttr puts a child in a process group of its own, out of reach of the
// terminal's Ctrl-C, and ties its life to ours.
func childAttr(a *syscall.SysProcAttr) *syscall.SysProcAttr {
	if a == nil {
		a = &syscall.SysProcAttr{}
	}
	a.Setpgid = true
	a.Pdeathsig = syscall.SIGKILL
	return a
}

// Close ends every process, youngest first, with it the namespaces and links,
// and removes the directory. It may be called more than once.
func (l *Lab) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	procs, nodes := slices.Clone(l.procs), slices.Clone(l.nodes)
	l.mu.Unlock()

	stopAll(procs)
	for _, n := range nodes {
		n.killStrays()
	}
	for _, n := range nodes {
		n.anchor.Kill()
	}
	close(l.spawn)
	if err := os.RemoveAll(l.dir); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

// TempDir makes a directory in base that is removed by its owner or, if that
// was killed, by the next one who asks for one.
func TempDir(base string) (string, error) {
	sweep(base)
	dir, err := os.MkdirTemp(base, fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return "", fmt.Errorf("lab: %w", err)
	}
	return dir, nil
}

// sweep removes the directories of labs whose process is gone: what a lab that
// was killed could not remove itself. Its processes died with it.
func sweep(base string) {
	dirs, _ := filepath.Glob(filepath.Join(base, dirPrefix+"*"))
	for _, d := range dirs {
		owner, _, ok := strings.Cut(strings.TrimPrefix(filepath.Base(d), dirPrefix), "-")
		pid, err := strconv.Atoi(owner)
		if !ok || err != nil || syscall.Kill(pid, 0) != syscall.ESRCH {
			continue
		}
		os.RemoveAll(d)
	}
}
