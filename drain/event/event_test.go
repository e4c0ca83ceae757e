package event

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"legation.dev/drain"
	"legation.dev/drain/admin"
	"legation.dev/drain/api"
)

var (
	pod = Pod{Namespace: "edge", Name: "envoy-x2x4z", UID: "1234"}
	at  = time.Date(2026, 11, 29, 3, 2, 1, 0, time.UTC)
)

// TestNote: what people read says how a drain ended, and is a warning if somebody lost
// something, or may have.
func TestNote(t *testing.T) {
	for _, c := range []struct {
		report drain.Report
		kind   string
		note   string
	}{
		{drain.Report{Reason: drain.ReasonDone, Seconds: 5.31, RequestsFinished: 7, ClosedGracefully: 3, Known: true}, normal,
			"Envoy was drained for 5.3 s, until nothing was left that is waited for. Finished requests: 7, connections closed in order: 3. Cut requests: 0, WebSockets: 0, answers: 0."},
		{drain.Report{Reason: drain.ReasonDeadline, Seconds: 27, RequestsCut: 2, UpgradesCut: 1, Known: true, CutFromOthers: 1,
			CutFrom: []admin.Upstream{{Cluster: "shop/web/80", Address: "10.0.0.7:8080", Requests: 1}, {Cluster: "shop/api/80", Address: "10.0.0.8:8080", Requests: 1}}}, Warning,
			"Envoy was drained for 27.0 s, until the deadline was over. Finished requests: 0, connections closed in order: 0. Cut requests: 2, WebSockets: 1, answers: 0; they were at shop/web/80 10.0.0.7:8080 (1), shop/api/80 10.0.0.8:8080 (1), and at others (1)."},
		{drain.Report{Reason: drain.ReasonDone, AnswersCut: 1, Known: true}, Warning,
			"Envoy was drained for 0.0 s, until nothing was left that is waited for. Finished requests: 0, connections closed in order: 0. Cut requests: 0, WebSockets: 0, answers: 1."},
		{drain.Report{Reason: drain.ReasonEnvoyGone, Known: true}, Warning,
			"Envoy was drained for 0.0 s, until Envoy ended by itself. Finished requests: 0, connections closed in order: 0. Cut requests: 0, WebSockets: 0, answers: 0."},
		{drain.Report{Reason: drain.ReasonDeadline, Unread: 9}, Warning, "Envoy was drained for 0.0 s, until the deadline was over. Its statistics could not be read: what was active is unknown."},
		{drain.Report{Reason: drain.ReasonUnserved}, normal, "Envoy was drained for 0.0 s, until no client was ever served. Its statistics could not be read: what was active is unknown."},
	} {
		e, err := Of(pod, c.report, at)
		if err != nil || e.Type != c.kind || e.Note != c.note {
			t.Errorf("%+v is %s: %s (%v), want %s: %s", c.report, e.Type, e.Note, err, c.kind, c.note)
		}
		var back drain.Report
		if err := json.Unmarshal([]byte(e.Metadata.Annotations[Annotation]), &back); err != nil || !reflect.DeepEqual(back, c.report) {
			t.Errorf("the report became %+v, %v", back, err)
		}
	}
}

// TestParsePod: what is no pod is refused at the start.
func TestParsePod(t *testing.T) {
	if p, err := ParsePod("edge/envoy-x2x4z/1234"); err != nil || p != pod {
		t.Errorf("%+v, %v", p, err)
	}
	for _, text := range []string{"", "a", "a/b", "a/b/", "/b/c", "a//c", "a/b/c/d"} {
		if p, err := ParsePod(text); err == nil {
			t.Errorf("%q is %+v", text, p)
		}
	}
}

// server answers each try with the next of some statuses, the last one again and again; 0 is
// no answer at all.
func server(t *testing.T, statuses ...int) (c *api.Client, tries *[]string) {
	t.Helper()
	tries = &[]string{}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*tries = append(*tries, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization")+" "+r.Header.Get("Content-Type")+" "+string(body))
		status := statuses[0]
		if len(statuses) > 1 {
			statuses = statuses[1:]
		}
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		http.Error(w, strings.Repeat("x", 1<<20), status)
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	for name, text := range map[string]string{"token": "secret\n", "ca.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &api.Client{URL: s.URL, Credentials: dir}, tries
}

// TestWrite: an Event is written where its pod is, tried again where that may help, and one
// that is there already was written by a try whose answer was lost.
func TestWrite(t *testing.T) {
	e, err := Of(pod, drain.Report{Reason: drain.ReasonDone, Known: true}, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		statuses []int
		tries    int
		says     string // empty: it is written
	}{
		{[]int{201}, 1, ""},
		{[]int{503, 0, 429, 201}, 4, ""},
		{[]int{0, 409}, 2, ""},
		{[]int{403}, 1, "403"},
		{[]int{307}, 1, "307"},
		{[]int{422}, 1, "422"},
	} {
		client, tries := server(t, c.statuses...)
		err := Write(t.Context(), client, e)
		if (err == nil) != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || len(err.Error()) > 300) {
			t.Errorf("%v: %.400v", c.statuses, err)
		}
		if len(*tries) != c.tries {
			t.Errorf("%v: %d tries, want %d", c.statuses, len(*tries), c.tries)
		}
		const want = `POST /apis/events.k8s.io/v1/namespaces/edge/events Bearer secret application/json {"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"namespace":"edge","name":"envoy-x2x4z.drained-`
		if !strings.HasPrefix((*tries)[0], want) {
			t.Errorf("asked %s, want %s", (*tries)[0], want)
		}
	}
}

// TestWriteEnds: an API server that refuses for now, or does not answer, is not asked for
// longer than there is time.
func TestWriteEnds(t *testing.T) {
	e, _ := Of(pod, drain.Report{}, at)
	client, _ := server(t, 503)
	ctx, cancel := context.WithTimeout(t.Context(), 3*pause)
	defer cancel()
	if err := Write(ctx, client, e); err == nil {
		t.Error("it is written")
	}
	asked, release := make(chan struct{}), make(chan struct{})
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(asked); <-release }))
	defer s.Close()
	defer close(release)
	if err := os.WriteFile(filepath.Join(client.Credentials, "ca.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	client.URL = s.URL
	ctx, cancel = context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if err := Write(ctx, client, e); err == nil {
		t.Error("it is written")
	}
}

// FuzzEvent: whatever a report has, the Event of it is one that the API takes.
func FuzzEvent(f *testing.F) {
	f.Add("done", "shop/web/80", "10.0.0.7:8080", "envoy-x2x4z", uint64(3), 27.0)
	f.Add("\xcc", "\x80", "0000", "0", uint64(3), 27.0) // no text, and one beside the other
	f.Add("", strings.Repeat("ä", 700), "", strings.Repeat("a.", 200), uint64(1<<63), -1.0)
	f.Fuzz(func(t *testing.T, reason, cluster, address, name string, n uint64, seconds float64) {
		r := drain.Report{Reason: reason, Seconds: seconds, RequestsCut: n, Known: true, CutFrom: []admin.Upstream{{Cluster: cluster, Address: address, Requests: n}}}
		e, err := Of(Pod{"edge", name, "1"}, r, at)
		if err != nil {
			return // a number that JSON has not
		}
		if len(e.Note) > maxNote || len(e.Metadata.Name) > maxName || len(e.ReportingInstance) > maxInstance || !utf8.ValidString(e.Note) {
			t.Errorf("%+v", e)
		}
	})
}
