package echo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func start(t *testing.T, service string) *Server {
	t.Helper()
	s, err := Start(service, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

func TestAnswerNamesServiceAndRequest(t *testing.T) {
	s := start(t, "shop")
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		client := http.Client{Transport: &http.Transport{Protocols: only(proto)}}
		t.Cleanup(client.CloseIdleConnections)
		resp, err := client.Get("http://" + s.Addr().String() + "/cart?id=1")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got Answer
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if got.Service != "shop" || resp.Header.Get(HeaderService) != "shop" || got.Path != "/cart?id=1" || got.Proto != proto {
			t.Errorf("%s: answer is %+v, headers %v", proto, got, resp.Header)
		}
	}
	if n := s.Count("/cart"); n != 2 || s.Requests() != 2 {
		t.Errorf("counted %d for /cart, %d in all, want 2", n, s.Requests())
	}
}

func only(proto string) *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(proto == "HTTP/1.1")
	p.SetUnencryptedHTTP2(proto == "HTTP/2.0")
	return &p
}

func TestQuery(t *testing.T) {
	base := "http://" + start(t, "shop").Addr().String()
	for _, tc := range []struct {
		query  string
		status int
		body   string // empty: any
	}{
		{"status=503", 503, ""},
		{"stream=3&every=1ms", 200, "shop 0\nshop 1\nshop 2\n"},
		{"delay=1ms", 200, ""},
		{"delay=x", 400, "delay=\"x\": not a duration up to 10m0s\n"},
		{"status=9", 400, "status=\"9\": not a status from 200 to 599\n"},
		{"stream=0", 400, "stream=\"0\": not a number of lines\n"},
	} {
		resp, err := http.Get(base + "/?" + tc.query)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tc.status || tc.body != "" && string(body) != tc.body {
			t.Errorf("%s: %d %q", tc.query, resp.StatusCode, body)
		}
	}
}

func TestWebSocket(t *testing.T) {
	s := start(t, "chat")
	conn, resp, err := websocket.Dial(t.Context(), "ws://"+s.Addr().String()+"/room", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if got := resp.Header.Get(HeaderService); got != "chat" {
		t.Errorf("handshake names Service %q", got)
	}
	for i := range 3 {
		want := fmt.Sprint("message ", i)
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || string(got) != want {
			t.Errorf("got %q, %v", got, err)
		}
	}
	s.Kill()
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("the WebSocket outlived Kill")
	}
}

// ask sends a request on conn and returns the first error.
func ask(conn net.Conn) error {
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func TestEnds(t *testing.T) {
	for _, tc := range []struct {
		name  string
		end   func(*Server)
		error string // what a request on an old connection meets; empty: an answer
	}{
		{"StopAccepting", (*Server).StopAccepting, ""},
		{"Shutdown", func(s *Server) { s.Shutdown(context.Background()) }, "EOF"},
		{"Kill", (*Server).Kill, "reset"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := start(t, "shop")
			conn, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := ask(conn); err != nil {
				t.Fatal(err)
			}
			tc.end(s)
			if err := ask(conn); (err == nil) != (tc.error == "") {
				t.Errorf("on the old connection: %v, want %q", err, tc.error)
			} else if err != nil && !strings.Contains(err.Error(), tc.error) && !strings.Contains(err.Error(), "broken pipe") {
				t.Errorf("on the old connection: %v, want %q", err, tc.error)
			}
			if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
				t.Error("still accepts")
			}
		})
	}
}

func TestAddressesDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for n := range 100_000 {
		a := Address(n)
		if !a.IsLoopback() || a.As4()[3] == 0 || a.As4()[3] == 255 || seen[a.String()] {
			t.Fatalf("Address(%d) = %s", n, a)
		}
		seen[a.String()] = true
	}
}
