//go:build real

package e2e

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/coder/websocket"

	"legation.dev/test/echo"
)

// asking is how a client asks Envoy. The zero one is useful.
type asking struct {
	from    string // its address; empty: 127.0.0.1
	method  string
	headers http.Header
	body    io.Reader
	shows   []tls.Certificate
}

// client is one that believes any certificate, follows no redirect, and has a new connection for
// each request.
func (q *trouble) client(a asking) *http.Client {
	dial := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(a.from)}}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: a.shows},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				to := map[string]string{"80": q.http, "443": q.https}
				_, port, _ := net.SplitHostPort(address)
				return dial.DialContext(ctx, network, "127.0.0.1:"+to[port])
			}},
	}
}

// answer is what Envoy answers, without its body; nil if it does not.
func (q *trouble) answer(a asking, url string) *http.Response {
	q.Helper()
	r, err := http.NewRequestWithContext(q.Context(), a.method, url, a.body)
	if err != nil {
		q.Fatal(err)
	}
	if a.headers != nil {
		r.Header = a.headers
	}
	answer, err := q.client(a).Do(r)
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body) // whether it was cut does not matter here
	return answer
}

// status is what Envoy answers; 0 if it does not.
func (q *trouble) status(url string) int {
	q.Helper()
	if answer := q.answer(asking{}, url); answer != nil {
		return answer.StatusCode
	}
	return 0
}

// wants wants a status.
func (q *trouble) wants(status int, a asking, url string) (answer *http.Response) {
	q.Helper()
	answer = q.answer(a, url)
	if answer == nil || answer.StatusCode != status {
		q.Errorf("%s: %v, want %d", url, answer, status)
		return &http.Response{}
	}
	return answer
}

// answers has a client meet a status. An Envoy's workers are a moment behind.
func answers(status int, url string) func(*trouble) {
	return func(q *trouble) {
		q.until(q.T, url+" is answered as it is", func() bool { return q.status(url) == status })
	}
}

// shows has a client refuse the certificate of a host.
func shows(host, why string) func(*trouble) {
	return func(q *trouble) {
		q.until(q.T, why, func() bool {
			conn, err := tls.Dial("tcp", "127.0.0.1:"+q.https, &tls.Config{ServerName: host})
			if err == nil {
				conn.Close()
			}
			return err != nil && strings.Contains(err.Error(), why)
		})
	}
}

// emptied has the one endpoint of a Service be ready no more.
func (q *trouble) emptied() {
	q.write(q.T, "empty.yaml", service("shop", "empty", "", "port: 80", q.address["slow"], true))
	answers(http.StatusOK, "http://empty.test/")(q)
	q.write(q.T, "empty.yaml", service("shop", "empty", "", "port: 80", q.address["slow"], false))
	answers(http.StatusServiceUnavailable, "http://empty.test/")(q)
}

// from wants who answers.
func (q *trouble) from(backend, url string) {
	q.Helper()
	if got := q.wants(http.StatusOK, asking{}, url).Header.Get(echo.HeaderService); got != backend {
		q.Errorf("%s is answered by %s, want %s", url, got, backend)
	}
}

func (q *trouble) twice() { q.from("web", "http://twice.test/") }

func (q *trouble) owned() { q.from("good", "http://owned.test/") }

func (q *trouble) challenge() {
	q.from("web", "http://fresh.test/.well-known/acme-challenge/TOKEN")
}

func (q *trouble) idle() {
	for range 20 {
		q.from("api", "http://canary.test/")
	}
}

// proxied comes from a proxy that had it by https.
func (q *trouble) proxied() {
	answer := q.wants(http.StatusPermanentRedirect, asking{headers: http.Header{"X-Forwarded-Proto": {"https"}}}, "http://expired.test/")
	if to := answer.Header.Get("Location"); !strings.HasPrefix(to, "https://expired.test") {
		q.Errorf("the client is sent to %q", to)
	}
}

// most is more than a limit of one a minute lets through at once, with its burst.
const most = 30

// rated asks as clients behind one proxy, until one is refused.
func (q *trouble) rated() {
	for i := range most {
		if answer := q.answer(asking{headers: http.Header{"X-Forwarded-For": {"192.0.2." + string(rune('1'+i%9))}}}, "http://rated.test/"); answer != nil && answer.StatusCode == http.StatusServiceUnavailable {
			return
		}
	}
	q.Error("no client is refused")
}

// office asks from one address until that is refused, and then from another.
func (q *trouble) office() {
	refused := false
	for range most {
		answer := q.answer(asking{from: "127.0.0.7"}, "http://office.test/")
		refused = refused || answer != nil && answer.StatusCode == http.StatusServiceUnavailable
	}
	if !refused {
		q.Error("nobody is refused")
	}
	q.wants(http.StatusOK, asking{from: "127.0.0.8"}, "http://office.test/")
}

// unpaired renews a certificate, with the key of another one.
func (q *trouble) unpaired() {
	soon := time.Now().Add(time.Hour)
	before, next := q.serial("unpaired.test"), q.pair("unpaired.test", soon)
	next.key = q.pair("unpaired.test", soon).key
	q.write(q.T, "unpaired.yaml", next.secret("unpaired"))
	q.legation.log.await(q.T, "msg=problem", "shop/unpaired", "tls.key is not the key")
	if now := q.serial("unpaired.test"); now != before {
		q.Errorf("certificate %s is shown, want %s", now, before)
	}
}

// serial is the number of the certificate that a client is shown.
func (q *trouble) serial(host string) string {
	q.Helper()
	conn, err := tls.Dial("tcp", "127.0.0.1:"+q.https, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err != nil {
		q.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// loops follows the redirect to the page of the login.
func (q *trouble) loops() {
	url := "http://login.test/"
	for range 2 {
		url = q.wants(http.StatusFound, asking{}, url).Header.Get("Location")
		if !strings.HasPrefix(url, "http://login.test/oauth2/start") {
			q.Fatalf("the client is sent to %q", url)
		}
	}
}

// chat says nothing on a WebSocket until it ends.
func (q *trouble) chat() {
	c, _, err := websocket.Dial(q.Context(), "ws://chat.test/", &websocket.DialOptions{HTTPClient: q.client(asking{})})
	if err != nil {
		q.Error(err)
		return
	}
	defer c.CloseNow()
	ctx, cancel := context.WithTimeout(q.Context(), hang)
	defer cancel()
	if _, _, err := c.Read(ctx); err == nil || ctx.Err() != nil {
		q.Errorf("the WebSocket does not end: %v", err)
	}
}

// flaps has the one endpoint of a Service be ready, and not, again and again.
func (q *trouble) flaps() {
	for i := range 24 {
		ready, status := i%2 == 0, http.StatusOK
		if !ready {
			status = http.StatusServiceUnavailable
		}
		q.write(q.T, "flapping.yaml", service("shop", "flapping", "", "port: 80", q.address["slow"], ready))
		answers(status, "http://flapping.test/")(q)
	}
}

func (q *trouble) misspoken() { q.wants(http.StatusBadGateway, asking{}, "http://spoken.test/") }

func (q *trouble) cookies() {
	large := http.Header{"Cookie": {strings.Repeat("c", 70<<10)}}
	q.wants(http.StatusRequestHeaderFieldsTooLarge, asking{headers: large}, "https://cookies.test/")
}

func (q *trouble) upload() {
	q.wants(http.StatusRequestEntityTooLarge, asking{method: http.MethodPost, body: strings.NewReader(strings.Repeat("u", 3<<20))}, "http://upload.test/")
}

// partner shows a certificate of another authority.
func (q *trouble) partner() {
	mine := q.shown(q.pair("partner.example", time.Now().Add(time.Hour)))
	q.until(q.T, "clients are asked for certificates", func() bool {
		answer := q.answer(asking{shows: []tls.Certificate{mine}}, "https://partner.test/")
		return answer != nil && answer.StatusCode == http.StatusBadRequest
	})
}

// race has the server close a connection that Envoy keeps for the next request.
func (q *trouble) race() { q.wants(http.StatusOK, asking{}, "http://hasty.test/") }

// overflow asks for more at the same time than may be open and wait.
func (q *trouble) overflow() {
	done := make(chan int)
	const clients = 8
	for range clients {
		go func() { done <- q.status("http://full.test/?delay=200ms") }()
	}
	refused := 0
	for range clients {
		if <-done == http.StatusServiceUnavailable {
			refused++
		}
	}
	if refused == 0 {
		q.Error("nobody is refused")
	}
}

func (q *trouble) changed() {
	q.apiTo(q.T, "web")
	q.await(q.T, "/api", "200 web")
}

func (q *trouble) deleted() {
	if err := os.Remove(filepath.Join(q.folder, "many.yaml")); err != nil {
		q.Fatal(err)
	}
	q.legation.log.await(q.T, "msg=problem", "DeletionHeld")
	answers(http.StatusOK, "http://many-29.test/")(q)
}

// class replaces a part of class.yaml.
func (q *trouble) class(old, by string) {
	q.Helper()
	file := filepath.Join(q.folder, "class.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		q.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		q.Fatalf("class.yaml lacks %q", old)
	}
	q.write(q.T, "class.yaml", strings.Replace(string(text), old, by, 1))
}

func (q *trouble) held() { q.class("\ndata:\n", "\ndata:\n  tcp-keepalive: \"30s\"\n") }

// order is one of an approver.
func (q *trouble) order(what string) {
	q.Helper()
	out, err := exec.CommandContext(q.Context(), binary(q.T), what, "legation", "--reason", "INC-4711", "--by", "anna", "--address", q.xds,
		"--tls", filepath.Join(q.certs.dir, "legation-xds-approver")).CombinedOutput()
	if err != nil {
		q.Fatalf("%v: %s", err, out)
	}
}

func (q *trouble) paused() {
	q.class("  tcp-keepalive: \"30s\"\n", "")
	q.order("pause")
	q.apiTo(q.T, "api")
	q.legation.log.await(q.T, "msg=problem", "KeptBack")
	q.await(q.T, "/api", "200 web")
}

// nack ends the pause and has the listener move to a port that is taken.
func (q *trouble) nack() {
	q.order("resume")
	q.await(q.T, "/api", "200 api")
	var err error
	if q.occupied, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		q.Fatal(err)
	}
	q.Cleanup(func() { q.occupied.Close() })
	_, port, _ := net.SplitHostPort(q.occupied.Addr().String())
	q.class("\n  http-port: \""+q.http+"\"", "\n  http-port: \""+port+"\"\n  closing-changes: apply")
}

// stateless takes the folder away in which what is served is stored, and changes something.
func (q *trouble) stateless() {
	if err := os.RemoveAll(q.state); err != nil {
		q.Fatal(err)
	}
	if err := os.WriteFile(q.state, nil, 0o600); err != nil {
		q.Fatal(err)
	}
	q.apiTo(q.T, "web")
}

func (q *trouble) unclassed() {
	text, err := os.ReadFile(filepath.Join(q.folder, "class.yaml"))
	if err != nil {
		q.Fatal(err)
	}
	_, settings, _ := strings.Cut(string(text), "\n---\n")
	q.write(q.T, "class.yaml", settings)
}

// gone ends the Envoy.
func (q *trouble) gone() {
	if err := q.e.Stop(); err != nil {
		q.Fatal(err)
	}
}

// old starts an Envoy on a node without IPv6, where clients come by both.
func (q *trouble) old() {
	wiring{old: true}.startEnvoy(q.T, q.wired, "--node-id", "old")
	for host, reached := range map[string]bool{"127.0.0.1": true, "::1": false} {
		conn, err := net.Dial("tcp", net.JoinHostPort(host, q.https))
		if err == nil {
			conn.Close()
		}
		if (err == nil) != reached {
			q.Errorf("%s: %v", host, err)
		}
	}
}
