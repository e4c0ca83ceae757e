package limits

import (
	"context"
	"encoding/binary"
	"errors"
	"time"
)

const (
	// prefixSize is that of what gRPC puts before each message: a flag, and its
	// length.
	prefixSize = 5
	// frameCost is what a frame of up to smallFrame takes beside its bytes: it is no
	// buffer of gRPC's pool, but a slice and an interface value of its own.
	frameCost, smallFrame = 64, 1 << 10
)

var (
	errUnasked = errors.New("a request goes on although its stream's window was not opened")
	errCrumbs  = errors.New("a request comes in crumbs")
)

// Call tracks one RPC of a client. The mutex of its connection's guard protects
// all its fields. The exported methods are safe for concurrent use, and on a nil
// Call, which is that of a client that has disconnected.
type Call struct {
	guard  *guard
	stream uint32
	keeps  bool               // a request is kept until Done; else only until it is whole
	ended  bool               // nothing is kept of it
	stop   context.CancelFunc // ends its wait for the budgets; nil if it does not wait

	prefix []byte // of the request that is coming
	length int    // of that, in bytes, when prefix is whole
	got    int    // bytes of that
	cost   int    // of its frames, in bytes of memory
	moved  bool   // some of it came since Stalls was asked
	grant  int64  // what it has of the budgets
	timer  *time.Timer
}

// frame takes in that a frame of so many bytes comes.
func (c *Call) frame(bytes int) error {
	if c.cost += bytes; bytes > 0 && bytes <= smallFrame {
		c.cost += frameCost
	}
	if c.cost > 2*(c.length+c.guard.limiter.Window) {
		return errCrumbs
	}
	return nil
}

// data takes in bytes of requests.
func (c *Call) data(b []byte) error {
	c.moved = true
	for len(b) > 0 {
		if n := min(prefixSize-len(c.prefix), len(b)); n > 0 {
			c.prefix, b = append(c.prefix, b[:n]...), b[n:]
			if len(c.prefix) < prefixSize {
				return nil
			}
			c.length, c.got, c.cost = int(binary.BigEndian.Uint32(c.prefix[1:])), 0, 0
		}
		n := min(c.length-c.got, len(b))
		c.got, b = c.got+n, b[n:]
		if c.got > 2*c.guard.limiter.Window && c.grant == 0 {
			return errUnasked
		}
		if c.got == c.length {
			c.whole()
		}
	}
	return nil
}

// whole says that all of a request has come.
func (c *Call) whole() {
	c.prefix = c.prefix[:0]
	if !c.keeps {
		c.release() // gRPC decodes it, and keeps no bytes
	}
}

// get takes note of bytes of the budgets.
func (c *Call) get(bytes int64) {
	c.grant = bytes
	c.timer = time.AfterFunc(c.guard.limiter.Patience, c.guard.late)
}

// release gives back what the call has of the budgets.
func (c *Call) release() {
	if c.grant > 0 {
		c.timer.Stop()
		c.guard.budgets.give(c.grant)
		c.grant = 0
	}
}

// end says that the call has ended.
func (c *Call) end() {
	c.ended = true
	c.guard.party.count(-1)
	if c.stop != nil {
		c.stop()
	}
	c.release()
}

// Party are the clients of the call's address; nil if it has none, as without Listen.
func (c *Call) Party() *Party {
	if c == nil {
		return nil
	}
	return c.guard.party
}

// Done says that nothing is kept of the request that was read last.
func (c *Call) Done() {
	if c == nil {
		return
	}
	c.guard.mu.Lock()
	defer c.guard.mu.Unlock()
	c.release()
}

// Waits reports whether the client is to wait before it sends a request.
func (c *Call) Waits() bool {
	if c == nil {
		return false
	}
	c.guard.mu.Lock()
	defer c.guard.mu.Unlock()
	return c.stop != nil
}

// Stalls reports whether no request is under way, or none has come nearer since the
// last time that this was asked.
func (c *Call) Stalls() bool {
	if c == nil {
		return true
	}
	c.guard.mu.Lock()
	defer c.guard.mu.Unlock()
	moved := c.moved
	c.moved = false
	return c.stop == nil && (!moved || len(c.prefix) == 0)
}
