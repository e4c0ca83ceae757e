package inprocess

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
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

// cuttable is a listener whose connections the knife can cut.
type cuttable struct {
	net.Listener
	knife *knife
}

// Accept implements net.Listener.
func (l *cuttable) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &frames{Conn: conn, knife: l.knife}, nil
}

// frames is a connection whose writes are passed on frame by frame of HTTP/2.
// The server writes each response in frames of its own. One goroutine writes.
type frames struct {
	net.Conn
	knife *knife
	rest  []byte // the beginning of a frame
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
		if c.knife.cuts(c.rest[:length]) {
			return 0, errors.Join(net.ErrClosed, c.Conn.Close())
		}
		if _, err := c.Conn.Write(c.rest[:length]); err != nil {
			return 0, err
		}
		c.rest = c.rest[length:]
	}
	return len(p), nil
}
