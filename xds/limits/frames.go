package limits

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/net/http2"
)

const (
	// headerSize is that of the header of a frame, in bytes (RFC 9113, 4.1).
	headerSize = 9
	// updateSize is that of a whole WINDOW_UPDATE.
	updateSize = headerSize + 4
)

// headerOf is the header of the frame at the beginning of b, which has all of it.
func headerOf(b []byte) http2.FrameHeader {
	return http2.FrameHeader{Length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]), Type: http2.FrameType(b[3]),
		Flags: http2.Flags(b[4]), StreamID: streamOf(b[5:])}
}

// streamOf is a number of 31 bits.
func streamOf(b []byte) uint32 { return binary.BigEndian.Uint32(b) &^ (1 << 31) }

// update is a WINDOW_UPDATE.
func update(stream, bytes uint32) []byte {
	b := make([]byte, 0, updateSize)
	b = append(b, 0, 0, updateSize-headerSize, byte(http2.FrameWindowUpdate), 0)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, stream), bytes)
}

// inbound follows the frames that a client sends, in pieces as they come. It does not
// look whether they are right: gRPC does, right after it.
type inbound struct {
	preface int               // bytes of it that are still to come
	head    []byte            // what has come of a header
	frame   http2.FrameHeader // the last one
	rest    int               // bytes of its payload that are still to come
	padding int               // of those, at the end; negative before its size has come
}

func newInbound() inbound { return inbound{preface: len(http2.ClientPreface)} }

// next takes in the first n bytes of b, which has some. begins says that they end a
// header, which is in frame then; data is what they are of a DATA frame.
func (i *inbound) next(b []byte) (n int, begins bool, data []byte) {
	switch {
	case i.preface > 0:
		n = min(i.preface, len(b))
		i.preface -= n
		return n, false, nil
	case i.rest == 0:
		n = min(headerSize-len(i.head), len(b))
		if i.head = append(i.head, b[:n]...); len(i.head) < headerSize {
			return n, false, nil
		}
		i.begin(headerOf(i.head))
		i.head = i.head[:0]
		return n, true, nil
	case i.padding < 0:
		i.rest--
		i.padding = min(int(b[0]), i.rest)
		return 1, false, nil
	}
	n = min(i.rest, len(b))
	if i.frame.Type == http2.FrameData {
		data = b[:min(n, i.rest-i.padding)]
	}
	i.rest -= n
	i.padding = min(i.padding, i.rest)
	return n, false, data
}

func (i *inbound) begin(f http2.FrameHeader) {
	i.frame, i.rest, i.padding = f, int(f.Length), 0
	if f.Type == http2.FrameData && f.Flags.Has(http2.FlagDataPadded) && f.Length > 0 {
		i.padding = -1
	}
}

// endsHeaders reports whether the headers of a call end with what was taken in.
func (i *inbound) endsHeaders() bool {
	return i.rest == 0 && len(i.head) == 0 && i.preface == 0 &&
		(i.frame.Type == http2.FrameHeaders || i.frame.Type == http2.FrameContinuation) && i.frame.Flags.Has(http2.FlagHeadersEndHeaders)
}

// outbound follows the frames that gRPC sends.
type outbound struct {
	cut  []byte // the beginning of a header, or of a WINDOW_UPDATE; not written yet
	rest int    // bytes that are still to come of the last frame's payload
}

// with is b, and before it what could not be told yet of what came before.
func (o *outbound) with(b []byte) []byte {
	if len(o.cut) == 0 {
		return b
	}
	b = append(o.cut, b...)
	o.cut = nil
	return b
}

// keep keeps what begins at the end of b until there is more, and is what is before.
func (o *outbound) keep(b []byte, at int) []byte {
	o.cut = bytes.Clone(b[at:])
	return b[:at]
}

// between reports whether all that is written is whole frames.
func (o *outbound) between() bool { return o.rest == 0 && len(o.cut) == 0 }

// next takes in the first n bytes of b: the header of a frame, which is f, or a whole
// WINDOW_UPDATE, or payload, for which f is zero. n is 0 if there is too little to
// tell.
func (o *outbound) next(b []byte) (n int, f http2.FrameHeader) {
	if o.rest > 0 {
		n = min(o.rest, len(b))
		o.rest -= n
		return n, f
	}
	if len(b) < headerSize {
		return 0, f
	}
	if f = headerOf(b); f.Type != http2.FrameWindowUpdate {
		o.rest = int(f.Length)
		return headerSize, f
	}
	if len(b) < updateSize {
		return 0, http2.FrameHeader{}
	}
	return updateSize, f
}
