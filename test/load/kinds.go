package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"
)

// Kinds of failure that are told from an error; Results.Failures explains them.
const (
	kindDial      = "dial"
	kindBroken    = "broken"
	kindReset     = "reset"
	kindClosed    = "closed"
	kindTimeout   = "timeout"
	kindRefused   = "refused"
	kindHandshake = "handshake"
	kindStream    = "stream"
)

// errGoAway is why a connection is left after a GOAWAY frame.
var errGoAway = errors.New("GOAWAY")

// kindOf names the kind of an error; other if it is none of those above.
func kindOf(err error, other string) string {
	var (
		handshake *handshakeError
		stream    http2.StreamError
		closing   websocket.CloseError
	)
	switch {
	case errors.As(err, &handshake):
		return kindHandshake
	case errors.Is(err, syscall.ECONNREFUSED):
		return kindRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return kindReset
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return kindTimeout
	case errors.As(err, &stream):
		return kindStream
	case errors.Is(err, errGoAway), errors.As(err, &closing), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return kindClosed
	default:
		return other
	}
}

// kindOfAnswer names the kind of an answer that the oracle does not allow.
func kindOfAnswer(status int) string {
	if status >= http.StatusInternalServerError {
		return fmt.Sprintf("status %d", status)
	}
	return "wrong answer"
}
