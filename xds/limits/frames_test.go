package limits

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// pieced is a connection that is read in pieces of a size, and remembers what is
// written.
type pieced struct {
	net.Conn
	text    []byte
	size    int
	written []byte
}

func (p *pieced) Read(b []byte) (int, error) {
	n := copy(b, p.text[:min(p.size, len(p.text))])
	p.text = p.text[n:]
	return n, nil
}

func (p *pieced) Write(b []byte) (int, error) {
	p.written = append(p.written, b...)
	return len(b), nil
}

// frames are what write writes.
func frames(t *testing.T, write func(*http2.Framer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(http2.NewFramer(&b, nil)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// does joins what may fail.
func does(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// newGuard is that of a connection of nobody, with so many bytes for large requests.
func newGuard(c net.Conn, room int64) *guard {
	limiter := New(Config{Window: window, Large: room, Patience: time.Minute})
	g, _ := limiter.Guard(c, c).(*guard)
	return g
}

// window is that of a stream here.
const window = 64 << 10

// prefixed is the beginning of a request of so many bytes.
func prefixed(length int, text []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(length)), text...)
}

// sizes of pieces.
var pieceSizes = []int{1, 2, 3, 5, 8, 9, 13, 14, 100, 1 << 20}

// TestGuardReads: in whatever pieces a client's bytes come, they are read as they are,
// each Read ends with the headers of a call, and what a request is short of is known.
func TestGuardReads(t *testing.T) {
	text := slices.Concat([]byte(http2.ClientPreface), frames(t, func(f *http2.Framer) error {
		return does(f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}),
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("half")}),
			f.WriteContinuation(1, true, []byte("half")),
			f.WriteDataPadded(1, false, prefixed(10, []byte("0123")), make([]byte, 7)),
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: []byte("all"), EndHeaders: true, PadLength: 3}),
			f.WritePing(false, [8]byte{}),
			f.WriteData(1, false, append([]byte("456789"), prefixed(8, []byte("01"))...)),
			f.WriteData(3, false, prefixed(0, nil)),
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, EndHeaders: true}),
			f.WriteData(5, false, nil),
			f.WriteRSTStream(3, http2.ErrCodeCancel),
			f.WriteDataPadded(1, false, []byte("23"), []byte{}),
			f.WriteData(3, false, prefixed(1<<20, make([]byte, 100))))
	}))
	for _, size := range pieceSizes {
		g := newGuard(&pieced{text: text, size: size}, 1)
		var got []byte
		var newest []uint32 // after each Read
		for len(got) < len(text) {
			b := make([]byte, 1<<10)
			n, err := g.Read(b)
			if err != nil {
				t.Fatalf("pieces of %d: %v", size, err)
			}
			got, newest = append(got, b[:n]...), append(newest, g.newest)
		}
		if !bytes.Equal(got, text) {
			t.Errorf("pieces of %d: what is read differs", size)
		}
		if calls := slices.Compact(newest); calls[0] == 0 && !slices.Equal(calls, []uint32{0, 1, 3, 5}) || calls[0] != 0 && !slices.Equal(calls, []uint32{1, 3, 5}) {
			t.Errorf("pieces of %d: reads end with the headers of %v", size, calls)
		}
		if c := g.calls[1]; len(g.calls) != 2 || c == nil || c.length != 8 || c.got != 4 {
			t.Errorf("pieces of %d: calls %v, of which 1 is %+v", size, g.calls, c)
		}
	}
}

// TestGuardWrites: in whatever pieces gRPC writes, what is written is whole frames, and
// only the update that has to wait is left out, until there is room.
func TestGuardWrites(t *testing.T) {
	const large = 2 * window
	before := frames(t, func(f *http2.Framer) error {
		return does(f.WriteSettings(), f.WriteWindowUpdate(0, large), f.WriteWindowUpdate(1, 100))
	})
	after := frames(t, func(f *http2.Framer) error {
		return does(f.WriteData(1, false, make([]byte, 300)), f.WriteWindowUpdate(7, large),
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, EndHeaders: true, EndStream: true}), f.WriteRSTStream(5, 0))
	})
	text := slices.Concat(before, update(1, large), after)
	for _, size := range pieceSizes {
		to := &pieced{}
		g := newGuard(to, large+1)
		for _, stream := range []uint32{1, 3, 5} {
			g.begin(stream)
		}
		if !g.budgets.try(2) {
			t.Fatal("there is no room")
		}
		for part := range slices.Chunk(text, size) {
			if n, err := g.Write(part); n != len(part) || err != nil {
				t.Fatalf("pieces of %d: %d, %v", size, n, err)
			}
		}
		if want := slices.Concat(before, after); !bytes.Equal(to.written, want) {
			t.Errorf("pieces of %d: written %q, want %q", size, to.written, want)
		}
		if len(g.calls) != 1 || !g.calls[1].Waits() {
			t.Errorf("pieces of %d: calls %v", size, g.calls)
		}
		g.budgets.give(2)
		g.limiter.Wait() // for the one that waits
		if want := slices.Concat(before, after, update(1, large)); !bytes.Equal(to.written, want) {
			t.Errorf("pieces of %d: written then %q, want %q", size, to.written, want)
		}
		g.calls[1].Done()
		if !g.budgets.try(large + 1) {
			t.Errorf("pieces of %d: room is not given back", size)
		}
	}
}
