package echo

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Headers of each answer, that of a WebSocket's handshake included.
const (
	HeaderService  = "X-Echo-Service"
	HeaderInstance = "X-Echo-Instance"
)

// Answer is the JSON body of an answer.
type Answer struct {
	Service  string      `json:"service"`
	Instance string      `json:"instance"` // address and port of the server, or its name
	Method   string      `json:"method"`
	Path     string      `json:"path"` // with query, as received
	Host     string      `json:"host"`
	Proto    string      `json:"proto"`    // "HTTP/1.1", "HTTP/2.0"
	Received int64       `json:"received"` // bytes of the body, which is read whole
	Headers  http.Header `json:"headers"`
}

// answer serves every path. The query can ask for
//
//	delay=2s            wait before the answer
//	status=503          another status
//	stream=5&every=1s   so many lines of text instead of JSON, so far apart
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests[r.URL.Path]++
	s.mu.Unlock()
	w.Header().Set(HeaderService, s.service)
	w.Header().Set(HeaderInstance, s.instance)
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		echoMessages(w, r)
		return
	}
	ask, err := parseQuery(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !pause(r, ask.delay) {
		return
	}
	if ask.lines > 0 {
		s.stream(w, r, ask)
		return
	}
	s.json(w, r, ask.status)
}

func (s *Server) json(w http.ResponseWriter, r *http.Request, status int) {
	received, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return // the client went away
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(Answer{
		Service: s.service, Instance: s.instance,
		Method: r.Method, Path: r.RequestURI, Host: r.Host, Proto: r.Proto, Received: received, Headers: r.Header,
	}) // an error means that the client went away
}

func (s *Server) stream(w http.ResponseWriter, r *http.Request, ask query) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(ask.status)
	flush := http.NewResponseController(w)
	for i := range ask.lines {
		if i > 0 && !pause(r, ask.every) {
			return
		}
		fmt.Fprintf(w, "%s %d\n", s.service, i)
		if flush.Flush() != nil {
			return
		}
	}
}

// echoMessages sends each message back as it came, until the client leaves.
func echoMessages(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // from any origin
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

// query is what the query of a request asks for.
type query struct {
	delay, every time.Duration
	status       int
	lines        int
}

func parseQuery(v url.Values) (query, error) {
	q := query{status: http.StatusOK}
	var err error
	if q.delay, err = duration(v, "delay"); err != nil {
		return q, err
	}
	if q.every, err = duration(v, "every"); err != nil {
		return q, err
	}
	if text := v.Get("status"); text != "" {
		if q.status, err = strconv.Atoi(text); err != nil || q.status < 200 || q.status > 599 {
			return q, fmt.Errorf("status=%q: not a status from 200 to 599", text)
		}
	}
	if text := v.Get("stream"); text != "" {
		if q.lines, err = strconv.Atoi(text); err != nil || q.lines < 1 {
			return q, fmt.Errorf("stream=%q: not a number of lines", text)
		}
	}
	return q, nil
}

func duration(v url.Values, name string) (time.Duration, error) {
	text := v.Get(name)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxDelay {
		return 0, fmt.Errorf("%s=%q: not a duration up to %s", name, text, maxDelay)
	}
	return d, nil
}

// pause waits, and reports whether the client is still there.
func pause(r *http.Request, d time.Duration) bool {
	if d == 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-r.Context().Done():
		return false
	}
}
