//go:build real

package shutdown

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
)

var changes = flag.Int("changes", 200, "how many configuration changes there are under open WebSockets, of which the first 100 warm Envoy up")

// warm is the number of changes after which nothing is to grow any more.
const warm = 100

// held is how many WebSockets are open during the changes, half of them over TLS.
const held = 200

// usage is what an Envoy takes of its machine.
type usage struct {
	threads, files int
	allocated      uint64 // bytes
}

// TestSteady: configuration changes come and go while WebSockets are open, which
// in other proxies keeps a worker of each old configuration alive. All of them
// live, and what Envoy takes stays as it is.
func TestSteady(t *testing.T) {
	w := newSuite(t, nil, "one")
	p := w.alone(t, "one", "--drain-time-s", "1") // of the chains of TLS hosts that leave
	pid, ok := p.envoy.PID(t.Context())
	if !ok {
		t.Fatal("Envoy's process id is unknown")
	}
	client, leave := p.asker(), make(chan struct{})
	defer client.CloseIdleConnections()
	groups := []*clients{newClients(w.http("one")), newClients(net.JoinHostPort(w.address["one"], port(httpsPort)))}
	groups[1].tls = &tls.Config{ServerName: host, RootCAs: w.roots}
	for _, c := range groups {
		c.every, c.leave = time.Second, leave
		for range held / len(groups) {
			c.webSocket(0)
		}
		c.begun.Wait()
	}
	w.churn(t, 0, warm)
	before := read(t, client, pid)
	w.churn(t, warm, *changes)
	after := read(t, client, pid)
	t.Logf("after %d changes %+v, after %d %+v", warm, before, *changes, after)
	if before.threads != after.threads || before.files != after.files {
		t.Errorf("threads or files: %+v, then %+v", before, after)
	}
	if most := before.allocated + before.allocated/20; after.allocated > most {
		t.Errorf("memory grew by more than 5 %%: from %d to %d bytes", before.allocated, after.allocated)
	}
	close(leave)
	for _, c := range groups {
		c.allDone(t)
	}
}

// cycle is the number of changes after which all is as before: of a Service with
// its endpoints and a host of its own, which comes, changes and goes.
const cycle = 4

// churn makes the changes from one number up to another, each when Envoy has the
// last one.
func (w *suite) churn(t *testing.T, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		name := fmt.Sprintf("app-%d", i/cycle%10)
		service := &input.Service{Meta: meta(name), Ports: []input.ServicePort{{Name: "http", Port: 80, TargetPort: "http"}}}
		host := name + ".test"
		switch i % cycle {
		case 0:
			w.change(lower.Put(input.Seal(service)), lower.Put(w.slice(name, true)), lower.Put(ingress(name, "one", host, name)))
		case 1:
			w.change(lower.Put(w.slice(name, false)))
		case 2:
			w.change(lower.Put(ingress(name, "one", host, "web")))
		case 3:
			w.change(input.Delete(service.Ref()), input.Delete(w.slice(name, true).Ref()), input.Delete(ingress(name, "one", host, name).Ref()))
		}
		await(t, fmt.Sprintf("change %d", i), w.landed)
	}
}

// change hands out changes, and counts them.
func (w *suite) change(changes ...input.Change) {
	w.given++
	w.feed <- changes
}

// landed is an error while Envoy lacks something of what was given.
func (w *suite) landed() error {
	if n := w.published.Load(); n < w.given {
		return fmt.Errorf("%d of %d batches are published", n, w.given)
	}
	refs, ok := w.plane.Behind("one")
	if !ok || len(refs) > 0 {
		return fmt.Errorf("Envoy lacks %d resources: %.300v", len(refs), refs)
	}
	return nil
}

// slice is the endpoints of a Service: that of the suite, ready or terminating.
func (w *suite) slice(service string, ready bool) *input.Slice {
	at := w.backend.Addr()
	return input.Seal(&input.Slice{Meta: meta(service), Service: service, AddressType: "IPv4",
		Ports:     []input.SlicePort{{Name: "http", Port: int32(at.Port())}},
		Endpoints: []input.Endpoint{{Addresses: []string{at.Addr().String()}, Ready: ready, Serving: true}}})
}

// read waits until no filter chain of the past is left, and reads the usage.
func read(t *testing.T, client *http.Client, pid int) (u usage) {
	t.Helper()
	await(t, "the chains of the past to end", func() error {
		text, err := ask(t, client, "/stats?filter=^listener_manager.(total_filter_chains_draining|total_listeners_draining)$")
		if err == nil && text != "listener_manager.total_filter_chains_draining: 0\nlistener_manager.total_listeners_draining: 0\n" {
			err = fmt.Errorf("%s", text)
		}
		return err
	})
	count := func(dir string) int {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", pid, dir))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	text, err := ask(t, client, "/memory")
	if err != nil {
		t.Fatal(err)
	}
	var memory struct {
		Allocated string `json:"allocated"`
	}
	if err := json.Unmarshal([]byte(text), &memory); err != nil {
		t.Fatal(err)
	}
	u.allocated, err = strconv.ParseUint(memory.Allocated, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	u.threads, u.files = count("task"), count("fd")
	return u
}

// asker is a client of the admin interface with one connection, which stays: it
// is among Envoy's files each time they are counted.
func (p *proxy) asker() *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", p.socket)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 1}}
}

func ask(t *testing.T, client *http.Client, path string) (string, error) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://envoy"+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// TestWorkers: an Envoy that may run on one processor has one worker, since
// nobody tells it otherwise.
func TestWorkers(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("needs two processors")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	w := newSuite(t, nil, "one", "two")
	workers := func(class string) int {
		info, err := w.start(t, class).envoy.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.Workers
	}
	if n := workers("one"); n != all.Count() {
		t.Errorf("%d workers on %d processors", n, all.Count())
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	if n := workers("two"); n != 1 {
		t.Errorf("%d workers on one processor of %d, want 1", n, all.Count())
	}
}

// TestWorkersOfCgroup: in a cgroup that may use one processor, Envoy has one worker.
func TestWorkersOfCgroup(t *testing.T) {
	const root = "/sys/fs/cgroup/cpu"
	if runtime.NumCPU() < 2 {
		t.Skip("NOT RUN: needs two processors")
	}
	group := filepath.Join(root, fmt.Sprintf("legation-test-%d", os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("NOT RUN: needs the right to make a cgroup (v1, cpu): %v", err)
	}
	runtime.LockOSThread() // and never unlocked: what is started belongs to the cgroup of this thread
	thread := strconv.Itoa(unix.Gettid())
	enter := func(group string) {
		if err := os.WriteFile(filepath.Join(group, "tasks"), []byte(thread), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // when all that was started has ended
		enter(root)
		if err := os.Remove(group); err != nil {
			t.Error(err)
		}
	})
	for file, text := range map[string]string{"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"} {
		if err := os.WriteFile(filepath.Join(group, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := newSuite(t, nil, "one")
	enter(group)
	p := w.start(t, "one")
	enter(root)
	info, err := p.envoy.Info(t.Context())
	if err != nil || info.Workers != 1 {
		t.Errorf("%d workers, %v", info.Workers, err)
	}
}
