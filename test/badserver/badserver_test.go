package badserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// asking is a connection to a server.
type asking struct {
	*testing.T
	conn   net.Conn
	reader *bufio.Reader
}

func ask(t *testing.T, address string) *asking {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	return &asking{t, conn, bufio.NewReader(conn)}
}

// answered asks, and is answered.
func (a *asking) answered(method, path string) {
	a.Helper()
	fmt.Fprintf(a.conn, "%s %s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", method, path)
	resp, err := http.ReadResponse(a.reader, nil)
	if err != nil {
		a.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "ok" || resp.Header.Get(HeaderService) != "a" || resp.Close {
		a.Errorf("%q, %v, %v", body, err, resp)
	}
}

// ended waits for the end of the connection.
func (a *asking) ended() {
	a.Helper()
	if _, err := a.reader.ReadByte(); !errors.Is(err, io.EOF) {
		a.Errorf("not ended: %v", err)
	}
}

// TestCloses: each way to close, directly and behind a relay; what was executed is
// counted.
func TestCloses(t *testing.T) {
	const short = time.Second // and long for an answer
	for _, c := range []Closes{{Idle: short}, {Age: short}, {Requests: 1}} {
		s, err := Start("a", c)
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewRelay("tcp", s.Address(), time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{s.Address(), r.Address()} {
			a := ask(t, address)
			a.answered("POST", "/x")
			a.ended()
		}
		if twice, all := s.Twice(); s.Executed("POST", "/x") != 2 || s.Accepted() != 2 || all != 2 || len(twice) != 1 {
			t.Errorf("%+v: executed %d, of all %d twice %v, accepted %d", c, s.Executed("POST", "/x"), all, twice, s.Accepted())
		}
		r.Close()
		s.Close()
	}
}

// TestRelayDelays: an answer takes twice the delay at least.
func TestRelayDelays(t *testing.T) {
	const delay = 100 * time.Millisecond
	s, err := Start("a", Closes{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := NewRelay("tcp", s.Address(), delay)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	a := ask(t, r.Address())
	for range 3 {
		began := time.Now()
		a.answered("GET", "/")
		if took := time.Since(began); took < 2*delay {
			t.Errorf("took %v", took)
		}
	}
}

// TestBacklogged: nobody answers there.
func TestBacklogged(t *testing.T) {
	address, end, err := Backlogged()
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	conn, err := net.DialTimeout("tcp", address, knock)
	if err == nil {
		conn.Close()
		t.Errorf("somebody answers at %s", address)
	}
}
