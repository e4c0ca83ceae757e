//go:build real

package shutdown

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"legation.dev/drain"
	"legation.dev/drain/admin"
	"legation.dev/test/envoy"
	"legation.dev/xds/bootstrap"
)

// patience bounds waits whose end is certain, on a slow machine too.
const patience = time.Minute

// manager is the path of the binary that `make build` makes.
func manager(t *testing.T) string {
	t.Helper()
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "bin", "shutdown-manager")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run `make build`", err)
	}
	return path
}

// process is a program that was started. It is killed at the end of its test.
type process struct {
	cmd   *exec.Cmd
	out   *log
	ended chan struct{} // closed when it has ended
	at    time.Time     // when; to be read after ended
}

// log is what a process and its children wrote.
type log struct {
	mu   sync.Mutex // guards text
	text []byte
}

// Write implements io.Writer.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// begin starts a program. attr may be nil, and so may be what its log goes to.
func begin(t *testing.T, attr *syscall.SysProcAttr, to *os.File, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(args[0], args[1:]...), out: &log{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = p.out, p.out, attr
	if to != nil {
		p.cmd.Stdout, p.cmd.Stderr = to, to
	}
	p.cmd.WaitDelay = time.Second // a killed parent leaves Envoy, which holds the pipe
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		p.at = time.Now()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%s wrote:\n%s", args[0], p.out)
		}
	})
	return p
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait waits until it has ended and returns its exit status.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%s does not end; it wrote:\n%s", p.cmd.Path, p.out)
	}
	return p.cmd.ProcessState.ExitCode()
}

// proxy is an Envoy of a class, under a shutdown-manager or alone.
type proxy struct {
	*process
	dir    string
	socket string // of the admin interface
	probes string // address of probes and metrics
	envoy  *admin.Client
	logsTo *os.File // where its log goes; nil: to out
}

// Ports beside those of a class: of shutdown-manager's probes and metrics, and of
// the listeners that Envoy itself has for such.
const (
	probesPort  = 9902
	healthPort  = 9903
	metricsPort = 9904
)

// connections is how many of clients an Envoy accepts.
const connections = 1000

// start starts an Envoy under `shutdown-manager run` with these flags, and waits
// until it serves.
func (w *suite) start(t *testing.T, class string, flags ...string) *proxy {
	t.Helper()
	p := w.prepare(t, class)
	p.launch(t, launch{before: p.under(t, flags...)})
	return p
}

// under is the command line of a shutdown-manager up to Envoy's.
func (p *proxy) under(t *testing.T, flags ...string) []string {
	t.Helper()
	args := []string{manager(t), "run", "--admin", "unix:" + p.socket, "--report", p.reportPath(), "--listen", p.probes}
	return append(append(args, flags...), "--")
}

// alone starts an Envoy without a parent of ours.
func (w *suite) alone(t *testing.T, class string, args ...string) *proxy {
	t.Helper()
	p := w.prepare(t, class)
	p.launch(t, launch{args: args})
	return p
}

func (w *suite) prepare(t *testing.T, class string) *proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "drain") // short, for the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &proxy{dir: dir, socket: filepath.Join(dir, "admin.sock"), probes: fmt.Sprintf("%s:%d", w.address[class], probesPort)}
	if p.envoy, err = admin.New("unix:" + p.socket); err != nil {
		t.Fatal(err)
	}
	certificate, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	config, err := bootstrap.New(bootstrap.Config{NodeID: filepath.Base(dir), Class: class, XDSAddress: w.xds,
		Admin: "unix:" + p.socket, Certificate: certificate, MaxConnections: connections, Upgrades: w.upgrades,
		Health: w.health(class), Metrics: net.JoinHostPort(w.address[class], port(metricsPort))})
	if err != nil {
		t.Fatal(err)
	}
	text, err := bootstrap.Render(config, bootstrap.YAML)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.configPath(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *proxy) configPath() string { return filepath.Join(p.dir, "envoy.yaml") }
func (p *proxy) reportPath() string { return filepath.Join(p.dir, "report.json") }

// launch is how an Envoy is started.
type launch struct {
	before []string // what comes before it on the command line
	args   []string // its further arguments
	attr   *syscall.SysProcAttr
}

// launch starts Envoy and waits until it serves.
func (p *proxy) launch(t *testing.T, l launch) {
	t.Helper()
	binary, err := envoy.Binary()
	if err != nil {
		t.Fatal(err)
	}
	command := append(l.before, binary, "-c", p.configPath(), "-l", "warning", "--disable-hot-restart")
	p.process = begin(t, l.attr, p.logsTo, append(command, l.args...)...)
	t.Cleanup(p.quit)
	await(t, "Envoy to be ready", func() error {
		if ready, err := p.envoy.Ready(t.Context()); err != nil || !ready {
			return errors.Join(errors.New("not ready"), err)
		}
		return nil
	})
}

// quit ends an Envoy that lost its parent.
func (p *proxy) quit() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.envoy.Quit(ctx) // nobody answers if it has ended
}

// report is what was written at the end of the drain.
func (p *proxy) report(t *testing.T) drain.Report {
	t.Helper()
	text, err := os.ReadFile(p.reportPath())
	if err != nil {
		t.Fatal(err)
	}
	var r drain.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// awaitLog waits until a process wrote a text.
func (p *process) awaitLog(t *testing.T, text string) {
	t.Helper()
	await(t, text, func() error {
		if !strings.Contains(p.out.String(), text) {
			return errors.New("not in the log")
		}
		return nil
	})
}

// await looks until there is no error.
func await(t *testing.T, what string, look func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := look()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v", what, err)
		}
	}
}
