package server

import (
	"errors"
	"io"
)

// received is one message of a client, or why there are no more.
type received[T any] struct {
	message T
	err     error
}

// receive starts the second goroutine of a stream, which only reads: the
// handler can then wait for more than the next message. It reads one message
// ahead, so what a client may keep in our memory stays bounded by flow control.
// The last value it hands over is an error. It ends soon after the handler,
// which closes left on its way out; Server.Shutdown waits for it.
func receive[T any](s *Server, left <-chan struct{}, recv func() (T, error)) <-chan received[T] {
	out := make(chan received[T])
	s.readers.Go(func() {
		for {
			m, err := recv() // fails when the handler has returned
			select {
			case out <- received[T]{m, err}:
			case <-left:
				return
			}
			if err != nil {
				return
			}
		}
	})
	return out
}

// endOf is how a handler ends when its client sends no more: well, if the
// client said so.
func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
