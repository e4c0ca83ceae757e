package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// child is a running `legation serve`.
type child struct {
	cmd  *exec.Cmd
	log  *tail
	done chan struct{} // closed when it has ended
	err  error         // why, to be read after done is closed
}

// startChild starts a process that ends with this one. The caller's goroutine is
// bound to the main thread.
func startChild(binary string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(binary, args...), log: &tail{}, done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	// A group of its own, so that Ctrl-C is the demo's alone.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w (make build makes it)", binary, err)
	}
	go func() {
		defer close(c.done)
		c.err = errors.Join(c.cmd.Wait(), errors.New(c.log.String()))
	}()
	return c, nil
}

// stopTime is how long a child may take to end after SIGTERM.
const stopTime = 5 * time.Second

// stop ends the child. The error says that it had to be killed.
func (c *child) stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it fails only if the child has ended
	select {
	case <-c.done:
		return nil
	case <-time.After(stopTime):
		_ = c.cmd.Process.Kill()
		<-c.done
		return fmt.Errorf("%s did not end on SIGTERM", c.cmd.Path)
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// tailSize is how many bytes a tail keeps.
const tailSize = 4 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailSize; extra > 0 {
		t.text = bytes.Clone(t.text[extra:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
