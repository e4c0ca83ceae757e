//go:build real

package churn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"legation.dev/test/inprocess"
	"legation.dev/test/load"
	"legation.dev/xds/snapshot"
)

// TestSilence: whatever type a fresh Envoy waits for, and longer than it waits by itself,
// its ports are closed until that has come, be it by another control plane. The first
// answer of a port is right, and so is each one after it.
func TestSilence(t *testing.T) {
	list := map[string]*newcomer{} // all wait at once
	for kind := range snapshot.NumTypes {
		for name, told := range map[string]func(*suite) error{"": (*suite).speak, ", then a restart": (*suite).restart} {
			n := newNewcomer(t, kind, nil, told)
			n.doors = []*door{n.open("http", n.hosts), n.open("https", n.hosts[len(n.hosts)/2:])}
			list[kind.String()+name] = n
		}
	}
	// If no routes wait for certificates, Envoy does for session ticket keys. Certificates
	// follow them, so handshakes may be refused for a moment.
	n := newNewcomer(t, snapshot.Secret, map[string]string{"ssl-redirect": "false"}, (*suite).speak)
	n.doors = []*door{n.open("http", n.hosts[:len(n.hosts)/2])}
	list["session ticket keys"] = n
	for name, n := range list {
		t.Run(name, n.judge)
	}
}

func (w *suite) speak() error { return w.Speak() }

// restart replaces a silent control plane by one that speaks.
func (w *suite) restart() error {
	if err := w.Down(); err != nil {
		return err
	}
	w.Forget()
	return w.Up()
}

// newcomer is a fresh Envoy that is told nothing of one type for a while.
type newcomer struct {
	*suite
	doors []*door
	spoke chan time.Time // when it was told
}

// newNewcomer starts one; told ends the silence.
func newNewcomer(t *testing.T, kind snapshot.Type, settings map[string]string, told func(*suite) error) *newcomer {
	w := newSuite(t, 4, inprocess.Options{Log: warnings(t), Settings: settings, Silent: []snapshot.Type{kind}})
	n := &newcomer{suite: w, spoke: make(chan time.Time, 1)}
	go func() {
		defer close(n.spoke)
		select {
		case <-w.Silent():
		case <-time.After(hang):
			return
		}
		select {
		case <-time.After(*silent):
		case <-w.Envoy.Done():
		}
		n.spoke <- time.Now()
		if err := told(w); err != nil {
			t.Error(err)
		}
	}()
	return n
}

// judge waits until both doors are open, and fails the test if one was so too early.
func (n *newcomer) judge(t *testing.T) {
	told, ok := <-n.spoke
	if !ok {
		t.Fatal("nothing was kept back")
	}
	for _, d := range n.doors {
		<-d.ended
		if d.fault != nil {
			t.Errorf("%s: %v", d.scheme, d.fault)
			continue
		}
		after := d.opened.Sub(told)
		t.Logf("%s is answered %s after the last response came", d.scheme, after.Round(time.Millisecond))
		if after < 0 {
			t.Errorf("%s opened before that", d.scheme)
		}
	}
}

// door is a port of an Envoy that is just starting, and who tries it.
type door struct {
	scheme string

	ended  chan struct{} // closed when it is over, and the fields below may be read
	opened time.Time     // when the first answer came
	fault  error         // what was wrong
}

// enough is how many right answers show that a port stays open.
const enough = 50

// tryEvery is the pause between two tries.
const tryEvery = 10 * time.Millisecond

// open tries a port from now on, with those hosts in turn. Until the first answer it has to
// be closed.
func (w *suite) open(scheme string, hosts []*host) *door {
	d := &door{scheme: scheme, ended: make(chan struct{})}
	ctx, cancel := context.WithTimeout(w.ctx, *silent+hang)
	go func() {
		defer close(d.ended)
		defer cancel()
		tick := time.NewTicker(tryEvery)
		defer tick.Stop()
		for answers := 0; answers < enough && d.fault == nil; <-tick.C {
			err := w.greet(ctx, scheme, hosts[answers%len(hosts)])
			switch closed := errors.Is(err, syscall.ECONNREFUSED) && answers == 0; {
			case err == nil && answers == 0:
				d.opened = time.Now()
				answers++
			case err == nil:
				answers++
			case !closed || ctx.Err() != nil:
				d.fault = fmt.Errorf("after %d answers: %w", answers, err)
			}
		}
	}()
	return d
}

// greet asks a host on a new connection. One with TLS redirects those who come without.
func (w *suite) greet(ctx context.Context, scheme string, h *host) error {
	transport, want := &http.Transport{DialContext: dialTo(w.HTTP), DisableKeepAlives: true}, answerOf(h.services["/"])
	switch {
	case scheme == "https":
		transport = w.https(h.name)
	case h.secret != "":
		want = load.Answer{Status: http.StatusPermanentRedirect}
	}
	return ask(ctx, transport, scheme, h.name, "/", want)
}
