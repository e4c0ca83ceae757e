package ui

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/worlds"
)

// TestStuckClients: clients that ask and never read hold up nothing: what is new is published,
// Problems are looked for, and others are answered.
func TestStuckClients(t *testing.T) {
	s := newStage(t, large(400)...)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := s.Server()
	ended := make(chan error)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	for i := range 15 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil { // so that little fills it
			t.Fatal(err)
		}
		path := []string{"/events", "/problems", "/search"}[i%3]
		text := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", path, token)
		if _, err := io.WriteString(conn, strings.Repeat(text, 20)); err != nil {
			t.Fatal(err)
		}
	}
	w := worlds.New(3, worlds.Size{Services: 200, Endpoints: 2})
	changes := s.problems.Changes()
	for i := range 50 {
		s.with(w.Endpoint(1+2*i), w.Move(2*i, 1))
	}
	s.with(input.Delete(object.Ref{Kind: object.KindService, Namespace: worlds.Namespace, Name: worlds.ServiceName(1)})) // whose Ingresses have a Problem
	if s.problems.Changes() == changes {
		t.Error("no look found what is new")
	}
	for _, path := range visits(400) {
		r := request(t, path)
		r.URL.Host = l.Addr().String()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		answer, err := http.DefaultClient.Do(r.WithContext(ctx))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %d, %v", path, answer.StatusCode, err)
		}
		answer.Body.Close()
		cancel()
	}
}

// TestEvents: a page is told of a change, and that it should look once more then; who comes
// when there are too many is told so.
func TestEvents(t *testing.T) {
	s := newStage(t, large(10)...)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	s.Ended = stop
	server := s.Server()
	go func() { _ = server.Serve(l) }() // it says that it was closed
	t.Cleanup(func() { _ = server.Close() })
	r := request(t, "/events")
	r.URL.Host = l.Addr().String()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	w := worlds.New(3, worlds.Size{Services: 5, Endpoints: 2})
	s.with(w.Endpoint(1))
	text := make([]byte, 0, 1<<10)
	for strings.Count(string(text), "data: changed\n\n") < 2 {
		n, err := answer.Body.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		if err != nil {
			t.Fatalf("%v after %q", err, text)
		}
	}
	s.live.Store(mostLive)
	if code, _ := s.get("/events"); code != http.StatusServiceUnavailable {
		t.Errorf("one too many is answered %d", code)
	}
	close(stop)
	if _, err := io.ReadAll(answer.Body); err != nil {
		t.Errorf("at the end of the server: %v", err)
	}
}
