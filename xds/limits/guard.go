package limits

import (
	"bytes"
	"context"
	"net"
	"sync"

	"golang.org/x/net/http2"
)

// guard is the connection of a client as gRPC has it, above TLS. It bounds what a
// client can have us keep of its requests.
//
// gRPC bounds the length of a request, and no more: as soon as somebody reads a
// stream, it opens the stream's window for the whole next request, and keeps what
// comes of it until all is there. A client that sends 60 of 63 MiB on each of many
// streams, and then nothing, would cost as much, for ever. So a guard reads along,
// and writes the update of a window that is for a large request only when there is
// room in the budgets. While it waits, all else on the connection goes on, pings
// too: an Envoy that has to wait only sends later. What was let in must be there,
// and taken in, within Config.Patience; else the connection is closed.
type guard struct {
	net.Conn
	limiter *Limiter
	party   *Party // nil: it has none, as without TLS
	budgets budgets
	context context.Context // ends with the connection
	cancel  context.CancelFunc

	// in and ahead belong to the goroutine that reads.
	in    inbound
	ahead []byte // what was read, and gRPC has not got yet

	writing sync.Mutex // guards what follows; held while something is written
	out     outbound
	later   []byte // what is to be written after the frame that is being written

	mu     sync.Mutex       // guards what follows; taken after writing, if both are
	calls  map[uint32]*Call // by stream; nil when the connection is closed
	newest uint32           // the stream of the last of them
}

// Guard is what gRPC gets of a connection, which is above TLS; raw is the one below.
// If that was accepted by Listen, the bounds of its address apply.
func (c *Limiter) Guard(conn, raw net.Conn) net.Conn {
	g := &guard{Conn: conn, limiter: c, budgets: budgets{c.large}, in: newInbound(), calls: map[uint32]*Call{}}
	if m, ok := raw.(*member); ok {
		g.party = m.party
		g.budgets = budgets{m.party.large, c.large}
	}
	g.context, g.cancel = context.WithCancel(context.Background())
	return g
}

// Read implements net.Conn. It never reads beyond the headers of a call, so that
// who is called when gRPC has read them (grpc.InTapHandle) knows whose they are.
func (g *guard) Read(b []byte) (n int, err error) {
	if len(g.ahead) > 0 {
		n, err = g.follow(b[:copy(b, g.ahead)])
		g.ahead = g.ahead[n:]
		return n, err
	}
	n, err = g.Conn.Read(b)
	took, bad := g.follow(b[:n])
	if took == n && bad == nil {
		return n, err
	}
	g.ahead = bytes.Clone(b[took:n]) // err, if there is one, comes again
	return took, bad
}

// follow takes in what a client sends, up to the end of the headers of a call.
func (g *guard) follow(b []byte) (took int, err error) {
	for took < len(b) && err == nil {
		n, begins, data := g.in.next(b[took:])
		took += n
		if begins {
			err = g.received(g.in.frame)
		} else if len(data) > 0 {
			err = g.data(g.in.frame.StreamID, data)
		}
		if g.in.endsHeaders() {
			break
		}
	}
	return took, err
}

// received takes in a frame of which the header has come.
func (g *guard) received(f http2.FrameHeader) error {
	switch f.Type {
	case http2.FrameHeaders:
		g.begin(f.StreamID)
	case http2.FrameRSTStream:
		g.end(f.StreamID)
	case http2.FrameData:
		g.mu.Lock()
		defer g.mu.Unlock()
		if c := g.calls[f.StreamID]; c != nil {
			return c.frame(int(f.Length))
		}
	}
	return nil
}

func (g *guard) data(stream uint32, b []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.calls[stream]; c != nil {
		return c.data(b)
	}
	return nil // the call has ended: gRPC keeps nothing
}

// begin notes a call, unless these are headers at its end.
func (g *guard) begin(stream uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calls != nil && stream > g.newest {
		g.newest = stream
		g.calls[stream] = &Call{guard: g, stream: stream}
		g.party.count(1)
	}
}

// end forgets a call.
func (g *guard) end(stream uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.calls[stream]; c != nil {
		delete(g.calls, stream)
		c.end()
	}
}

// Begun is the Call whose headers gRPC has just read from a connection that Guard made;
// nil if it has ended. keeps says that its handler calls Done. It is false if there are
// too many calls from that address: then the call must be refused.
func Begun(conn net.Conn, keeps bool) (*Call, bool) {
	g, ok := conn.(*guard)
	if !ok {
		return nil, true
	}
	if g.party != nil && g.party.calls.Load() > callsPerAddress {
		g.limiter.Refused(g.RemoteAddr())
		return nil, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.calls[g.newest]
	if c != nil {
		c.keeps = keeps
	}
	return c, true
}

// Write implements net.Conn. It leaves out what has to wait.
func (g *guard) Write(b []byte) (int, error) {
	g.writing.Lock()
	defer g.writing.Unlock()
	text := g.out.with(b)
	from, at := 0, 0 // what is not written yet begins at from
	for at < len(text) {
		n, f := g.out.next(text[at:])
		if g.holds(f, text[at:at+n]) {
			if err := g.write(text[from:at]); err != nil {
				return 0, err
			}
			from = at + n
		}
		if at += n; n == 0 {
			text = g.out.keep(text, at)
		}
	}
	if err := g.write(text[from:]); err != nil {
		return 0, err
	}
	return len(b), g.flush()
}

func (g *guard) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := g.Conn.Write(b)
	return err
}

// flush writes what was to be written later, unless a frame is being written.
func (g *guard) flush() error {
	if !g.out.between() {
		return nil
	}
	b := g.later
	g.later = nil
	return g.write(b)
}

// holds looks at the beginning of a frame that gRPC sends, and reports whether it has
// to wait.
func (g *guard) holds(f http2.FrameHeader, b []byte) bool {
	switch f.Type {
	case http2.FrameHeaders:
		if f.Flags.Has(http2.FlagHeadersEndStream) {
			g.end(f.StreamID)
		}
	case http2.FrameRSTStream:
		g.end(f.StreamID)
	case http2.FrameWindowUpdate:
		if n := streamOf(b[headerSize:]); int(n) > g.limiter.Window && f.StreamID != 0 {
			return !g.ask(f.StreamID, n)
		}
	}
	return false
}

// ask asks for room for a request of so many bytes. If it is false, the window is
// opened later.
func (g *guard) ask(stream, length uint32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.calls[stream]
	if c == nil {
		return true // it has ended; nothing will come
	}
	c.release() // the one before was taken in, else this one would not be read
	if g.budgets.try(int64(length)) {
		c.get(int64(length))
		return true
	}
	ctx, stop := context.WithCancel(g.context)
	c.stop = stop
	g.limiter.waits.Go(func() {
		defer stop()
		g.wait(ctx, c, length)
	})
	return false
}

// wait opens the window of a call when there is room for its request.
func (g *guard) wait(ctx context.Context, c *Call, length uint32) {
	if err := g.budgets.take(ctx, int64(length)); err != nil {
		return // the call has ended
	}
	if !g.granted(c, int64(length)) {
		return
	}
	g.writing.Lock()
	defer g.writing.Unlock()
	g.later = append(g.later, update(c.stream, length)...)
	if err := g.flush(); err != nil {
		_ = g.Close() // gRPC finds that it is closed
	}
}

// granted gives a call what was taken for it, unless it has ended.
func (g *guard) granted(c *Call, bytes int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.stop = nil
	if c.ended {
		g.budgets.give(bytes)
		return false
	}
	c.get(bytes)
	return true
}

// late ends the connection: a request was let in, and is not taken in yet.
func (g *guard) late() {
	g.limiter.Log.Warn("connection closed: a large request was not there in time", "peer", g.RemoteAddr().String())
	_ = g.Close() // gRPC finds that it is closed
}

// Close implements net.Conn.
func (g *guard) Close() error {
	err := g.Conn.Close()
	g.cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.calls {
		c.end()
	}
	g.calls = nil
	return err
}
