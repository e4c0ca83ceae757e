//go:build real

package upstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/test/inprocess"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/policy"
)

// hang bounds a test that waits for something that never comes. It is no
// measure of anything.
const hang = time.Minute

// suite is a control plane, an Envoy, and the servers behind it.
type suite struct {
	*inprocess.Stack
	t       *testing.T
	servers []*echo.Server // of the Service that a test is about
}

func newSuite(t *testing.T, o inprocess.Options) *suite {
	t.Helper()
	s, err := inprocess.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &suite{Stack: s, t: t}
}

// put applies objects as they are.
func (w *suite) put(objects ...input.Object) {
	var changes []input.Change
	for _, o := range objects {
		changes = append(changes, lower.Put(o))
	}
	w.Change(changes...)
}

// settle waits until Envoy has acknowledged all of it.
func (w *suite) settle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), hang)
	defer cancel()
	if err := w.Settle(ctx); err != nil {
		w.t.Fatal(err)
	}
}

func meta(name string, settings map[string]string) input.Meta {
	m := input.Meta{Namespace: inprocess.Namespace, Name: name, Annotations: map[string]string{}}
	for setting, text := range settings {
		m.Annotations[policy.Prefix+setting] = text
	}
	return m
}

// service is a Service with port 80.
func service(name string, settings map[string]string) input.Object {
	return input.Seal(&input.Service{Meta: meta(name, settings), Ports: []input.ServicePort{{Name: "http", Port: 80, TargetPort: "http"}}})
}

// ready, terminating and gone are what a slice says of an endpoint.
type state int

const (
	ready state = iota
	terminating
	gone
)

// endpoint is the EndpointSlice of one server of a Service.
func endpoint(service string, n int, address string, s state) input.Object {
	host, port, _ := strings.Cut(address, ":")
	var number int32
	fmt.Sscan(port, &number)
	o := &input.Slice{Meta: meta(fmt.Sprintf("%s-%d", service, n), nil), Service: service, AddressType: "IPv4",
		Ports: []input.SlicePort{{Name: "http", Port: number}}}
	if s != gone {
		o.Endpoints = []input.Endpoint{{Addresses: []string{host}, Ready: s == ready, Serving: true, Terminating: s == terminating}}
	}
	return input.Seal(o)
}

// ingress leads a host to a Service.
func ingress(host, service string, settings map[string]string) input.Object {
	class := inprocess.Class
	return input.Seal(&input.Ingress{Meta: meta(strings.ReplaceAll(host, ".", "-"), settings), ClassName: &class, Rules: []input.Rule{{Host: host,
		Paths: []input.Path{{Path: "/", Type: input.PathPrefix, Backend: input.Backend{Service: service, Port: 80}}}}}})
}

// echoes starts n servers of a Service.
func (w *suite) echoes(service string, n int) (list []*echo.Server) {
	w.t.Helper()
	for range n {
		s, err := echo.Start(service, "127.0.0.1:0")
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(s.Kill)
		list = append(list, s)
	}
	return list
}

// dial opens a connection to Envoy's http listener.
func (w *suite) dial() net.Conn {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.HTTP)
	if err != nil {
		w.t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(hang))
	return conn
}

// answer is a response whose head is there.
type answer struct {
	*http.Response
	instance string // the server that sent it
	conn     net.Conn
}

// ask sends a GET on a connection of its own and reads the head of the answer.
func (w *suite) ask(host, path string, headers ...string) (answer, error) {
	conn := w.dial()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, host, strings.Join(append(headers, ""), "\r\n"))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		conn.Close()
		return answer{}, err
	}
	return answer{resp, resp.Header.Get(echo.HeaderInstance), conn}, nil
}

// whole reads an answer to its end and closes its connection.
func (a answer) whole() (string, error) {
	defer a.conn.Close()
	text, err := io.ReadAll(a.Body)
	return string(text), err
}
