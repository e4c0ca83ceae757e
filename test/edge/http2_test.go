//go:build real

package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"legation.dev/translator/input"
)

// rawHTTP2 is a client that shows what Envoy says on the wire.
type rawHTTP2 struct {
	*http2.Framer
	settings map[http2.SettingID]uint32
}

// newHTTP2 begins, and has Envoy's settings when it returns.
func newHTTP2(c net.Conn) *rawHTTP2 {
	io.WriteString(c, http2.ClientPreface)
	r := &rawHTTP2{http2.NewFramer(c, c), map[http2.SettingID]uint32{}}
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.WriteSettings()
	for {
		frame, err := r.ReadFrame()
		if err != nil {
			return r
		}
		if f, ok := frame.(*http2.SettingsFrame); ok && !f.IsAck() {
			f.ForeachSetting(func(s http2.Setting) error { r.settings[s.ID] = s.Val; return nil })
			r.WriteSettingsAck()
			return r
		}
	}
}

// ask opens a stream; fields are names and values.
func (r *rawHTTP2) ask(stream uint32, end bool, fields ...string) error {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return r.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
}

// untilClosed rests, after a request or without one, until Envoy closes in good order.
func (r *rawHTTP2) untilClosed(ask bool) error {
	if ask {
		r.ask(1, true, ":method", "GET", ":scheme", "http", ":authority", "shop.example.com", ":path", "/")
	}
	told := false
	for {
		frame, err := r.ReadFrame()
		if errors.Is(err, io.EOF) && told {
			return nil
		}
		if err != nil {
			return fmt.Errorf("GOAWAY came: %t; ended by %w", told, err)
		}
		if f, ok := frame.(*http2.GoAwayFrame); ok {
			told = told || f.ErrCode == http2.ErrCodeNo
		}
	}
}

// TestWebSocketHTTP2: a browser that speaks HTTP/2 needs no other connection for a
// WebSocket; whatever else is a CONNECT leads nowhere.
func TestWebSocketHTTP2(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	w.ingress("web", "", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	r := newHTTP2(w.send(t, ""))
	if r.settings[http2.SettingEnableConnectProtocol] != 1 {
		t.Errorf("settings %v: no extended CONNECT", r.settings)
	}
	r.ask(1, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "web.test", ":path", "/", "sec-websocket-version", "13")
	if got := r.answer(t, 1); got != "200" {
		t.Fatalf("a WebSocket: %s", got)
	}
	r.WriteData(1, false, []byte{0x81, 0x82, 0, 0, 0, 0, 'h', 'i'}) // a text of two bytes, masked by zeros
	if got := r.answer(t, 1); got != "\x81\x02hi" {
		t.Errorf("its echo: %q", got)
	}
	w.want(t, "a WebSocket of HTTP/1.1 that has no key is for its backend to refuse", get("web.test", "/",
		"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"), 400, "web")
	for i, fields := range [][]string{
		{":method", "CONNECT", ":authority", "web.test:443"},
		{":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "http", ":authority", "web.test", ":path", "/"},
	} {
		stream := uint32(3 + 2*i)
		r.ask(stream, false, fields...)
		if got := r.answer(t, stream); got == "200" {
			t.Errorf("%q: %s", fields, got)
		} else {
			t.Logf("%q: %s", fields, got)
		}
	}
}

// answer is the next thing that is said on a stream: a status, data, or its reset.
func (r *rawHTTP2) answer(t *testing.T, stream uint32) string {
	t.Helper()
	for {
		frame, err := r.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if frame.Header().StreamID != stream {
			continue
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.DataFrame:
			if len(f.Data()) > 0 {
				return string(f.Data())
			}
		case *http2.RSTStreamFrame:
			return "reset: " + f.ErrCode.String()
		}
	}
}
