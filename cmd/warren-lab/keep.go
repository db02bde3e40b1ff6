package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"warren/lab"
)

// holdVerb runs in the background and holds the network that `up` starts.
const holdVerb = "hold-network"

const (
	stateFile = "/run/warren-lab.json"
	readyLine = "ready\n"
)

// A state is what `shell` and `down` need to know about a network that is up.
type state struct {
	Pid   int            `json:"pid"` // of the holder
	Dir   string         `json:"dir"`
	Nodes map[string]int `json:"nodes"` // anchors by name
}

func readState() (state, error) {
	var s state
	b, err := os.ReadFile(stateFile)
	if errors.Is(err, os.ErrNotExist) {
		return s, errors.New("no network is up: run `warren-lab up` first")
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return s, err
	}
	if syscall.Kill(s.Pid, 0) != nil {
		os.Remove(stateFile) // its holder was killed, and the network went with it
		return s, errors.New("no network is up any more: run `warren-lab up`")
	}
	return s, nil
}

// up starts the holder in a session of its own and waits until all is there.
func up() error {
	if s, err := readState(); err == nil {
		return fmt.Errorf("a network is up already (process %d): `warren-lab down` takes it away", s.Pid)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.Command(self, holdVerb)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != readyLine {
		return fmt.Errorf("the network did not come up: %w", c.Wait())
	}
	s, err := readState()
	if err != nil {
		return err
	}
	fmt.Print(picture)
	fmt.Printf("\nup, files in %s. Try:\n  warren-lab shell sender ping 203.0.113.77\n  warren-lab shell sender %s\n  warren-lab down\n",
		s.Dir, "warren --socket /run/warren/alice.sock status")
	return nil
}

// hold starts the network, says so on standard output, and keeps it until it
// is told to end.
func hold(ctx context.Context) error {
	warren, err := warrenPath()
	if err != nil {
		return err
	}
	n, err := startNetwork(ctx, warren)
	if err != nil {
		return err
	}
	if err := publish(n); err != nil {
		n.Close()
		return err
	}
	fmt.Print(readyLine)
	<-ctx.Done()
	err = n.finish()
	os.Remove(stateFile)
	return err
}

func publish(n *network) error {
	s := state{Pid: os.Getpid(), Dir: n.Dir(), Nodes: make(map[string]int)}
	for _, node := range n.Nodes() {
		s.Nodes[node.Name] = node.Pid()
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(stateFile, b, 0o600)
}

func down() error {
	s, err := readState()
	if err != nil {
		return err
	}
	if err := syscall.Kill(s.Pid, syscall.SIGTERM); err != nil {
		return err
	}
	return lab.Poll(30*time.Second, func() error {
		if _, err := os.Stat(stateFile); err == nil {
			return fmt.Errorf("process %d is still taking the network down", s.Pid)
		}
		return nil
	})
}

// shell replaces this process by a shell or a command in a node.
func shell(node string, command []string) error {
	s, err := readState()
	if err != nil {
		return err
	}
	pid, ok := s.Nodes[node]
	if !ok {
		var names []string
		for name := range s.Nodes {
			names = append(names, name)
		}
		slices.Sort(names)
		return fmt.Errorf("no node %q, there are %v", node, names)
	}
	if len(command) == 0 {
		command = []string{"bash", "--norc"}
	}
	enter, err := exec.LookPath("nsenter")
	if err != nil {
		return err
	}
	env := append(os.Environ(), "PS1=["+node+"] # ")
	if warren, err := warrenPath(); err == nil {
		env = append(env, "PATH="+filepath.Dir(warren)+":"+os.Getenv("PATH"))
	}
	args := []string{"nsenter", "--net", "--mount", "--wd=" + s.Dir + "/" + node, "--target", strconv.Itoa(pid), "--"}
	return syscall.Exec(enter, append(args, command...), env)
}
