//go:build real

package kube

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// lastLines is how many lines of a process's log an error shows.
const lastLines = 20

// Process is one of the three programs of a cluster. One goroutine at a time
// may call its methods. Its output goes to NAME.log in the cluster's directory.
type Process struct {
	name  string
	args  []string // program and arguments
	log   string   // path
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
	asked bool          // to end
}

// Name is the name of the program.
func (p *Process) Name() string { return p.name }

// Start starts the process if it does not run.
func (p *Process) Start() error {
	if p.Running() {
		return nil
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.asked = cmd, ended, false
	go func() {
		cmd.Wait() // how it ended is in its log
		close(ended)
	}()
	return nil
}

// Running reports whether the process is there.
func (p *Process) Running() bool {
	if p.ended == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Kill ends the process as kill -9 does, and waits until it is gone.
func (p *Process) Kill() error { return p.signal(syscall.SIGKILL) }

func (p *Process) signal(s syscall.Signal) error {
	if !p.Running() {
		return nil
	}
	p.asked = true
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending %s: %w", p.name, err)
	}
	<-p.ended
	return nil
}

// failure adds the last lines of the log to err.
func (p *Process) failure(err error) error {
	text, readErr := os.ReadFile(p.log)
	if readErr != nil {
		return fmt.Errorf("%s: %w (%v)", p.name, err, readErr)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	lines = lines[max(0, len(lines)-lastLines):]
	return fmt.Errorf("%s: %w; last lines of %s:\n%s", p.name, err, filepath.Base(p.log), strings.Join(lines, "\n"))
}

// died is an error if the process ended by itself: neither Kill nor Stop was
// called since it was started.
func (p *Process) died() error {
	if p.ended == nil || p.asked || p.Running() {
		return nil
	}
	return p.failure(fmt.Errorf("it ended by itself (%v)", p.cmd.ProcessState))
}
