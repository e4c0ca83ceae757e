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

// receive starts a goroutine that reads the messages of a view or CSDS stream (a delta
// stream has its own reader, see stream), so that the handler can wait for other things,
// too. It reads one message ahead: flow control bounds the rest. If the reading fails, the
// error is the last value. The handler closes left when it returns, and the goroutine ends
// soon after; Server.Shutdown waits for it.
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
