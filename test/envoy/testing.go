package envoy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

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
