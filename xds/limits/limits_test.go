package limits

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestCalls: an address that has too many calls gets no more, until it has fewer; and
// who is gone is not counted.
func TestCalls(t *testing.T) {
	refused := 0
	c := New(Config{Window: window, Large: window, LargeOfOne: window, Patience: time.Minute, Refused: func(net.Addr) { refused++ }})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.Listen(l).Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn := c.Guard(raw, raw)
	headers := frames(t, func(f *http2.Framer) error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true})
	})
	if _, err := client.Write(append([]byte(http2.ClientPreface), headers...)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface)+len(headers))); err != nil {
		t.Fatal(err)
	}
	party := c.PartyAt(addressOf(raw.RemoteAddr()))
	party.calls.Add(callsPerAddress)
	if call, ok := Begun(conn, true); ok || call != nil || refused != 1 {
		t.Errorf("one too many: %v, %v, %d are refused", call, ok, refused)
	}
	party.calls.Add(-callsPerAddress)
	if call, ok := Begun(conn, true); !ok || call.Party() != party || refused != 1 {
		t.Errorf("%v, %v, %d are refused", call, ok, refused)
	}
	if err := errors.Join(client.Close(), conn.Close()); err != nil {
		t.Fatal(err)
	}
	if party := c.PartyAt(addressOf(raw.RemoteAddr())); party != nil {
		t.Errorf("%+v is left", party)
	}
	c.Wait()
}
