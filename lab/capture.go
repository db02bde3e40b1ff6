package lab

import (
	"fmt"
	"strings"
	"syscall"
)

// A Capture is a tcpdump that writes what one interface carries to a file.
type Capture struct {
	File string // pcap, Ethernet frames; complete once Stop has returned

	proc *Process
}

// Capture starts capturing on the node's interface dev, all of it or what the
// tcpdump filter says. It returns when tcpdump listens.
func (n *Node) Capture(dev string, filter ...string) (*Capture, error) {
	name := "tcpdump-" + dev
	c := &Capture{File: n.Path(dev + ".pcap")}
	args := []string{"tcpdump", "--interface", dev, "-w", c.File, "--packet-buffered", "--immediate-mode",
		"--snapshot-length", "0", "-n", "-Z", "root", "--buffer-size", "16384"}
	logged := func() error {
		b, err := readFile(n.Path(name + ".log"))
		if err == nil && !strings.Contains(b, "listening on") {
			err = fmt.Errorf("tcpdump does not listen yet")
		}
		return err
	}
	var err error
	c.proc, err = n.Start(Spec{Name: name, Args: append(args, filter...), Ready: logged})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Stop ends the capture and completes the file.
func (c *Capture) Stop() error { return c.proc.stop(syscall.SIGINT) }
