//go:build real

package edge

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"legation.dev/authz"
	"legation.dev/test/echo"
	"legation.dev/translator/input"
)

// password is that of all users.
const password = "open sesame"

// htpasswd are lines as its tools write them, each for password.
const htpasswd = `# staff
apr:$apr1$abcdefgh$T64oOxnD8c28.dQa.2Lty1
md5:$1$abcdefgh$9qMkHazuSy1Q8myEum7yb/
sha:{SHA}W8r/fyL/UzygmbNAjq2HbA67qac=
five:$5$abcdefgh$FWXdh6oXOJQkX7oAcP02d0Gnxjct6ra8Fwv29U9RIN2
six:$6$abcdefgh$CkjGkP7IIgZVUCNlt.Vi53LOYJLXZ5KzdpzEYCj01XGruA1hxZYJqccTU2zz68oJwAGsd1iPty5F7dHIatUTy/
bcrypt:$2a$05$xCtOoIb4iitrYsres1rALe8.ys1v395If4Q5o/0UEYbSprzAAHRNC
plain:open sesame
empty:$6$abcdefgh$
`

// authorized starts an authorization server.
func (w *suite) authorized(t *testing.T) {
	t.Helper()
	w.authz = filepath.Join(t.TempDir(), "authz.sock")
	w.answering(t, func(ctx context.Context, l net.Listener) error {
		return authz.New(authz.Config{Local: true}).Serve(ctx, l)
	})
}

// answering has something answer at the socket of the authorization server, and returns
// what ends it.
func (w *suite) answering(t *testing.T, serve func(context.Context, net.Listener) error) {
	t.Helper()
	l, err := net.Listen("unix", w.authz)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// passwords puts a Secret of passwords.
func (w *suite) passwords(name, text string) {
	w.put(input.Seal(&input.Secret{Meta: meta(name), Passwords: []byte(text)}))
}

// as asks for a host as somebody.
func (w *suite) as(t *testing.T, method, host, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	return ask(t, w.http, method+get(host, path, headers...)[len("GET"):])
}

// TestAuthService: what the service of auth-url is told, and what becomes of its answers.
func TestAuthService(t *testing.T) {
	w := newSuite(t)
	w.authorized(t)
	w.echo(t, "web", "")
	var asked atomic.Pointer[http.Request]
	service := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked.Store(r)
		status := 401
		fmt.Sscan(r.Header.Get("X-Want"), &status)
		rw.Header().Set("X-User", r.Header.Get("X-Who"))
		rw.Header().Add("Set-Cookie", "a=1")
		rw.Header().Add("Set-Cookie", "b=2")
		rw.Header().Set("WWW-Authenticate", "Bearer")
		rw.Header().Set("Location", "http://elsewhere.test")
		rw.WriteHeader(status)
	}))
	t.Cleanup(service.Close)
	settings := map[string]string{"auth-url": service.URL + "/check?h={host}&u={uri-escaped}", "auth-response-headers": "X-User", "auth-method": "POST"}
	w.annotated("asked", "asked.test", false, settings, route{"/", input.PathPrefix, "web"})
	w.annotated("signin", "signin.test", false, map[string]string{"auth-url": service.URL, "auth-signin": "https://login.test/start?a=b", "auth-signin-redirect-param": "back"}, route{"/", input.PathPrefix, "web"})
	w.start(t)
	for _, c := range []struct {
		host, want string
		status     int
		location   string
	}{
		{"asked.test", "200", 200, ""}, {"asked.test", "202", 200, ""}, {"asked.test", "204", 200, ""}, {"asked.test", "299", 200, ""},
		{"asked.test", "401", 401, ""}, {"asked.test", "403", 403, ""}, {"asked.test", "302", 500, ""}, {"asked.test", "404", 500, ""}, {"asked.test", "503", 500, ""},
		{"signin.test", "401", 302, "https://login.test/start?a=b&back=http://signin.test%2Fx%3Fa%3D%2520b%26c"}, {"signin.test", "403", 403, ""}, {"signin.test", "200", 200, ""},
	} {
		resp, body := w.as(t, "PUT", c.host, "/x?a=%20b&c", "X-Want: "+c.want, "X-Who: ann", "X-User: forged", "X-Legation-Rule: {}", "Content-Length: 0")
		if resp.StatusCode != c.status || resp.Header.Get("Location") != c.location {
			t.Errorf("%s, when the service says %s: %d %q, want %d %q", c.host, c.want, resp.StatusCode, resp.Header.Get("Location"), c.status, c.location)
		}
		if resp.StatusCode == 200 && c.host == "asked.test" {
			if got := seen(t, body).Headers.Values("X-User"); len(got) != 1 || got[0] != "ann" {
				t.Errorf("the backend was told that the user is %q", got)
			}
		}
		if cookies := resp.Header.Values("Set-Cookie"); (len(cookies) == 2) != (c.status == 200 || c.status == 302) {
			t.Errorf("%s, %s: cookies %q", c.host, c.want, cookies)
		}
	}
	if resp, _ := w.as(t, "GET", "asked.test", "/ws", "X-Want: 403", "Connection: Upgrade", "Upgrade: websocket"); resp.StatusCode != 403 {
		t.Errorf("an upgrade: %d", resp.StatusCode)
	}
	_, body := w.as(t, "GET", "asked.test", "/", "X-Want: 200", "X-User: forged")
	if got := seen(t, body).Headers.Values("X-User"); len(got) != 0 {
		t.Errorf("the service said no user, and the backend was told %q", got)
	}
	w.as(t, "DELETE", "asked.test", "/100%?a=%20b", "X-Want: 200", "Cookie: k=v") // which the backend refuses
	q := asked.Load()
	got := fmt.Sprint(q.Method, " ", q.URL, " ", q.Host, " ", q.Header.Get("X-Original-URL"), " ", q.Header.Get("X-Original-Method"), " ", q.Header.Get("Cookie"), " ", q.ContentLength, " ", q.Header.Get("X-Real-IP"), " ", q.Header.Get("X-Legation-Rule"))
	if want := "POST /check?h=asked.test&u=%2F100%25%3Fa%3D%2520b 127.0.0.1 http://asked.test/100%?a=%20b DELETE k=v 0 127.0.0.1 "; got != want {
		t.Errorf("the service was asked\n%s, want\n%s", got, want)
	}
}

// TestPasswords: each kind of hash lets its password in and no other, and the backend
// never sees it. Without a Secret nobody comes.
func TestPasswords(t *testing.T) {
	w := newSuite(t)
	w.authorized(t)
	w.echo(t, "web", "")
	w.passwords("users", htpasswd)
	w.annotated("basic", "basic.test", false, map[string]string{"auth-type": "basic", "auth-secret": "users", "auth-realm": `The "staff"`}, route{"/", input.PathPrefix, "web"})
	w.annotated("lost", "lost.test", false, map[string]string{"auth-type": "basic", "auth-secret": "others"}, route{"/", input.PathPrefix, "web"})
	w.annotated("wrong", "wrong.test", false, map[string]string{"auth-type": "digest", "auth-secret": "users"}, route{"/", input.PathPrefix, "web"})
	w.start(t)
	login := func(name, password string) *http.Response {
		r, _ := http.NewRequest("GET", "http://basic.test/", nil)
		r.SetBasicAuth(name, password)
		resp, body := w.as(t, "GET", "basic.test", "/", "Authorization: "+r.Header.Get("Authorization"))
		if resp.StatusCode == 200 && seen(t, body).Headers.Get("Authorization") != "" {
			t.Errorf("%s: the backend was told the password", name)
		}
		return resp
	}
	for _, name := range []string{"apr", "md5", "sha", "five", "six", "bcrypt"} {
		for range 2 {
			if got := login(name, password).StatusCode; got != 200 {
				t.Errorf("%s: %d with its password", name, got)
			}
		}
		for _, wrong := range []string{"", password + " ", "open"} {
			if got := login(name, wrong).StatusCode; got != 401 {
				t.Errorf("%s: %d with password %q", name, got, wrong)
			}
		}
	}
	for _, name := range []string{"plain", "empty", "", "nobody", "# staff"} {
		if resp := login(name, password); resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != `Basic realm="The \"staff\""` {
			t.Errorf("%q: %d %q", name, resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
		}
	}
	w.want(t, "without a Secret", get("lost.test", "/"), 503, "")
	w.want(t, "with a type that is not known", get("wrong.test", "/"), 503, "")
	if resp, _ := w.as(t, "GET", "basic.test", "/", "Connection: Upgrade", "Upgrade: websocket"); resp.StatusCode != 401 {
		t.Errorf("an upgrade without a password: %d", resp.StatusCode)
	}
}

// TestSatisfy: with "any", an address or a password or a service is enough.
func TestSatisfy(t *testing.T) {
	w := newSuite(t)
	w.authorized(t)
	w.echo(t, "web", "")
	w.passwords("users", htpasswd)
	service := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Let") == "" {
			rw.WriteHeader(401)
		}
	}))
	t.Cleanup(service.Close)
	for host, settings := range map[string]map[string]string{
		"any":   {"satisfy": "any", "allowed-addresses": "127.0.0.9", "auth-type": "basic", "auth-secret": "users", "auth-url": service.URL},
		"all":   {"satisfy": "all", "allowed-addresses": "127.0.0.9", "auth-type": "basic", "auth-secret": "users", "auth-url": service.URL},
		"alone": {"satisfy": "any", "allowed-addresses": "127.0.0.9"},
	} {
		w.annotated(host, host+".test", false, settings, route{"/", input.PathPrefix, "web"})
	}
	w.start(t)
	basic := "Authorization: Basic c2hhOm9wZW4gc2VzYW1l" // sha:open sesame
	for _, c := range []struct {
		host, from string
		headers    []string
		status     int
	}{
		{"any", "127.0.0.9", nil, 200}, {"any", "127.0.0.1", nil, 401}, {"any", "127.0.0.1", []string{basic}, 200}, {"any", "127.0.0.1", []string{"X-Let: me"}, 200},
		{"all", "127.0.0.9", nil, 401}, {"all", "127.0.0.1", []string{basic, "X-Let: me"}, 403}, {"all", "127.0.0.9", []string{basic}, 401},
		{"all", "127.0.0.9", []string{"X-Let: me"}, 401}, {"all", "127.0.0.9", []string{basic, "X-Let: me"}, 200},
		{"alone", "127.0.0.9", nil, 200}, {"alone", "127.0.0.1", []string{basic}, 403},
	} {
		if resp, _ := askFrom(t, c.from, w.http, get(c.host+".test", "/", c.headers...)); resp.StatusCode != c.status {
			t.Errorf("%s from %s with %q: %d, want %d", c.host, c.from, c.headers, resp.StatusCode, c.status)
		}
	}
}

// faults are what an authorization server, or a service, must not do.
var faults = []string{
	"", "\x00\xff\r\n", "HTTP/1.1 ", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 999 x\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 302 x\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 404 x\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}

// faulty answers each connection with the next fault, and hangs up.
func faulty(l net.Listener) {
	for i := 0; ; i++ {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Read(make([]byte, 64<<10))
		io.WriteString(c, faults[i%len(faults)])
		c.Close()
	}
}

// TestAuthFailsClosed: of 10,000 requests, none is let through when the authorization
// server or the service fails in each way, or is gone.
func TestAuthFailsClosed(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	w.passwords("users", htpasswd)
	broken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go faulty(broken)
	t.Cleanup(func() { broken.Close() })
	for host, settings := range map[string]map[string]string{
		"basic": {"auth-type": "basic", "auth-secret": "users"}, "url": {"auth-url": "http://" + broken.Addr().String() + "/"},
		"gone": {"auth-url": "http://127.0.0.1:1/"}, "any": {"auth-url": "http://" + broken.Addr().String(), "satisfy": "any", "denied-addresses": "127.0.0.0/8"},
	} {
		w.annotated(host, host+".test", false, settings, route{"/", input.PathPrefix, "web"})
	}
	w.authz = filepath.Join(t.TempDir(), "authz.sock")
	w.start(t)
	w.hammer(t, "no authorization server", 2000, "basic", "url", "any")
	l, err := net.Listen("unix", w.authz)
	if err != nil {
		t.Fatal(err)
	}
	go faulty(l)
	w.hammer(t, "a faulty authorization server", 4000, "basic", "url", "any")
	l.Close()
	w.answering(t, func(ctx context.Context, l net.Listener) error {
		return authz.New(authz.Config{Local: true}).Serve(ctx, l)
	})
	w.hammer(t, "a faulty service", 4000, "url", "gone", "any")
}

// hammer asks hosts in turn, from several clients.
func (w *suite) hammer(t *testing.T, why string, count int, hosts ...string) {
	t.Helper()
	var asked atomic.Int64
	var clients sync.WaitGroup
	told := tally{times: map[int]int{}}
	for range 4 {
		clients.Go(func() {
			for n := asked.Add(1); n <= int64(count); n = asked.Add(1) {
				r, _ := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d/", w.http), nil)
				r.Host = hosts[int(n)%len(hosts)] + ".test"
				resp, err := http.DefaultTransport.RoundTrip(r)
				if err != nil { // a status that is none: no yes either
					told.add(0)
					continue
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				told.add(resp.StatusCode)
				if service := resp.Header.Get(echo.HeaderService); service != "" || resp.StatusCode < 300 {
					t.Errorf("%s: %s got %d of Service %q", why, r.Host, resp.StatusCode, service)
				}
			}
		})
	}
	clients.Wait()
	t.Logf("%s: %v", why, told.times)
}

// tally counts statuses.
type tally struct {
	mu    sync.Mutex
	times map[int]int
}

func (c *tally) add(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times[status]++
}
