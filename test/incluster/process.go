//go:build real

package incluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"legation.dev/test/envoy"
)

// lastLines is how many lines of a log an error shows.
const lastLines = 30

// process is a running bin/legation. One goroutine at a time may call its methods.
type process struct {
	cmd   *exec.Cmd
	dir   string // of its own
	log   logFile
	ended chan struct{} // closed when it has ended
	err   error         // how; to be read after ended
}

// logFile is the path of a log.
type logFile string

// last are its last lines.
func (f logFile) last() string {
	text, err := os.ReadFile(string(f))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-lastLines):], "\n")
}

// startBinary starts what `make build` makes, or another build of it. dir is its own
// and goes with it. env is added to the environment.
func startBinary(dir, path string, env []string, args ...string) (*process, error) {
	if path == "" {
		root, err := envoy.Root()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(root, "bin", "legation")
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: run `make build`", err)
	}
	p := &process{cmd: exec.Command(path, args...), dir: dir, log: logFile(filepath.Join(dir, "log")), ended: make(chan struct{})}
	log, err := os.Create(string(p.log))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = append(os.Environ(), env...)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// died is an error if it has ended.
func (p *process) died() error {
	select {
	case <-p.ended:
		return fmt.Errorf("legation ended by itself (%v); its last lines:\n%s", p.cmd.ProcessState, p.log.last())
	default:
		return nil
	}
}

// alive is ctx, which also ends when the process does.
func (p *process) alive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-p.ended:
			cancel(errors.New("legation ended by itself"))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// kill ends it as kill -9 does.
func (p *process) kill() error {
	if err := p.died(); err != nil {
		return errors.Join(err, os.RemoveAll(p.dir))
	}
	err := p.cmd.Process.Kill()
	<-p.ended
	return errors.Join(err, os.RemoveAll(p.dir))
}

// stop ends it by SIGTERM, after which its status must be 0.
func (p *process) stop() error {
	if err := p.died(); err != nil {
		return errors.Join(err, os.RemoveAll(p.dir))
	}
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.ended
	if p.err != nil {
		err = errors.Join(err, fmt.Errorf("legation ended with %w; its last lines:\n%s", p.err, p.log.last()))
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}
