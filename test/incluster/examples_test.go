//go:build real

package incluster

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	appsv1 "k8s.io/api/apps/v1"

	"legation.dev/test/echo"
	"legation.dev/test/envoy"
	"legation.dev/test/fixture"
	"legation.dev/test/inprocess"
	"legation.dev/test/kube"
)

// promise is a line of an example's README: a command, and what it shows.
type promise struct {
	line  string
	url   string
	http2 bool   // without TLS
	class string // of the Envoy that is asked
	want  string // status, Service, protocol of the backend; as many as it has
}

// promises are those of a README: `curl URL # 200 web`, with the flags of curl that
// the examples use, and websocat.
func promises(t *testing.T, path string) (list []promise) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		command, want, ok := strings.Cut(lines.Text(), "# ")
		words := strings.Fields(command)
		if !ok || len(words) == 0 || words[0] != "curl" && words[0] != "websocat" {
			continue
		}
		p := promise{line: lines.Text(), class: Class, url: words[len(words)-1], want: want}
		for i := 1; i < len(words)-1; i++ {
			switch words[i] {
			case "--cacert": // the test has a CA of its own
				i++
			case "--http2-prior-knowledge":
				p.http2 = true
			case "--connect-to":
				i++
				p.class = strings.ToLower(strings.TrimPrefix(words[i], "::"))
				p.want = strings.TrimPrefix(p.want, p.class+": ")
			default:
				t.Fatalf("%s: the test does not know %s", p.line, words[i])
			}
		}
		list = append(list, p)
	}
	return list
}

// client asks the Envoy of a Stack, whatever host an URL has.
func (p promise) client(s *Stack, roots *x509.CertPool) *http.Client {
	e, protocols := s.Envoys[0], new(http.Protocols)
	protocols.SetHTTP1(!p.http2)
	protocols.SetUnencryptedHTTP2(p.http2)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		to := e.HTTP
		if _, port, _ := net.SplitHostPort(address); port == "443" {
			to = e.HTTPS
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, Protocols: protocols, TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// shown is what the command shows: "200 web HTTP/1.1".
func (p promise) shown(ctx context.Context, c *http.Client) (string, error) {
	if strings.HasPrefix(p.url, "ws") {
		conn, answer, err := websocket.Dial(ctx, p.url, &websocket.DialOptions{HTTPClient: c})
		if err != nil {
			return "", err
		}
		defer conn.CloseNow()
		return fmt.Sprintf("%d %s", answer.StatusCode, answer.Header.Get(echo.HeaderService)), nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return "", err
	}
	answer, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Sprint(answer.StatusCode), nil
	}
	var body echo.Answer
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s %s", answer.StatusCode, body.Service, body.Proto), nil
}

// await wants what the README promises, of an Envoy whose workers may be a moment
// behind.
func (p promise) await(ctx context.Context, t *testing.T, s *Stack, roots *x509.CertPool) {
	t.Helper()
	c := p.client(s, roots)
	err := inprocess.Await(ctx, func() error {
		got, err := p.shown(ctx, c)
		if words := strings.Fields(p.want); err == nil && !slices.Equal(strings.Fields(got)[:min(len(words), len(strings.Fields(got)))], words) {
			err = fmt.Errorf("got %q", got)
		}
		return err
	})
	if err != nil {
		t.Errorf("%s: %v", p.line, err)
	}
}

// TestExamples: each example of examples/ is taken by the API server, and answers
// what its README promises.
func TestExamples(t *testing.T) {
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "examples", "*", "README.md"))
	if err != nil || len(files) < 6 {
		t.Fatalf("there are %d examples, %v", len(files), err)
	}
	for _, file := range files {
		folder := filepath.Dir(file)
		t.Run(filepath.Base(folder), func(t *testing.T) { example(t, folder) })
	}
}

func example(t *testing.T, folder string) {
	t.Helper()
	list := promises(t, filepath.Join(folder, "README.md"))
	if len(list) == 0 {
		t.Fatal("its README promises nothing")
	}
	stacks := map[string]*Stack{}
	var ctx context.Context
	for _, p := range list {
		if stacks[p.class] == nil {
			ctx, stacks[p.class] = start(t, Options{Class: p.class})
		}
	}
	objects, err := kube.Manifests(filepath.Join(folder, "manifests.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := fixture.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(folder) == "tls" {
		secret, err := fixture.New("tls", 0).Secret(authority, "secure", "secure.example.com", "*.secure.example.com")
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, secret)
	}
	if err := k.Apply(ctx, objects...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Delete(context.WithoutCancel(ctx), objects[1:]...); err != nil { // the namespace is long in going
			t.Error(err)
		}
	})
	for _, o := range objects {
		if d, ok := o.(*appsv1.Deployment); ok {
			if err := k.AwaitServed(ctx, d); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range stacks {
		settle(ctx, t, s)
	}
	for _, p := range list {
		p.await(ctx, t, stacks[p.class], authority.Roots())
	}
}
