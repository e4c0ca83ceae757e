//go:build real

package shutdown

import (
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"legation.dev/drain"
)

// hook starts `shutdown-manager drain` for an Envoy.
func (p *proxy) hook(t *testing.T, flags ...string) *process {
	t.Helper()
	args := []string{manager(t), "drain", "--admin", "unix:" + p.socket, "--report", p.reportPath()}
	return begin(t, nil, nil, append(args, flags...)...)
}

// sidecar starts `shutdown-manager serve` for an Envoy and waits until it
// answers.
func (p *proxy) sidecar(t *testing.T, flags ...string) *process {
	t.Helper()
	args := []string{manager(t), "serve", "--admin", "unix:" + p.socket, "--report", p.reportPath(), "--listen", p.probes}
	s := begin(t, nil, nil, append(args, flags...)...)
	await(t, "the sidecar to answer", func() error {
		_, err := fetch(t, "http://"+p.probes+"/metrics")
		return err
	})
	return s
}

// drained checks that a drain ended as if nobody had been killed.
func (p *proxy) drained(t *testing.T, c *clients, slack func() time.Duration) {
	t.Helper()
	p.wait(t)
	after := p.at.Sub(c.allDone(t))
	if most := slack(); after < 0 || after > most {
		t.Errorf("Envoy ended %s after its last request, want at most %s", after, most)
	}
	if r := p.report(t); r.Reason != drain.ReasonDone || r.RequestsCut+r.UpgradesCut != 0 {
		t.Errorf("report %+v", r)
	}
}

// ample are times that leave room for all that is atWork.
func ample() []string {
	return []string{"--grace-period", (*uploadTime + 15*time.Second).String(), "--min-drain", "1s"}
}

// TestSidecarKilled: the sidecar is killed in mid-drain, comes back, and is
// killed again. The hook does not notice, and clients do not either.
func TestSidecarKilled(t *testing.T) {
	slack := slackOf(t)
	w := newSuite(t, nil, "one")
	p := w.alone(t, "one", "--drain-time-s", "20")
	side := p.sidecar(t, ample()...)
	c := atWork(w.http("one"))
	hook := p.hook(t, ample()...)
	hook.awaitLog(t, `"msg":"drain the listeners"`)
	p.metrics(t, "draining 1", "envoy_readable 1", "upgrades_active 1")
	side.signal(t, syscall.SIGKILL)
	side.wait(t)
	side = p.sidecar(t, ample()...)
	side.signal(t, syscall.SIGKILL)
	side.wait(t)
	p.drained(t, c, slack)
	if status := hook.wait(t); status != 0 {
		t.Errorf("the hook ends with %d", status)
	}
	side = p.sidecar(t, ample()...)
	side.awaitLog(t, `"reason":"done"`)
	p.metrics(t, `drain_requests_cut_total{kind="request"} 0`, `drain_requests_cut_total{kind="upgrade"} 0`)
}

// metrics waits until the metrics have these lines, without the prefix of their
// names.
func (p *proxy) metrics(t *testing.T, lines ...string) {
	t.Helper()
	await(t, fmt.Sprint(lines), func() error {
		text, err := fetch(t, "http://"+p.probes+"/metrics")
		if err != nil {
			return err
		}
		for _, line := range lines {
			if !strings.Contains(text, "\nshutdown_manager_"+line+"\n") {
				return fmt.Errorf("no line %q", line)
			}
		}
		return nil
	})
}

// TestSidecarRestarts: whatever becomes of the sidecar of a healthy Envoy, Envoy
// is not told anything.
func TestSidecarRestarts(t *testing.T) {
	w := newSuite(t, nil, "one")
	p := w.alone(t, "one", "--drain-time-s", "20")
	p.leftReport(t, time.Now().Add(-time.Minute))
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT} {
		side := p.sidecar(t, ample()...)
		if text, err := fetch(t, "http://"+p.probes+"/ready"); err != nil {
			t.Errorf("ready: %s %v", text, err)
		}
		side.signal(t, s)
		if s == syscall.SIGKILL {
			side.wait(t)
			continue
		}
		side.awaitLog(t, "serving until Envoy has") // the pod ends: so will Envoy
		if strings.Contains(side.out.String(), `"drained"`) {
			t.Error("a report of an Envoy before this one counts for it")
		}
		side.signal(t, syscall.SIGKILL)
		side.wait(t)
	}
	if info, err := p.envoy.Info(t.Context()); err != nil || info.State != "LIVE" {
		t.Errorf("Envoy is %+v, %v", info, err)
	}
	c := newClients(w.http("one"))
	c.add("client", func(begun func()) error { return c.stays() })
	c.allDone(t)
	side := p.sidecar(t, ample()...)
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
	side.signal(t, syscall.SIGTERM)
	if status := side.wait(t); status != 0 {
		t.Errorf("the sidecar ends with %d after Envoy", status)
	}
}

// leftReport leaves a report as an earlier container does, written at a time.
func (p *proxy) leftReport(t *testing.T, at time.Time) {
	t.Helper()
	text, err := json.Marshal(drain.Report{Reason: drain.ReasonDeadline, RequestsCut: 7, Known: true})
	if err == nil {
		err = errors.Join(os.WriteFile(p.reportPath(), text, 0o600), os.Chtimes(p.reportPath(), at, at))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestParentKilled: `run` is killed in mid-drain, from outside. Envoy does what
// is under way, and a hook that is run then goes on where Envoy is.
func TestParentKilled(t *testing.T) {
	slack := slackOf(t)
	w := newSuite(t, nil, "one")
	p := w.start(t, "one", ample()...)
	pid, ok := p.envoy.PID(t.Context())
	if !ok {
		t.Fatal("Envoy's process id is unknown")
	}
	c := atWork(w.http("one"))
	p.signal(t, syscall.SIGTERM)
	p.awaitLog(t, `"msg":"drain the listeners"`)
	p.signal(t, syscall.SIGKILL)
	p.wait(t)
	if now, ok := p.envoy.PID(t.Context()); !ok || now != pid {
		t.Fatalf("Envoy %d is gone with its parent", pid)
	}
	hook := p.hook(t, append(ample(), "--min-drain", "0s")...)
	hook.awaitLog(t, `"msg":"drained"`)
	hook.wait(t)
	if failed, last := c.outcomes(t); failed != nil || hook.at.Sub(last) > slack() {
		t.Errorf("failed: %v; the hook ended %s after the last request", failed, hook.at.Sub(last))
	}
	await(t, "Envoy to end", func() error {
		if _, err := p.envoy.Ready(t.Context()); err == nil {
			return fmt.Errorf("Envoy answers")
		}
		return nil
	})
}

// TestCrash: Envoy is killed in mid-drain, as by a kernel that lacks memory. The report says
// so, and whose requests went with it, and in the log that is an error; with a parent as with
// a hook.
func TestCrash(t *testing.T) {
	w := newSuite(t, nil, "one")
	t.Run("run", func(t *testing.T) {
		p := w.start(t, "one", ample()...)
		p.crash(t, w.slowly(t, p), func() *process {
			p.signal(t, syscall.SIGTERM)
			return p.process
		})
	})
	t.Run("drain", func(t *testing.T) {
		p := w.alone(t, "one", "--drain-time-s", "20")
		p.crash(t, w.slowly(t, p), func() *process { return p.hook(t, ample()...) })
	})
}

// slowly is a client whose request is under way for as long as Envoy lives.
func (w *suite) slowly(t *testing.T, p *proxy) *clients {
	t.Helper()
	c := newClients(w.http("one"))
	c.slow(30 * time.Second)
	await(t, "the request to be active", func() error {
		r, err := p.envoy.Reading(t.Context(), nil)
		if err == nil && r.Requests != 1 {
			err = fmt.Errorf("%+v", r)
		}
		return err
	})
	return c
}

// crash kills Envoy in a drain that begin begins, and looks at what is said of it.
func (p *proxy) crash(t *testing.T, c *clients, begin func() (drains *process)) {
	t.Helper()
	pid, ok := p.envoy.PID(t.Context())
	if !ok {
		t.Fatal("Envoy's process id is unknown")
	}
	drains := begin()
	drains.awaitLog(t, `"msg":"fail the health checks"`)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	drains.wait(t)
	if failed, _ := c.outcomes(t); len(failed) != 1 {
		t.Errorf("failed: %v", failed)
	}
	r := p.report(t)
	if r.Reason != drain.ReasonEnvoyGone || r.RequestsCut != 1 || len(r.CutFrom) != 1 || r.CutFrom[0].Cluster != "shop/web/80" || r.CutFrom[0].Requests != 1 {
		t.Errorf("report %+v", r)
	}
	if log := drains.out.String(); !strings.Contains(log, `"level":"ERROR","msg":"drained"`) {
		t.Errorf("no error in\n%s", log)
	}
}

// TestHung: an Envoy that does nothing any more is killed before the grace period
// ends, so that its end is told.
func TestHung(t *testing.T) {
	slack := slackOf(t)
	const grace = 5 * time.Second
	w := newSuite(t, nil, "one")
	p := w.start(t, "one", "--grace-period", grace.String(), "--min-drain", "500ms")
	pid, ok := p.envoy.PID(t.Context())
	if !ok {
		t.Fatal("Envoy's process id is unknown")
	}
	stop(t, pid)
	told := time.Now()
	p.signal(t, syscall.SIGTERM)
	if status := p.wait(t); status != 128+int(syscall.SIGKILL) {
		t.Errorf("exit status %d, want that of SIGKILL", status)
	}
	if took := p.at.Sub(told); took < 4*time.Second || took > grace-onTime+slack() {
		t.Errorf("ended after %s, want less than %s", took, grace)
	}
	if r := p.report(t); r.Reason != drain.ReasonDeadline || r.Known {
		t.Errorf("report %+v", r)
	}
}

// TestProcess1: `run` is process 1 of a PID namespace. It reaps what loses its
// parent, SIGKILL from within does nothing, and it ends with Envoy's status.
func TestProcess1(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: a PID namespace is made and entered")
	}
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		t.Skip("needs nsenter: ", err)
	}
	slack := slackOf(t)
	w := newSuite(t, nil, "one")
	p := w.prepare(t, "one")
	// The shell leaves an orphan, and is Envoy then.
	orphan := []string{"/bin/sh", "-c", `(sleep 0.05 &); exec "$@"`, "sh"}
	p.launch(t, launch{before: append(p.under(t, ample()...), orphan...),
		attr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}})
	await(t, "the orphan to be reaped", func() error {
		if n, err := children(p.cmd.Process.Pid); err != nil || n != 1 {
			return fmt.Errorf("%d children, want Envoy alone: %w", n, err)
		}
		return nil
	})
	c := atWork(w.http("one"))
	p.signal(t, syscall.SIGTERM)
	p.awaitLog(t, `"msg":"drain the listeners"`)
	inside := exec.Command(nsenter, "--target", fmt.Sprint(p.cmd.Process.Pid), "--pid", "/bin/sh", "-c", "kill -KILL 1")
	if out, err := inside.CombinedOutput(); err != nil {
		t.Fatalf("kill within: %v: %s", err, out)
	}
	p.drained(t, c, slack)
}

// children is the number of processes whose parent is pid, dead ones included.
func children(pid int) (n int, err error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		if stat, err := p.Stat(); err == nil && stat.PPID == pid { // an error: it ended meanwhile
			n++
		}
	}
	return n, nil
}

// TestStatic: the binary runs in any container, since it needs no other file.
func TestStatic(t *testing.T) {
	file, err := elf.Open(manager(t))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary is linked dynamically")
		}
	}
}

// TestExitStatus: how Envoy ends by itself is how `run` ends, and other signals
// are passed on.
func TestExitStatus(t *testing.T) {
	run := func(script string) *process {
		return begin(t, nil, nil, manager(t), "run", "--admin", "127.0.0.1:1", "--listen", "", "--", "/bin/sh", "-c", script)
	}
	if status := run("exit 7").wait(t); status != 7 {
		t.Errorf("exit status %d, want 7", status)
	}
	if status := run("kill -SEGV $$").wait(t); status != 128+int(syscall.SIGSEGV) {
		t.Errorf("exit status %d after SIGSEGV", status)
	}
	if p := run(`test $(ulimit -Sn) = $(ulimit -Hn)`); p.wait(t) != 0 {
		t.Error("Envoy may hold fewer files than the hard limit allows")
	}
	p := run(`trap 'exit 9' USR1; echo trapped; while :; do sleep 0.01; done`)
	p.awaitLog(t, "trapped")
	p.signal(t, syscall.SIGUSR1)
	if status := p.wait(t); status != 9 {
		t.Errorf("exit status %d, want that of SIGUSR1's trap", status)
	}
}
