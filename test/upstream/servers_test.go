//go:build real

package upstream

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"legation.dev/test/badserver"
	"legation.dev/test/envoy"
)

// backend is a server of lifetimes_test.go, before which a relay stands.
type backend struct {
	relay *badserver.Relay
	// twice is how many requests were executed, and how many POSTs of them more often
	// than once: what is idempotent is tried again.
	twice func() (all, twice int)
}

// networkDelay is one way between Envoy and a server: without it a close of the
// server and a request seldom meet.
const networkDelay = time.Millisecond

func relayed(t *testing.T, network, address string) *badserver.Relay {
	t.Helper()
	r, err := badserver.NewRelay(network, address, networkDelay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// closing is a server of our own that closes without notice.
func closing(c badserver.Closes) func(*testing.T) *backend {
	return func(t *testing.T) *backend {
		s, err := badserver.Start("web", c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return &backend{relayed(t, "tcp", s.Address()), func() (int, int) {
			twice, all := s.Twice()
			return all, len(slices.DeleteFunc(twice, func(request string) bool { return !strings.HasPrefix(request, http.MethodPost) }))
		}}
	}
}

// python is a server of .tools/servers with its defaults, on a Unix socket;
// SOCKET in args stands for that.
func python(module string, args ...string) func(*testing.T) *backend {
	return func(t *testing.T) *backend {
		root, err := envoy.Root()
		if err != nil {
			t.Fatal(err)
		}
		installed := filepath.Join(root, ".tools", "servers")
		if _, err := os.Stat(filepath.Join(installed, module)); err != nil {
			t.Fatalf("%v: run make servers", err)
		}
		interpreter := os.Getenv("PYTHON")
		if interpreter == "" {
			interpreter = "python3"
		}
		return process(t, append([]string{interpreter, "-m", module}, args...), "PYTHONPATH="+installed)
	}
}

// node is Node's http server with its defaults; nil where there is no Node.
func node(t *testing.T) *backend {
	program, err := exec.LookPath("node")
	if err != nil {
		t.Log("no Node here: its server is left out")
		return nil
	}
	return process(t, []string{program, "app.js", "SOCKET"})
}

// process starts a server on a Unix socket, and waits until it accepts.
func process(t *testing.T, args []string, environment ...string) *backend {
	t.Helper()
	dir, err := os.MkdirTemp("", "upstream-") // short: a socket has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	for i, a := range args {
		switch a {
		case "SOCKET":
			args[i] = socket
		case "unix:SOCKET":
			args[i] = "unix:" + socket
		}
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = "testdata", append(os.Environ(), environment...)
	cmd.Env = append(cmd.Env, "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	t.Cleanup(func() { os.RemoveAll(dir) })
	run(t, cmd)
	awaitSocket(t, socket)
	return &backend{relayed(t, "unix", socket), func() (int, int) { return askTwice(t, socket) }}
}

// run starts a process that ends with the test: several processes as a group. Its
// goroutine stays on one thread, because Pdeathsig fires when that ends.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, done := make(chan error), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // it is killed
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
	})
}

func awaitSocket(t *testing.T, socket string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// askTwice asks the application itself.
func askTwice(t *testing.T, socket string) (all, twice int) {
	t.Helper()
	client := http.Client{Timeout: hang, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
	resp, err := client.Get("http://server/twice")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := fmt.Fscan(resp.Body, &all, &twice); err != nil {
		t.Fatal(err)
	}
	return all, twice
}
