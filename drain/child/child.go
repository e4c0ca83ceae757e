// Package child runs one process as its parent, which may be process 1 of a
// container: it inherits and reaps whatever loses its parent there.
//
// Waiting takes every child that ends: whoever uses this package starts no process by other
// means.
package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Child is a process that Start has started. Its methods may be called from any goroutine.
type Child struct {
	process *os.Process
	done    chan struct{}      // closed when it has ended
	status  syscall.WaitStatus // to be read after done is closed
}

// Start starts a program, looked up in PATH, with our environment and our standard
// input, output and error.
//
// The limit of open files (RLIMIT_NOFILE) of the child, and ours, is raised to the hard
// limit: container runtimes set a soft limit of 1024, and one Envoy needs more.
//
// The child gets a process group of its own, and SIGTERM and SIGINT are blocked in it: a
// Ctrl-C at the terminal, or a SIGTERM to all processes of a control group (systemd, the end
// of a node), concerns only us. The caller must forward other signals with Signal, and end
// the child by other means.
//
// If we are killed, the child lives on: its clients must not lose their connections.
func Start(args []string) (*Child, error) {
	if len(args) == 0 {
		return nil, errors.New("no program to run")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, err
	}
	if err := raiseOpenFiles(); err != nil {
		return nil, err
	}
	all.Lock() // until it is known by its pid: it may end at once
	defer all.Unlock()
	process, err := startShielded(path, args)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	c := &Child{process: process, done: make(chan struct{})}
	all.running[process.Pid] = c
	if !all.reaping {
		all.reaping = true
		go reap()
	}
	return c, nil
}

// all are the children of the process that were not waited for yet.
var all = struct {
	sync.Mutex
	running map[int]*Child // by pid
	reaping bool           // reap runs
}{running: map[int]*Child{}}

// startShielded starts a process in which SIGTERM and SIGINT are blocked: it inherits what
// is blocked in the thread that starts it, as all of its own threads do.
func startShielded(path string, args []string) (*os.Process, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var blocked, before unix.Sigset_t
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		blocked.Val[0] |= 1 << (s - 1)
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, &before); err != nil {
		return nil, err
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	return os.StartProcess(path, args, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
}

// raiseOpenFiles sets our soft limit, which children inherit. (The runtime of Go
// does so for itself at its start, but hands the old one to children, unless the
// program has set it.)
func raiseOpenFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading RLIMIT_NOFILE: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raising RLIMIT_NOFILE to %d: %w", limit.Max, err)
	}
	return nil
}

// reap takes every child that ends, ours and inherited ones, until there is none. Its
// goroutine ends with the last child.
func reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // ECHILD: none is left
			if ended() {
				return
			}
		default:
			if c := taken(pid); c != nil {
				c.status = status
				close(c.done)
			}
		}
	}
}

// ended reports whether no child was started since none was left.
func ended() bool {
	all.Lock()
	defer all.Unlock()
	all.reaping = len(all.running) > 0
	return !all.reaping
}

// taken is the child with this pid, which has ended; nil for one that was inherited.
func taken(pid int) *Child {
	all.Lock()
	defer all.Unlock()
	c := all.running[pid]
	delete(all.running, pid)
	return c
}

// PID is the process id of the child.
func (c *Child) PID() int { return c.process.Pid }

// Signal sends the child a signal. The error is os.ErrProcessDone if it has ended.
func (c *Child) Signal(s os.Signal) error { return c.process.Signal(s) }

// Done returns a channel that is closed when the child has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// ExitStatus is the exit status of the child or, if a signal ended it, 128 plus the
// number of the signal, as in a shell. Call it only after Done is closed.
func (c *Child) ExitStatus() int {
	if c.status.Signaled() {
		return 128 + int(c.status.Signal())
	}
	return c.status.ExitStatus()
}

// Cause describes how the child ended, for a log. Call it only after Done is closed.
func (c *Child) Cause() string {
	if c.status.Signaled() {
		return "signal " + unix.SignalName(c.status.Signal())
	}
	return fmt.Sprintf("exit status %d", c.status.ExitStatus())
}
