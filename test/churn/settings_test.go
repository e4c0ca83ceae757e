//go:build real

package churn

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"legation.dev/test/collector"
	"legation.dev/test/echo"
	"legation.dev/test/inprocess"
	"legation.dev/translator/policy"
	"legation.dev/xds/snapshot"
)

// changesBeside is how many other changes are made with that of a setting.
const changesBeside = 10

// TestSettings: each setting of the listeners that is not fixed is changed, one after the
// other, beside other changes. No connection notices, no listener changes, and who comes
// then meets the new setting.
func TestSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	w := newSuite(t, 20, inprocess.Options{Log: warnings(t), EnvoyArgs: []string{"--file-flush-interval-msec", "50"}})
	_, end := w.load(w.clients(150*time.Millisecond, 50, 10, 20)...)
	d := newDriver(w)
	d.kinds = slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return k.shared })
	to := w.collect()
	before, all := w.listenerChanges(), trials(file, to)
	changed := map[string]string{} // all that were changed so far; the later ones need some of them
	for _, s := range policy.Table() {
		if !s.OfListener || s.Fixed != "" {
			continue
		}
		trial, ok := all[s.Name]
		if !ok {
			t.Errorf("%s: what another value of it does is not tried here", s.Name)
			continue
		}
		changed[s.Name] = trial.value
		d.change(s.Name, changed)
		d.until(func(ctx context.Context) error {
			if err := trial.works(ctx, d); err != nil {
				return fmt.Errorf("%s is %s: %w", s.Name, trial.value, err)
			}
			return nil
		})
	}
	d.change("back to the defaults", nil)
	end()
	t.Log(d)
	if after := w.listenerChanges(); !maps.Equal(before, after) {
		t.Errorf("listeners changed: %v, then %v", before, after)
	}
	w.noneRejected()
	w.noTimeouts()
}

// change gives the class settings, and waits until Envoy has acknowledged the HTTP
// configurations that follow from them, and all changes beside.
func (d *driver) change(what string, settings map[string]string) {
	d.t.Helper()
	before := d.managers()
	d.pending = append(d.pending, &effect{change: d.Settings(settings), concerns: func(r snapshot.Ref) bool { return r.Type == snapshot.ExtensionConfig }})
	d.run(changesBeside, *rate)
	if after := d.managers(); maps.Equal(before, after) {
		d.t.Errorf("%s: Envoy runs the same HTTP configurations, %v", what, after)
	}
}

// managers are the versions of the HTTP configurations that Envoy acknowledged, by name.
func (w *suite) managers() map[string]string {
	versions := map[string]string{}
	for _, e := range w.Envoys() {
		for name, r := range e.Status.Types[snapshot.ExtensionConfig].Have.All() {
			versions[name] = r.Version
		}
	}
	return versions
}

// trial is another value of a setting, and what a new connection meets by it.
type trial struct {
	value string
	works func(context.Context, *driver) error
}

// trials are by name of the setting. The access log is written to a file; spans go to a
// collector, which dies in the end: what comes after it is under the same load.
func trials(file string, to *collector.Collector) map[string]trial {
	return map[string]trial{
		"access-log": {file, func(ctx context.Context, d *driver) error { return d.logged(ctx, file, nil) }},
		"access-log-fields": {"path, status", func(ctx context.Context, d *driver) error {
			return d.logged(ctx, file, func(line map[string]any) bool { return len(line) == 2 })
		}},
		"access-log-filter": {"errors", func(ctx context.Context, d *driver) error { return d.notLogged(ctx, file) }},

		"downstream-idle-timeout": {"1s", func(ctx context.Context, d *driver) error {
			return d.closes(ctx, 3*time.Second, func(net.Conn) error { return nil })
		}},
		"downstream-max-lifetime": {"1s", toldToLeave},
		"drain-upgrades": {"close", func(ctx context.Context, d *driver) error { // an idle client is closed 1 s, not 4 s, after it should have left, and 1 s more
			return d.closes(ctx, 5*time.Second, func(c net.Conn) error { return d.write(c, "/") })
		}},
		"escaped-slashes": {"reject", func(ctx context.Context, d *driver) error { return d.status(ctx, "/a%2fb", nil, http.StatusBadRequest) }},
		"external-http-port": {"8080", func(ctx context.Context, d *driver) error {
			return d.told(ctx, d.newConn, "X-Forwarded-Port", "8080")
		}},
		"external-https-port": {"8443", func(ctx context.Context, d *driver) error {
			return d.told(ctx, d.newTLSConn, "X-Forwarded-Port", "8443")
		}},
		"health-path": {"/health-of-envoy", func(ctx context.Context, d *driver) error {
			answer, err := d.meet(ctx, d.newConn, "/health-of-envoy", nil)
			if err == nil && answer.Header.Get(echo.HeaderService) != "" {
				err = errors.New("a Service answers the path")
			}
			return err
		}},
		"max-request-headers": {"2", func(ctx context.Context, d *driver) error {
			return d.status(ctx, "/", http.Header{"X-Long": {strings.Repeat("x", 3<<10)}}, http.StatusRequestHeaderFieldsTooLarge)
		}},
		"server-header": {"remove", func(ctx context.Context, d *driver) error {
			answer, err := d.meet(ctx, d.newConn, "/", nil)
			if err == nil && answer.Header.Get("Server") != "" {
				err = fmt.Errorf("the answer has Server: %s", answer.Header.Get("Server"))
			}
			return err
		}},
		"tracing-collector": {namespace + "/" + collectorService + ":80", func(ctx context.Context, d *driver) error {
			_, err := d.traceparent(ctx)
			return err
		}},
		"tracing-parents": {"everybody", func(ctx context.Context, d *driver) error {
			parent, err := d.traceparent(ctx)
			if err == nil && !strings.HasPrefix(parent, theirTrace) {
				err = fmt.Errorf("the backend is told %q, another trace", parent)
			}
			return err
		}},
		"tracing-sampling": {"100", func(ctx context.Context, d *driver) error {
			return d.spans(ctx, to, func(s collector.Span) bool { return len(s.ParentSpanId) == 0 })
		}},
		"tracing-service": {"front", func(ctx context.Context, d *driver) error {
			err := d.spans(ctx, to, func(s collector.Span) bool { return s.Service == "front" })
			if err == nil {
				to.Stop()
			}
			return err
		}},
		"trusted-hops": {"1", func(ctx context.Context, d *driver) error {
			return d.told(ctx, d.newConn, "X-Real-Ip", "192.0.2.1")
		}},
	}
}

// met is an answer on a new connection.
type met struct {
	*http.Response
	body []byte
}

// newConn and newTLSConn are new connections, of the first host under load and of the last
// one, which has TLS.
func (d *driver) newConn(ctx context.Context) (c net.Conn, host string, err error) {
	c, err = dialTo(d.HTTP)(ctx, "tcp", "")
	return c, d.hosts[0].name, err
}

func (d *driver) newTLSConn(ctx context.Context) (net.Conn, string, error) {
	host := d.hosts[len(d.hosts)-1].name
	c, err := (&tls.Dialer{Config: &tls.Config{RootCAs: d.authority.Roots(), ServerName: host}}).DialContext(ctx, "tcp", d.HTTPS)
	return c, host, err
}

// meet asks on a new connection.
func (d *driver) meet(ctx context.Context, dial func(context.Context) (net.Conn, string, error), path string, header http.Header) (met, error) {
	conn, host, err := dial(ctx)
	if err != nil {
		return met{}, err
	}
	defer conn.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		return met{}, err
	}
	maps.Copy(req.Header, header)
	resp, err := (&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return met{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return met{resp, body}, err
}

// theirTrace is how the traceparent of a client begins.
const theirTrace = "00-0af7651916cd43dd8448eb211c80319c-"

// traceparent is what the backend is told, of a request with a trace, on a new connection.
func (d *driver) traceparent(ctx context.Context) (string, error) {
	theirs := theirTrace + "b7ad6b7169203331-00"
	answer, err := d.meet(ctx, d.newConn, "/", http.Header{"Traceparent": {theirs}})
	if err != nil {
		return "", err
	}
	var backend echo.Answer
	if err := json.Unmarshal(answer.body, &backend); err != nil {
		return "", fmt.Errorf("status %d: %w", answer.StatusCode, err)
	}
	told := backend.Headers.Get("Traceparent")
	if told == "" || told == theirs {
		return "", fmt.Errorf("the backend is told %q, no span of Envoy", told)
	}
	return told, nil
}

// spans wants a span of that kind, of a request on a new connection. Envoy sends all that it
// has every 5 s; the worker of the connection may have had the old setting.
func (d *driver) spans(ctx context.Context, to *collector.Collector, kind func(collector.Span) bool) error {
	if err := d.status(ctx, "/", nil, http.StatusOK); err != nil {
		return err
	}
	ctx, end := context.WithTimeout(ctx, 10*time.Second)
	defer end()
	_, err := to.Await(ctx, kind)
	return err
}

// collectorService is the Service of the collector.
const collectorService = "spans"

// collect adds a collector of traces to the cluster.
func (w *suite) collect() *collector.Collector {
	w.t.Helper()
	to, err := collector.Start()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(to.Stop)
	at := netip.MustParseAddrPort(to.Addr())
	meta := metav1.ObjectMeta{Namespace: namespace, Name: collectorService}
	of := meta
	of.Labels = map[string]string{discoveryv1.LabelServiceName: collectorService}
	w.Apply(&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "otlp", Port: 80}}}},
		&discoveryv1.EndpointSlice{ObjectMeta: of, AddressType: discoveryv1.AddressTypeIPv4,
			Ports:     []discoveryv1.EndpointPort{{Name: ptr.To("otlp"), Port: ptr.To(int32(at.Port()))}},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{at.Addr().String()}}}})
	return to
}

// status wants a status.
func (d *driver) status(ctx context.Context, path string, header http.Header, want int) error {
	answer, err := d.meet(ctx, d.newConn, path, header)
	if err == nil && answer.StatusCode != want {
		err = fmt.Errorf("status %d, want %d", answer.StatusCode, want)
	}
	return err
}

// told wants that the backend is told something by a header. A proxy in front is
// pretended.
func (d *driver) told(ctx context.Context, dial func(context.Context) (net.Conn, string, error), header, want string) error {
	answer, err := d.meet(ctx, dial, "/", http.Header{"X-Forwarded-For": {"192.0.2.1"}})
	if err != nil {
		return err
	}
	var backend echo.Answer
	if err := json.Unmarshal(answer.body, &backend); err != nil {
		return fmt.Errorf("status %d: %w", answer.StatusCode, err)
	}
	if got := backend.Headers.Get(header); got != want {
		return fmt.Errorf("the backend is told %s: %q, want %q", header, got, want)
	}
	return nil
}

// logged wants a line in the access log for a request on a new connection, of that kind.
func (d *driver) logged(ctx context.Context, file string, kind func(map[string]any) bool) error {
	path := d.path() + "?logged=" + d.name("l")
	if err := d.status(ctx, path, nil, http.StatusOK); err != nil {
		return err
	}
	line, err := d.lineOf(ctx, file, path)
	if err == nil && kind != nil && !kind(line) {
		err = fmt.Errorf("the access log has %v", line)
	}
	return err
}

// notLogged wants no line for a request that went well, and one for an error after it.
func (d *driver) notLogged(ctx context.Context, file string) error {
	good, bad := "/?logged="+d.name("l"), "/?status=500&logged="+d.name("l")
	if err := d.status(ctx, good, nil, http.StatusOK); err != nil {
		return err
	}
	if err := d.status(ctx, bad, nil, http.StatusInternalServerError); err != nil {
		return err
	}
	if _, err := d.lineOf(ctx, file, bad); err != nil {
		return err
	}
	if line, err := lineIn(file, good); err == nil {
		return fmt.Errorf("the access log has %v", line)
	}
	return nil
}

// flushed is how long a line of the access log may take to be in the file.
const flushed = 2 * time.Second

// lineOf waits for the line of a path in the access log.
func (d *driver) lineOf(ctx context.Context, file, path string) (line map[string]any, err error) {
	ctx, cancel := context.WithTimeout(ctx, flushed)
	defer cancel()
	err = d.Await(ctx, func() error {
		line, err = lineIn(file, path)
		return err
	})
	return line, err
}

// lineIn is the line of a path in an access log.
func lineIn(file, path string) (line map[string]any, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for one := range bytes.Lines(text) {
		if json.Unmarshal(one, &line) == nil && line["path"] == path { // the last line may be half written
			return line, nil
		}
		line = nil
	}
	return nil, fmt.Errorf("the access log has no line of %s", path)
}

// write sends a request and reads the whole answer.
func (d *driver) write(c net.Conn, path string) error {
	if _, err := fmt.Fprintf(c, "HEAD %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, d.hosts[0].name); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 4<<10))
	return err
}

// closes wants that Envoy closes a new connection, silent after do, in time.
func (d *driver) closes(ctx context.Context, within time.Duration, do func(net.Conn) error) error {
	conn, _, err := d.newConn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := do(conn); err != nil {
		return err
	}
	conn.SetReadDeadline(time.Now().Add(within))
	_, err = io.Copy(io.Discard, conn)
	return err
}

// toldToLeave wants that a new connection is told to, a request after the other, in 5 s.
func toldToLeave(ctx context.Context, d *driver) error {
	const within, every = 5 * time.Second, 50 * time.Millisecond
	conn, host, err := d.newConn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	dialled := time.Now()
	transport := &http.Transport{MaxConnsPerHost: 1, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for time.Since(dialled) < within {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+host+"/", nil)
		if err != nil {
			return err
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.Close {
			return nil
		}
		<-tick.C
	}
	return fmt.Errorf("not told to leave within %s", within)
}
