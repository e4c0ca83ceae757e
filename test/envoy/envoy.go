// Package envoy runs the real Envoy for tests, the demo and benchmarks.
//
// It fakes nothing and knows nothing of Legation: it takes a bootstrap, starts
// the binary, and reads Envoy's own admin interface. Whoever calls Start calls
// Stop; an Envoy also ends when the process that started it does.
//
// Start reading at Start; binary.go says which binary is run, admin.go what can
// be asked of a running Envoy.
package envoy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopTimeout is how long Stop waits after SIGTERM before it sends SIGKILL.
// Envoy exits within about 10 ms of a SIGTERM, whatever is in flight.
const stopTimeout = 5 * time.Second

// maxSocketPath is the longest path of a Unix socket, in bytes (sun_path
// without its final zero).
const maxSocketPath = 107

// Options say how to start an Envoy. Bootstrap is required.
type Options struct {
	// Bootstrap is YAML or JSON. Its admin section, if there is one, loses its
	// address to a Unix socket of this package's own.
	Bootstrap []byte
	// Args are further command line arguments, such as "--drain-time-s", "6".
	Args []string
	// LogLevel is Envoy's log level; empty means "warning".
	LogLevel string
	// OwnNetwork starts Envoy in a network namespace of its own, where nothing is
	// reachable before who started it connects it, by PID. It needs the right to make one.
	OwnNetwork bool
	// Dir receives bootstrap.yaml and is Envoy's working directory. Empty means
	// a temporary directory that Stop removes.
	Dir string
}

// AdminPath stands in a bootstrap for the admin socket, whose path Start chooses.
const AdminPath = "/admin.sock"

// Envoy is a running Envoy. Its methods may be called from any goroutine.
type Envoy struct {
	cmd    *exec.Cmd
	log    *tail
	socket string // path of the admin socket
	client *http.Client
	remove []string // directories that Stop removes

	done chan struct{} // closed when the process has ended
	err  error         // why it ended, nil if by us; to be read after done is closed

	stop     sync.Once
	stopping chan struct{} // closed when Stop was called or the context of Start ended
}

// Start writes the bootstrap and starts Envoy. It does not wait until Envoy
// serves: see WaitReady. When ctx ends, the process is stopped as by Stop, but
// its temporary directory stays until Stop is called.
func Start(ctx context.Context, o Options) (*Envoy, error) {
	binary, err := Binary()
	if err != nil {
		return nil, err
	}
	e := &Envoy{log: &tail{}, done: make(chan struct{}), stopping: make(chan struct{})}
	if err := e.prepare(binary, o); err != nil {
		e.removeAll()
		return nil, err
	}
	started := make(chan error, 1)
	go e.run(started)
	if err := <-started; err != nil {
		e.removeAll()
		return nil, fmt.Errorf("starting Envoy: %w", err)
	}
	go e.end(ctx)
	return e, nil
}

// Socket is the path of its admin socket.
func (e *Envoy) Socket() string { return e.socket }

// prepare makes the directories, writes the bootstrap and builds the command.
func (e *Envoy) prepare(binary string, o Options) error {
	if len(o.Bootstrap) == 0 {
		return errors.New("starting Envoy: no bootstrap")
	}
	dir, err := e.tempDir("")
	if err != nil {
		return err
	}
	if e.socket = filepath.Join(dir, "admin.sock"); len(e.socket) > maxSocketPath {
		if dir, err = e.tempDir("/tmp"); err != nil {
			return err
		}
		e.socket = filepath.Join(dir, "admin.sock")
	}
	if o.Dir == "" {
		o.Dir = dir
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	o.Bootstrap = bytes.ReplaceAll(o.Bootstrap, []byte("path: "+AdminPath+"\n"), []byte("path: "+e.socket+"\n"))
	config := filepath.Join(o.Dir, "bootstrap.yaml")
	if err := os.WriteFile(config, o.Bootstrap, 0o600); err != nil {
		return fmt.Errorf("writing Envoy's bootstrap: %w", err)
	}
	e.client = adminClient(e.socket)
	e.cmd = e.command(binary, config, o)
	return nil
}

func (e *Envoy) command(binary, config string, o Options) *exec.Cmd {
	level := o.LogLevel
	if level == "" {
		level = "warning"
	}
	admin := fmt.Sprintf(`{"admin":{"address":{"pipe":{"path":%q,"mode":384}}}}`, e.socket) // 384: 0600
	args := []string{"--config-path", config, "--config-yaml", admin, "--log-level", level, "--disable-hot-restart"}
	cmd := exec.Command(binary, append(args, o.Args...)...)
	cmd.Dir = o.Dir
	cmd.Stdout, cmd.Stderr = e.log, e.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if o.OwnNetwork {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	}
	return cmd
}

// run owns the process. It stays on one thread, because Pdeathsig fires when
// the thread that started the child ends, not the process.
func (e *Envoy) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := e.cmd.Start()
	started <- err
	if err == nil {
		e.cmd.Wait() // its error is in ProcessState
		e.err = e.verdict()
	}
	close(e.done)
}

// verdict says how the ended process ended, nil if we asked for it.
func (e *Envoy) verdict() error {
	select {
	case <-e.stopping:
		return nil
	default:
		return fmt.Errorf("Envoy ended by itself (%v); its last lines:\n%s", e.cmd.ProcessState, e.log.last(lastLines))
	}
}

// end waits for the end of ctx, of the process, or for Stop, and sees the
// process out.
func (e *Envoy) end(ctx context.Context) {
	select {
	case <-e.done:
		return
	case <-ctx.Done():
		e.stop.Do(func() { close(e.stopping) })
	case <-e.stopping:
	}
	e.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-e.done:
	case <-time.After(stopTimeout):
		e.cmd.Process.Kill()
	}
}

// Stop ends Envoy, waits for it and removes its temporary directory. The error
// says that Envoy had ended before, by itself or by another's signal. Further
// calls return the same.
func (e *Envoy) Stop() error {
	e.stop.Do(func() { close(e.stopping) })
	<-e.done
	e.removeAll()
	return e.err
}

// Done is closed when the process has ended.
func (e *Envoy) Done() <-chan struct{} { return e.done }

// Err is nil while Envoy runs and after we ended it; else it says how Envoy
// ended, with the last lines of its log.
func (e *Envoy) Err() error {
	select {
	case <-e.done:
		return e.err
	default:
		return nil
	}
}

// PID is the process id.
func (e *Envoy) PID() int { return e.cmd.Process.Pid }

// AdminSocket is the path of the Unix socket of the admin interface:
//
//	curl --unix-socket PATH http://envoy/config_dump
func (e *Envoy) AdminSocket() string { return e.socket }

// Log returns what Envoy wrote to its standard output and error, the newest
// logKept bytes of it.
func (e *Envoy) Log() string { return e.log.String() }

func (e *Envoy) tempDir(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "envoy")
	if err != nil {
		return "", fmt.Errorf("a directory for Envoy: %w", err)
	}
	e.remove = append(e.remove, dir)
	return dir, nil
}

func (e *Envoy) removeAll() {
	for _, dir := range e.remove {
		os.RemoveAll(dir)
	}
}

func adminClient(socket string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 1}}
}

// lines joins the last n lines of s.
func lines(s string, n int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
