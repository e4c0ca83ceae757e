package inprocess

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"sync"

	"legation.dev/xds/snapshot"
)

// knife cuts the connection to Envoy between two responses.
type knife struct {
	mu     sync.Mutex    // guards the fields below
	after  snapshot.Type // first comes a response of this type,
	before snapshot.Type // then the one of this type is not written
	state  knifeState
	done   chan struct{}
}

type knifeState int

const (
	sheathed knifeState = iota
	armed               // no response of type after was written yet
	drawn               // one was
)

// CutBetween cuts the stream when, after a response of one type, one of another
// is about to be written: Envoy gets the first and not the second. The channel
// is closed when that happened.
func (s *Stack) CutBetween(after, before snapshot.Type) <-chan struct{} {
	k := &s.knife
	k.mu.Lock()
	defer k.mu.Unlock()
	k.after, k.before, k.state, k.done = after, before, armed, make(chan struct{})
	return k.done
}

// cuts reports whether the connection ends before this frame.
func (k *knife) cuts(frame []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.state == armed && bytes.Contains(frame, []byte(k.after.URL())):
		k.state = drawn
	case k.state == drawn && bytes.Contains(frame, []byte(k.before.URL())):
		k.state = sheathed
		close(k.done)
		return true
	}
	return false
}

// silence keeps responses back, as a server does that is busy with other things.
type silence struct {
	begun chan struct{} // closed when the first response was kept back

	mu    sync.Mutex // guards the fields below
	types []snapshot.Type
	kept  []func() error // write them
}

// Speak writes the responses that were kept back, and keeps no further ones.
func (s *Stack) Speak() error {
	q := &s.silence
	q.mu.Lock()
	defer q.mu.Unlock()
	q.types = nil
	var errs []error
	for _, write := range q.kept {
		errs = append(errs, write())
	}
	q.kept = nil
	return errors.Join(errs...)
}

// Forget drops the responses that were kept back, and keeps no further ones. It is to be
// called while the control plane is down.
func (s *Stack) Forget() {
	q := &s.silence
	q.mu.Lock()
	defer q.mu.Unlock()
	q.types, q.kept = nil, nil
}

// Silent is closed when a response was kept back.
func (s *Stack) Silent() <-chan struct{} { return s.silence.begun }

// keeps reports whether a frame has to wait; write is what writes it then.
func (q *silence) keeps(frame []byte, write func() error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.ContainsFunc(q.types, func(t snapshot.Type) bool { return bytes.Contains(frame, []byte(t.URL())) }) {
		return false
	}
	if q.kept == nil {
		close(q.begun)
	}
	q.kept = append(q.kept, write)
	return true
}

// cuttable is a listener whose connections the knife can cut, and the silence hold up.
type cuttable struct {
	net.Listener
	knife   *knife
	silence *silence
}

// Accept implements net.Listener.
func (l *cuttable) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &frames{Conn: conn, knife: l.knife, silence: l.silence}, nil
}

// frames is a connection whose writes are passed on frame by frame of HTTP/2.
// The server writes each response in frames of its own. One that is kept back must
// fit into one, which holds 16 KiB.
type frames struct {
	net.Conn
	knife   *knife
	silence *silence
	rest    []byte // the beginning of a frame; of the goroutine of the server that writes

	mu sync.Mutex // held to write a frame
}

// headerLength is the length of a frame's header, whose first three bytes are
// the length of its payload.
const headerLength = 9

// Write implements net.Conn.
func (c *frames) Write(p []byte) (int, error) {
	c.rest = append(c.rest, p...)
	for len(c.rest) >= headerLength {
		length := headerLength + int(binary.BigEndian.Uint32(append([]byte{0}, c.rest[:3]...)))
		if len(c.rest) < length {
			break
		}
		if err := c.frame(c.rest[:length]); err != nil {
			return 0, err
		}
		c.rest = c.rest[length:]
	}
	return len(p), nil
}

// frame writes one, or keeps it back, or cuts the connection instead.
func (c *frames) frame(frame []byte) error {
	if c.knife.cuts(frame) {
		return errors.Join(net.ErrClosed, c.Conn.Close())
	}
	late := slices.Clone(frame)
	if c.silence.keeps(frame, func() error { return c.write(late) }) {
		return nil
	}
	return c.write(frame)
}

func (c *frames) write(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.Conn.Write(frame)
	return err
}
