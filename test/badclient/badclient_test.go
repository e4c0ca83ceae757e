//go:build real

package badclient

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"legation.dev/xds/fleet"
	"legation.dev/xds/identity"
	"legation.dev/xds/server"
	"legation.dev/xds/store"
)

const (
	fleetName = "edge"
	// services is how many there are: their clusters are more than a window.
	services = 10_000
	// changes is how many the good Envoy must get beside each bad client.
	changes = 100
	// noticed is a wait that somebody would notice; an update takes a millisecond, but
	// for the bad client's own use of the two cores. Nothing that waits for a bad client ends
	// within it: a bad client waits for ever.
	noticed = 10 * time.Second
)

// plane is a control plane with mutual TLS and a good Envoy.
type plane struct {
	*testing.T
	address string
	store   *store.Store
	server  *server.Server
	gate    *identity.Gate
	ca      *identity.Authority
	good    *envoy
	change  int
}

func newPlane(t *testing.T, l server.Limits) *plane {
	t.Helper()
	ca, err := identity.NewAuthority(time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	p := &plane{T: t, ca: ca, store: store.New(store.Config{})}
	quiet := slog.New(slog.DiscardHandler)
	folder, err := identity.Open(p.pair(identity.ControlPlane), quiet)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address, p.gate = listener.Addr().String(), identity.NewGate(folder, quiet)
	p.server = server.New(server.Config{Store: p.store, Fleets: fleet.New(fleet.Config{}), Log: quiet, Gate: p.gate, Limits: l})
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(listener) }()
	t.Cleanup(func() {
		p.server.Shutdown(t.Context()) // which has ended: connections are cut
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	p.store.Publish(fleetName, world(t, 0), "start")
	p.good = p.envoy("good")
	return p
}

// pair is a folder with a pair of a name.
func (p *plane) pair(name *url.URL) string {
	p.Helper()
	pair, err := p.ca.Issue(name, time.Now(), time.Hour)
	if err != nil {
		p.Fatal(err)
	}
	dir := p.TempDir()
	for file, text := range map[string][]byte{identity.CertificateFile: pair.Certificate, identity.KeyFile: pair.Key, identity.CAFile: p.ca.Certificate} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			p.Fatal(err)
		}
	}
	return dir
}

// child is a bad client process.
type child struct {
	*exec.Cmd
	in   io.Closer
	out  *bufio.Reader
	says strings.Builder // errors
}

// attack starts a bad client and waits until it has done what it does.
func (p *plane) attack(kind string) *child {
	p.Helper()
	c := &child{Cmd: exec.CommandContext(p.Context(), "/proc/self/exe")}
	name := identity.Fleet(fleetName)
	if kind == operator {
		name = identity.Operator
	}
	c.Env = append(os.Environ(), kindVariable+"="+kind, addressVariable+"="+p.address, folderVariable+"="+p.pair(name))
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Stderr = &c.says
	in, err := c.StdinPipe()
	if err != nil {
		p.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		p.Fatal(err)
	}
	c.in, c.out = in, bufio.NewReader(out)
	if err := c.Start(); err != nil {
		p.Fatal(err)
	}
	return c
}

func (p *plane) awaitReady(c *child) {
	p.Helper()
	if line, err := c.out.ReadString('\n'); strings.TrimSpace(line) != ready {
		p.Fatalf("the badClient said %q, %v: %v: %s", line, err, c.Wait(), &c.says)
	}
}

// heap is what the server, and the good Envoy, have in memory now, in MiB.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return (m.HeapInuse + m.StackInuse) >> 20
}

// undisturbed has the good Envoy get changes, and another one begin, and says how long
// the slowest change took.
func (p *plane) undisturbed() time.Duration {
	p.Helper()
	var took []time.Duration
	for range changes {
		p.change++
		begin := time.Now()
		p.store.Publish(fleetName, world(p.T, p.change), "a change")
		p.good.await(p.change)
		took = append(took, time.Since(begin))
	}
	begin := time.Now()
	fresh := p.envoy(fmt.Sprint("fresh-", p.change))
	defer fresh.end()
	if d := time.Since(begin); d > noticed {
		p.Errorf("a fresh Envoy was served after %v", d)
	}
	slowest := slices.Max(took)
	if slowest > noticed {
		p.Errorf("a change took %v", slowest)
	}
	return slowest
}

// TestBadClients: beside each bad client, the good Envoy gets every change, and a fresh one all
// it asks for; what the bad client costs in memory is bounded.
func TestBadClients(t *testing.T) {
	p := newPlane(t, server.Limits{Handshake: 12 * time.Second, Idle: 12 * time.Second})
	alone, before := p.undisturbed(), heap()
	t.Logf("alone: slowest change %v, %d MiB", alone, before)
	for _, c := range []struct {
		kind string
		most uint64 // MiB that it may cost
		ends bool   // the server ends all its connections by itself
	}{
		{"silent", 100, true},
		{"idle", 200, true},
		{"garbage", 100, true},
		{"slow", 200, false},
		{"huge", 100, false},
		{"large", 300, false},
		{"begin", 300, false},
		{operator, 300, false},
	} {
		t.Run(c.kind, func(t *testing.T) {
			begin := time.Now()
			badClient := p.attack(c.kind)
			p.awaitReady(badClient)
			after := heap()
			slowest := p.undisturbed()
			t.Logf("slowest change %v, %d MiB more, there after %v", slowest, int(after)-int(before), time.Since(begin).Round(time.Millisecond))
			if after > before+c.most {
				t.Errorf("it costs %d MiB", after-before)
			}
			badClient.in.Close()
			if !c.ends {
				_ = badClient.Process.Kill() // it may have ended
				_ = badClient.Wait()         // by that
				return
			}
			if err := badClient.Wait(); err != nil {
				t.Errorf("%v: %s", err, &badClient.says)
			}
		})
	}
	if n := p.good.streams; n != 1 {
		t.Errorf("the good Envoy needed %d streams", n)
	}
	t.Logf("refused: %v; %+v", p.gate.Refused(), p.server.Stats().Total())
}
