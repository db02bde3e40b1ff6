package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a process may take to end after SIGTERM.
const stopGrace = 10 * time.Second

// A Process is a program that runs in a node until it ends or is stopped. Its
// standard output and error go to one log file.
type Process struct {
	Name string
	Log  string // the log file

	cmd  *exec.Cmd
	done chan struct{}
	err  error // from Wait, once done is closed
}

// Spec says what Start runs.
type Spec struct {
	Name string   // for messages and the log file, unique in the node
	Args []string // program and arguments
	Env  []string // in addition to our own environment

	// Ready is polled until it is nil. Nil means ready at once.
	Ready func() error
	// Within is how long Ready may take. Zero means ten seconds.
	Within time.Duration
}

// Start runs a program in the node and waits until it is ready. A program that
// ends or is not ready in time is an error that quotes its log.
func (n *Node) Start(s Spec) (*Process, error) {
	full := n.Enter(s.Args...)
	c := exec.Command(full[0], full[1:]...)
	c.Env = append(os.Environ(), s.Env...)
	c.Dir = n.Path()
	path := n.Path(s.Name + ".log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lab: %s: %w", n.Name, err)
	}
	defer f.Close()
	c.Stdout, c.Stderr = f, f
	if err := n.lab.start(c); err != nil {
		return nil, fmt.Errorf("lab: %s: %s: %w", n.Name, s.Name, err)
	}
	p := watch(c, n.Name+" "+s.Name, path)
	n.lab.mu.Lock()
	n.lab.procs = append(n.lab.procs, p)
	n.lab.mu.Unlock()
	if err := p.await(s); err != nil {
		p.Kill()
		return nil, err
	}
	n.lab.log.Debug("process", "name", p.Name, "pid", p.Pid())
	return p, nil
}

// watch waits for a started command in the background.
func watch(c *exec.Cmd, name, log string) *Process {
	p := &Process{Name: name, Log: log, cmd: c, done: make(chan struct{})}
	go func() {
		p.err = c.Wait()
		close(p.done)
	}()
	return p
}

func (p *Process) await(s Spec) error {
	if s.Ready == nil {
		return nil
	}
	within := s.Within
	if within == 0 {
		within = 10 * time.Second
	}
	err := Poll(within, func() error {
		if p.Exited() {
			return nil
		}
		return s.Ready()
	})
	if p.Exited() {
		err = fmt.Errorf("ended: %v", p.err)
	}
	if err != nil {
		return fmt.Errorf("lab: %s: %w\n%s", p.Name, err, p.Tail(20))
	}
	return nil
}

// Dumped reports whether the process has ended with a core dump.
func (p *Process) Dumped() bool {
	if !p.Exited() {
		return false
	}
	st, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && st.CoreDump()
}

// Pid is the process id as seen from outside of the node.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited reports whether the process has ended.
func (p *Process) Exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends a signal. A process that has ended is not an error.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("lab: %s: %w", p.Name, err)
	}
	return nil
}

// Stop sends SIGTERM and waits for the end. It is an error if that takes longer
// than ten seconds, in which case the process is killed, or if the process
// ends with anything but 0 or by that signal.
func (p *Process) Stop() error { return p.stop(syscall.SIGTERM) }

func (p *Process) stop(sig syscall.Signal) error {
	if err := p.Signal(sig); err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		p.Kill()
		return fmt.Errorf("lab: %s: still there %v after %v\n%s", p.Name, stopGrace, sig, p.Tail(20))
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		if st, ok := exit.Sys().(syscall.WaitStatus); ok && st.Signaled() && st.Signal() == sig {
			return nil
		}
		return fmt.Errorf("lab: %s: %w\n%s", p.Name, p.err, p.Tail(20))
	}
	return nil
}

// Kill sends SIGKILL and waits for the end.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// Output is everything the process has logged so far.
func (p *Process) Output() string {
	b, err := os.ReadFile(p.Log)
	if err != nil {
		return ""
	}
	return string(b)
}

// Tail is the last n lines of Output.
func (p *Process) Tail(n int) string {
	lines := strings.Split(strings.TrimRight(p.Output(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// stopAll ends processes together, so that the slowest one sets the time.
func stopAll(procs []*Process) {
	var wg sync.WaitGroup
	for _, p := range procs {
		wg.Go(func() { p.Stop() })
	}
	wg.Wait()
}

// ExitCode is the code the process has ended with, -1 for a signal or while it
// runs.
func (p *Process) ExitCode() int {
	if !p.Exited() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}
