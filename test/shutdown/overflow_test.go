//go:build real

package shutdown

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"legation.dev/test/envoy"
)

// backlog is net.core.somaxconn in the namespace of the test, and so the accept
// queue of each socket of Envoy; the kernel lets one more in.
const backlog = 16

// inNamespace moves the goroutine of the test, and what it starts and opens from
// then on, into a network namespace of its own, which ends with it.
func inNamespace(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: a network namespace is made")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("needs the right to make a network namespace: ", err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile("/proc/sys/net/core/somaxconn", []byte(strconv.Itoa(backlog)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestBurst: Envoy does not come to accept, and a burst of four times its backlog
// arrives. What the kernel dropped is in the metrics at the next scrape, and the
// first alert fires on it.
func TestBurst(t *testing.T) {
	inNamespace(t)
	w := newSuite(t, nil, "one")
	p := w.start(t, "one")
	pid, ok := p.envoy.PID(t.Context())
	if !ok {
		t.Fatal("Envoy's process id is unknown")
	}
	p.tooSmall(t)
	before := p.scrape(t)
	listeners := float64(2) // sockets of an address, one for each worker
	if got := before[queueSeries("limit_connections", w.http("one"))]; got < backlog || int(got)%backlog != 0 {
		t.Errorf("limit of the accept queues: %v, want %d for each worker", got, backlog)
	} else {
		listeners = got / backlog
	}
	stop(t, pid)
	burst := 4 * backlog * int(listeners)
	knock(t, w.http("one"), burst)
	after := p.scrape(t)
	t.Logf("%d connections at once, %v sockets with a backlog of %d: %v dropped", burst, listeners, backlog, after[overflowSeries]-before[overflowSeries])
	if dropped, most := after[overflowSeries]-before[overflowSeries], float64(burst)-listeners*backlog; dropped < most-8 {
		t.Errorf("%v overflows, want about %v", dropped, most)
	}
	if ratio := after[queueSeries("fullest_ratio", w.http("one"))]; ratio < 1 {
		t.Errorf("the fullest queue is at %v, want 1", ratio)
	}
	fires(t, before[overflowSeries], after[overflowSeries])
}

// tooSmall checks that `shutdown-manager check` names what is too small here, and `run`
// has warned of it: the accept queues, as the kernel would make them and as Envoy has
// them.
func (p *proxy) tooSmall(t *testing.T) {
	t.Helper()
	check := begin(t, nil, nil, manager(t), "check", "--admin", "unix:"+p.socket, "--upstream-connections", "100")
	if status := check.wait(t); status != 1 {
		t.Errorf("check ends with %d, want 1", status)
	}
	for _, line := range []string{`TOO SMALL +net\.core\.somaxconn +16 +at least 4096`, `TOO SMALL +backlog of Envoy's listeners +16 +at least 4096`,
		`ok +RLIMIT_NOFILE.* at least 2124`, `ok +net\.ipv4\.ip_local_port_range`} {
		if !regexp.MustCompile(line).MatchString(check.out.String()) {
			t.Errorf("check says no line %s:\n%s", line, check.out)
		}
	}
	p.awaitLog(t, `"msg":"a limit of the node is too small","limit":"net.core.somaxconn","value":"16"`)
}

// stop stops a process, waits until each of its threads has stopped, and lets it
// go on at the end of the test.
func stop(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGCONT) })
	await(t, "all threads to stop", func() error {
		threads, err := procfs.AllThreads(pid)
		if err != nil {
			return err
		}
		for _, thread := range threads {
			if stat, err := thread.Stat(); err != nil || stat.State != "T" {
				return fmt.Errorf("thread %d is in state %s: %w", thread.PID, stat.State, err)
			}
		}
		return nil
	})
}

// knock opens n connections at once and waits until the kernel has taken as many
// as it does: no further one is established.
func knock(t *testing.T, address string, n int) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	to := &unix.SockaddrInet4{Addr: [4]byte(net.ParseIP(host).To4())}
	if to.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS {
			t.Fatal(err)
		}
	}
}

const overflowSeries = "tcp_listen_overflows_total"

func queueSeries(name, address string) string {
	return fmt.Sprintf("accept_queue_%s{address=%q}", name, address)
}

// scrape gets the metrics by their names without prefix. It dials on the
// goroutine of the test, whose thread is in the namespace.
func (p *proxy) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	conn, err := net.Dial("tcp", p.probes)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(conn, "GET /metrics HTTP/1.0\r\n\r\n")
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name, ours := strings.CutPrefix(series, "shutdown_manager_"); ours {
			if values[name], err = strconv.ParseFloat(value, 64); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
	}
	return values
}

// promtool is the path of the tool, and alerts that of the rules.
func promtool(t *testing.T) (tool, alerts string) {
	t.Helper()
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	tool = filepath.Join(root, ".tools", "bin", "promtool")
	if _, err := os.Stat(tool); err != nil {
		t.Fatalf("%v: run `make tools`", err)
	}
	return tool, filepath.Join(root, "deploy", "helm", "legation", "alerts")
}

// fires checks that the first alert fires at the scrape after the burst, with the
// values of both scrapes.
func fires(t *testing.T, before, after float64) {
	t.Helper()
	tool, alerts := promtool(t)
	rules, err := os.ReadFile(filepath.Join(alerts, "host.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// The words of the alert are those of host_test.yaml.
	rules = regexp.MustCompile(`(?s)    annotations:.*?(\n  - alert|\z)`).ReplaceAll(rules, []byte("    annotations: {}$1"))
	test := fmt.Sprintf(`
rule_files: [host.yaml]
evaluation_interval: 15s
tests:
- interval: 15s
  input_series:
  - {series: 'shutdown_manager_tcp_listen_overflows_total{instance="node-a"}', values: '%v %[1]v %v'}
  alert_rule_test:
  - {alertname: LegationAcceptQueueOverflow, eval_time: 15s, exp_alerts: []}
  - alertname: LegationAcceptQueueOverflow
    eval_time: 30s
    exp_alerts:
    - exp_labels: {severity: critical, instance: node-a}
`, before, after)
	for name, text := range map[string]string{"host.yaml": string(rules), "test.yaml": test} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(tool, "test", "rules", filepath.Join(dir, "test.yaml")).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// TestAlerts: what each rule does, and that its metrics are exported.
func TestAlerts(t *testing.T) {
	tool, alerts := promtool(t)
	for _, args := range [][]string{{"check", "rules", "host.yaml"}, {"test", "rules", "host_test.yaml"}} {
		cmd := exec.Command(tool, args...)
		cmd.Dir = alerts
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	var rules []byte
	for _, name := range []string{"host.yaml", "envoy.yaml"} {
		text, err := os.ReadFile(filepath.Join(alerts, name))
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, text...)
	}
	w := newSuite(t, nil, "one")
	exported := map[string]bool{}
	for series := range w.start(t, "one").scrape(t) {
		name, _, _ := strings.Cut(series, "{")
		exported["shutdown_manager_"+name] = true
	}
	for _, name := range regexp.MustCompile(`\bshutdown_manager_\w+`).FindAllString(string(rules), -1) {
		if !exported[name] && !strings.Contains(name, "conntrack") { // not every kernel tracks
			t.Errorf("%s is in a rule but not exported", name)
		}
	}
}
