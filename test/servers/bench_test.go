//go:build real

package servers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/test/inprocess"
	"legation.dev/translator/policy"
)

const (
	// least is how many servers there must be, where all that they need is here.
	least = 25
	// begin bounds the start of a server.
	begin = time.Minute
	// rest is how long a connection may rest that no server ends: longer than any preset.
	rest = 135 * time.Second
	// requests is how many one connection gets: more than after what any preset ends one.
	requests = 1100
	// body is what nobody reads, in bytes: more than a server reads ahead.
	body = 300_000
)

// measured is what a server does.
type measured struct {
	idle      time.Duration // of rest, until it ended the connection; rest if it did not
	requests  int           // on one connection, until it ended it; requests if it did not
	announced bool          // that it would
	unread    string        // after a body that nobody read
}

// TestPresets: each server keeps a connection for longer than its preset does, or the default
// if it has none, and says so before it ends one.
func TestPresets(t *testing.T) {
	results := make([]*measured, len(kinds))
	var all sync.WaitGroup
	started := 0
	for i, k := range kinds {
		port := freePort(t)
		if !k.start(t, port) {
			t.Logf("%s: NOT RUN: what it needs is not here", k.name)
			continue
		}
		started++
		all.Go(func() { results[i] = measure(t, k.name, "127.0.0.1:"+port) })
	}
	all.Wait()
	for i, k := range kinds {
		if results[i] != nil {
			k.judge(t, results[i])
		}
	}
	if t.Logf("%d servers", started); started < least && available("node") {
		t.Errorf("%d servers were asked, want %d", started, least)
	}
}

// judge compares what a server does with what its preset expects.
func (k *kind) judge(t *testing.T, m *measured) {
	t.Helper()
	annotations := map[string]string{}
	if k.preset != "" {
		annotations["legation.dev/upstream-preset"] = k.preset
	}
	overrides, mistakes := policy.OfService(object.Ref{Kind: object.KindService, Namespace: "shop", Name: k.name}, annotations)
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	set := policy.Defaults().With(overrides)
	t.Logf("%-18s rests %-8s requests %-5d announced %-5t unread body: %-28s preset %q: %s, %d requests", k.name, m.idle.Round(10*time.Millisecond), m.requests, m.announced,
		m.unread, k.preset, set.UpstreamIdleTimeout, set.UpstreamMaxRequests)
	const margin = 1.2 // of its clock, and of the way
	switch {
	case m.announced && m.requests == 1: // Envoy heeds it
	case k.once:
		if m.requests != 1 || set.UpstreamMaxRequests != 1 {
			t.Errorf("%s ends a connection after %d requests, and upstream-max-requests is %d; want 1 of both", k.name, m.requests, set.UpstreamMaxRequests)
		}
	case m.idle < rest && float64(m.idle) < margin*float64(set.UpstreamIdleTimeout):
		t.Errorf("%s ends a connection after a rest of %s, and upstream-idle-timeout is %s", k.name, m.idle, set.UpstreamIdleTimeout)
	case m.requests < requests && !m.announced && (set.UpstreamMaxRequests == 0 || m.requests <= int(set.UpstreamMaxRequests)):
		t.Errorf("%s ends a connection after %d requests without a word, and upstream-max-requests is %d", k.name, m.requests, set.UpstreamMaxRequests)
	}
	if m.unread == unannounced && !k.cuts {
		t.Errorf("%s ends a connection after an unread body without a word, which docs/upstream.md does not say", k.name)
	}
}

// measure asks a server all three things, each on a connection of its own.
func measure(t *testing.T, name, address string) *measured {
	m := &measured{}
	var all sync.WaitGroup
	for what, ask := range map[string]func(*measured, *client) error{"idle": (*measured).rests, "requests": (*measured).counts, "unread": (*measured).leaves} {
		all.Go(func() {
			c, err := dial(address)
			if err == nil {
				defer c.Close()
				err = ask(m, c)
			}
			if err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		})
	}
	all.Wait()
	return m
}

// client is one connection to a server.
type client struct {
	net.Conn
	reader *bufio.Reader
}

func dial(address string) (*client, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReader(conn)}, conn.SetDeadline(time.Now().Add(2 * rest))
}

// ask sends a request with a body of so many bytes. last reports whether the answer says that
// no other may follow.
func (c *client) ask(path string, size int) (last bool, err error) {
	method := http.MethodGet
	head := ""
	if size > 0 {
		method, head = http.MethodPost, fmt.Sprintf("Content-Type: application/octet-stream\r\nContent-Length: %d\r\n", size)
	}
	_, sent := io.WriteString(c, method+" "+path+" HTTP/1.1\r\nHost: bench\r\n"+head+"\r\n"+strings.Repeat("x", size))
	answer, err := http.ReadResponse(c.reader, &http.Request{Method: method})
	if err != nil { // an answer may come before all was sent
		return false, errors.Join(sent, err)
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.Close, err
}

// rests measures how long a connection may rest.
func (m *measured) rests(c *client) error {
	last, err := c.ask("/", 0)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := c.SetReadDeadline(begin.Add(rest)); err != nil {
		return err
	}
	_, err = c.reader.ReadByte()
	if m.idle = time.Since(begin); errors.Is(err, os.ErrDeadlineExceeded) {
		m.idle = rest
	}
	if last {
		m.idle = 0
	}
	return nil
}

// counts counts how many requests a connection gets answered.
func (m *measured) counts(c *client) error {
	for m.requests < requests {
		last, err := c.ask("/", 0)
		if err != nil && m.requests == 0 {
			return err
		}
		if err != nil {
			return nil // it has ended the connection without a word
		}
		m.requests++
		if last {
			m.announced = true
			return nil
		}
	}
	return nil
}

// What becomes of a connection after a body that nobody read.
const (
	goesOn      = "goes on"
	announced   = "closes, announced"
	unannounced = "closes, not announced"
)

// leaves looks what becomes of a connection whose request had a body that nobody read.
func (m *measured) leaves(c *client) error {
	last, err := c.ask("/unread", body)
	switch {
	case err != nil:
		m.unread = unannounced
		return nil
	case last:
		m.unread = announced
		return nil
	}
	m.unread = goesOn
	if _, err := c.ask("/", 0); err != nil {
		m.unread = unannounced
	}
	return nil
}

// freePort is one that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// run starts a server in testdata, with PORT replaced in its arguments, and waits until it
// accepts. It is false if there is no such program.
func run(t *testing.T, port string, environment []string, args ...string) bool {
	t.Helper()
	if !available(args[0]) {
		return false
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "PORT", port)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(args[0], args[1:]...)
	c.Dir, c.Env = "testdata", append(os.Environ(), environment...)
	c.Stdout, c.Stderr = file, file
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // some have workers
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait() // it was killed
		file.Close()
	})
	ctx, cancel := context.WithTimeout(t.Context(), begin)
	defer cancel()
	err = inprocess.Await(ctx, func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	if err != nil {
		text, _ := os.ReadFile(file.Name())
		t.Fatalf("%q: %v\n%s", args, err, text)
	}
	return true
}
