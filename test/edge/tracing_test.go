//go:build real

package edge

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"legation.dev/test/collector"
	"legation.dev/test/echo"
	"legation.dev/translator/input"
)

// A trace of somebody else, and a span in it.
const (
	theirTrace = "0af7651916cd43dd8448eb211c80319c"
	theirSpan  = "b7ad6b7169203331"
)

// traces is a suite whose requests are traced, with a proxy at 127.0.0.2 that it trusts.
func traces(t *testing.T, settings ...string) (*suite, *collector.Collector) {
	t.Helper()
	to, err := collector.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(to.Stop)
	w := newSuite(t)
	w.echo(t, "web", "")
	w.service("collector", "", to.Addr())
	w.ingress("web", "shop.example.com", false, route{"/", input.PathPrefix, "web"})
	w.settings["tracing-collector"], w.settings["trusted-proxies"] = "shop/collector:80", "127.0.0.2"
	for i := 0; i < len(settings); i += 2 {
		w.settings[settings[i]] = settings[i+1]
	}
	w.start(t)
	return w, to
}

// asked is what the backend was told of a request from an address of loopback.
func (w *suite) asked(t *testing.T, from string, headers ...string) echo.Answer {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", w.http))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, get("shop.example.com", "/page?a=b", headers...)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return seen(t, string(body))
}

// parent is the traceparent that a backend was told.
type parent struct{ trace, span, flags string }

func parentOf(t *testing.T, a echo.Answer) parent {
	t.Helper()
	parts := strings.Split(a.Headers.Get("Traceparent"), "-")
	if len(parts) != 4 || parts[0] != "00" {
		t.Fatalf("the backend is told traceparent %q", a.Headers.Get("Traceparent"))
	}
	return parent{parts[1], parts[2], parts[3]}
}

func traceparent(flags string) string {
	return "traceparent: 00-" + theirTrace + "-" + theirSpan + "-" + flags
}

// reaches wants the span of what a backend was told at the collector. Envoy sends five at
// once, so some of a proxy follow; fewer it sends after 5 s.
func (w *suite) reaches(t *testing.T, to *collector.Collector, p parent) collector.Span {
	t.Helper()
	for range 5 {
		w.asked(t, "127.0.0.2", traceparent("01"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := to.Await(ctx, func(s collector.Span) bool { return hex.EncodeToString(s.SpanId) == p.span })
	if err != nil {
		t.Fatalf("span %s: %v", p.span, err)
	}
	return s
}

// TestTracing: a sampled request is a span at the collector, with its host, route and
// Service, and the backend is told to continue it. A client has no say in that.
func TestTracing(t *testing.T) {
	w, to := traces(t, "tracing-sampling", "100", "tracing-service", "front")
	id := "0af76519-16cd-43dd-8448-eb211c80319c"
	p := parentOf(t, w.asked(t, "127.0.0.1"))
	s := w.reaches(t, to, p)
	if p.flags != "01" || hex.EncodeToString(s.TraceId) != p.trace || len(s.ParentSpanId) != 0 || s.Service != "front" {
		t.Errorf("the backend is told %v, the span is of %q: %v", p, s.Service, s)
	}
	for name, want := range map[string]string{"http.host": "shop.example.com", "legation.route": "shop/web Prefix /", "upstream_cluster.name": "shop/web/80",
		"http.status_code": "200", "http.method": "GET", "http.url": "http://shop.example.com/page?a=b"} {
		if s.Attributes[name] != want {
			t.Errorf("%s is %q, want %q", name, s.Attributes[name], want)
		}
	}
	if s.Name != "GET shop/web Prefix /" {
		t.Errorf("the span is called %q", s.Name)
	}
	a := w.asked(t, "127.0.0.1", traceparent("00"), "tracestate: a=b", "x-request-id: "+id, "baggage: c=d")
	if p := parentOf(t, a); p.trace == theirTrace || p.flags != "01" || a.Headers.Get("Tracestate") != "" {
		t.Errorf("a client's trace is continued: %v", a.Headers)
	}
	if a.Headers.Get("X-Request-Id") != id || a.Headers.Get("Baggage") != "c=d" {
		t.Errorf("X-Request-ID or baggage is changed: %v", a.Headers)
	}
	for _, flags := range []string{"00", "01"} {
		a := w.asked(t, "127.0.0.2", traceparent(flags), "tracestate: a=b")
		p := parentOf(t, a)
		if p.trace != theirTrace || p.span == theirSpan || p.flags != flags || a.Headers.Get("Tracestate") != "a=b" {
			t.Errorf("the trace of a trusted proxy is not continued as it says, %s: %v", flags, a.Headers)
		}
		if flags == "01" && hex.EncodeToString(w.reaches(t, to, p).ParentSpanId) != theirSpan {
			t.Error("the span has another parent than the proxy said")
		}
	}
	to.Stop()
	for range 200 { // more than one batch of each worker
		w.asked(t, "127.0.0.1")
	}
}

// TestTracingUnsampled: what is not sampled reaches no collector, whatever a client says,
// and backends are told so; with tracing-parents a client is believed. A collector that is
// not there harms nobody.
func TestTracingUnsampled(t *testing.T) {
	w, to := traces(t, "tracing-sampling", "0")
	for _, header := range []string{"x: y", traceparent("01"), "x-request-id: 0af76519-16cd-93dd-8448-eb211c80319c", "x-client-trace-id: 1", "x-envoy-force-trace: 1"} {
		if p := parentOf(t, w.asked(t, "127.0.0.1", header)); p.flags != "00" {
			t.Errorf("%s: sampled, %v", header, p)
		}
	}
	w.reaches(t, to, parentOf(t, w.asked(t, "127.0.0.2", traceparent("01"))))
	for _, s := range to.Spans() {
		if hex.EncodeToString(s.ParentSpanId) != theirSpan {
			t.Errorf("a span that no proxy asked for: %v", s)
		}
	}

	w, to = traces(t, "tracing-sampling", "0", "tracing-parents", "everybody")
	p := parentOf(t, w.asked(t, "127.0.0.1", traceparent("01")))
	if s := w.reaches(t, to, p); p.trace != theirTrace || hex.EncodeToString(s.ParentSpanId) != theirSpan || s.Service != "ingress" {
		t.Errorf("a client's trace is not continued: %v, %v", p, s)
	}
	if p := parentOf(t, w.asked(t, "127.0.0.1")); p.flags != "00" {
		t.Errorf("what nobody asked for is sampled: %v", p)
	}

	w, _ = traces(t, "tracing-sampling", "100", "tracing-collector", "shop/nobody:4317")
	for range 20 {
		w.asked(t, "127.0.0.1")
	}
}
