package envoy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Run is an Envoy that is ready, for a test, at whose end it is stopped; the test fails if it
// does not start, or has ended by itself.
func Run(t testing.TB, o Options) *Envoy {
	t.Helper()
	e, err := Start(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := e.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

// FreePort is a Port; the test fails if there is none.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := Port()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Port is a port that is free on both loopbacks. It is below those that the
// kernel gives to clients (32768 and more), which may take any of them before
// somebody binds it, or while nobody has it between two starts.
func Port() (int, error) {
	for range 20 {
		port := 10000 + rand.IntN(22000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l6, err := net.Listen("tcp", fmt.Sprintf("[::1]:%d", port))
		l.Close()
		if err == nil {
			l6.Close()
			return port, nil
		}
	}
	return 0, errors.New("no port is free on 127.0.0.1 and ::1")
}
