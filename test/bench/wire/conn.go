// Package wire is a delta xDS client that costs little, so that a thousand of
// them in one process leave the machine to the server that is measured.
//
// It speaks HTTP/2 in the goroutine of its caller: one connection, one stream,
// no locks. What it sends is encoded beforehand; what it receives is scanned,
// not decoded.
//
// Start reading at Open; delta.go holds the messages.
package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// receiveWindow is what the server may send ahead, in bytes: that of Envoy's
	// default http2_protocol_options (256 MiB).
	receiveWindow = 256 << 20
	// initialWindow is HTTP/2's own (RFC 9113, 6.9.2).
	initialWindow = 65535
	// maxFrame is the largest frame that we send and receive, in bytes: HTTP/2's
	// default.
	maxFrame = 16384
	// readBuffer is the buffer per connection, in bytes: a push and what goes
	// with it fits.
	readBuffer = 4096
	streamID   = 1
)

// Conn is one delta ADS stream on a connection of its own. It belongs to one
// goroutine, but for Close.
type Conn struct {
	conn   net.Conn
	framer *http2.Framer
	reader *bufio.Reader

	send, sendConn int64 // flow control: what the server lets us send
	initial        int64 // the server's SETTINGS_INITIAL_WINDOW_SIZE, which send began with
	consumed       int64 // what we received since the last WINDOW_UPDATE
	pending        [][]byte
	drained        atomic.Bool
	message        bytes.Buffer // the gRPC message that is being received
	taken          int          // bytes of message that were returned last
}

// Open opens the delta ADS stream on a connection to addr.
func Open(conn net.Conn, addr string) (*Conn, error) {
	c := &Conn{conn: conn, reader: bufio.NewReaderSize(conn, readBuffer), send: initialWindow, sendConn: initialWindow, initial: initialWindow}
	c.framer = http2.NewFramer(conn, c.reader)
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(maxFrame)
	if err := c.open(addr); err != nil {
		conn.Close()
		return nil, fmt.Errorf("opening a stream to %s: %w", addr, err)
	}
	return c, nil
}

// method is the delta ADS method.
const method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"

func (c *Conn) open(addr string) error {
	if _, err := io.WriteString(c.conn, http2.ClientPreface); err != nil {
		return err
	}
	if err := c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: receiveWindow}); err != nil {
		return err
	}
	if err := c.framer.WriteWindowUpdate(0, receiveWindow-initialWindow); err != nil {
		return err
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, h := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", addr},
		{"content-type", "application/grpc"}, {"te", "trailers"}} {
		if err := enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
			return err
		}
	}
	return c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: streamID, BlockFragment: block.Bytes(), EndHeaders: true})
}

// Drained reports whether all that was to be sent has been. It may be called from
// any goroutine.
func (c *Conn) Drained() bool { return c.drained.Load() }

// Close ends the connection at once. It may be called from any goroutine.
func (c *Conn) Close() error { return c.conn.Close() }

// Send queues a gRPC message and sends what flow control allows; Next sends the
// rest. The message must not change any more.
func (c *Conn) Send(message []byte) error {
	head := make([]byte, 5)
	binary.BigEndian.PutUint32(head[1:], uint32(len(message)))
	if len(message)+len(head) <= smallMessage {
		c.pending = append(c.pending, append(head, message...))
	} else {
		c.pending = append(c.pending, head, message)
	}
	return c.flush()
}

// smallMessage is what is copied to go out as one frame, in bytes: an ACK.
const smallMessage = 256

func (c *Conn) flush() error {
	c.drained.Store(false)
	for len(c.pending) > 0 {
		n := min(int64(len(c.pending[0])), c.send, c.sendConn, maxFrame)
		if n <= 0 {
			return nil
		}
		if err := c.framer.WriteData(streamID, false, c.pending[0][:n]); err != nil {
			return err
		}
		c.send -= n
		c.sendConn -= n
		if c.pending[0] = c.pending[0][n:]; len(c.pending[0]) == 0 {
			c.pending[0] = nil
			c.pending = c.pending[1:]
		}
	}
	c.pending = nil
	c.drained.Store(true)
	return nil
}

// Next waits for the next gRPC message. It is valid until the next call. An
// error names the status with which the server ended the stream.
func (c *Conn) Next() ([]byte, error) {
	c.message.Next(c.taken)
	c.taken = 0
	for {
		if b := c.message.Bytes(); len(b) >= 5 {
			if n := int(binary.BigEndian.Uint32(b[1:])); len(b) >= 5+n {
				c.taken = 5 + n
				return b[5 : 5+n], nil
			}
		}
		if err := c.readFrame(); err != nil {
			return nil, err
		}
	}
}

func (c *Conn) readFrame() error {
	f, err := c.framer.ReadFrame()
	if err != nil {
		return err
	}
	switch f := f.(type) {
	case *http2.DataFrame:
		c.message.Write(f.Data())
		return c.consume(int64(f.Length))
	case *http2.WindowUpdateFrame:
		return c.widen(f)
	case *http2.SettingsFrame:
		return c.settings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.framer.WritePing(true, f.Data)
		}
	case *http2.HeadersFrame:
		if f.StreamEnded() {
			return trailers(f.HeaderBlockFragment())
		}
	case *http2.RSTStreamFrame:
		return fmt.Errorf("the server reset the stream: %v", f.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Errorf("the server sent GOAWAY: %v %s", f.ErrCode, f.DebugData())
	}
	return nil
}

// consume returns what was received to the server's windows, seldom.
func (c *Conn) consume(n int64) error {
	if c.consumed += n; c.consumed < receiveWindow/2 {
		return nil
	}
	n, c.consumed = c.consumed, 0
	if err := c.framer.WriteWindowUpdate(0, uint32(n)); err != nil {
		return err
	}
	return c.framer.WriteWindowUpdate(streamID, uint32(n))
}

func (c *Conn) widen(f *http2.WindowUpdateFrame) error {
	if f.StreamID == 0 {
		c.sendConn += int64(f.Increment)
	} else {
		c.send += int64(f.Increment)
	}
	return c.flush()
}

func (c *Conn) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	if v, ok := f.Value(http2.SettingInitialWindowSize); ok {
		c.send += int64(v) - c.initial // gRPC's server widens it as it measures the path
		c.initial = int64(v)
	}
	if err := c.framer.WriteSettingsAck(); err != nil {
		return err
	}
	return c.flush()
}

// trailers is the status with which the server ended the stream.
func trailers(block []byte) error {
	fields, err := hpack.NewDecoder(4096, nil).DecodeFull(block)
	if err != nil {
		return errors.New("the server ended the stream") // the headers before changed the table
	}
	var said []string
	for _, f := range fields {
		if strings.HasPrefix(f.Name, "grpc-") {
			said = append(said, f.Name+"="+f.Value)
		}
	}
	return fmt.Errorf("the server ended the stream: %s", strings.Join(said, " "))
}
