//go:build real

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/test/envoy"
)

// hang bounds what never comes; a test that passes never gets near it.
const hang = 30 * time.Second

// process is a running `legation serve`.
type process struct {
	cmd *exec.Cmd
	log lines
}

// lines is the log, by lines.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // holds a value when there is something new
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(line + "\n")
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// await waits for a line of the log that has all parts.
func (l *lines) await(t *testing.T, parts ...string) {
	t.Helper()
	limit := time.After(hang)
	for !l.has(parts...) {
		select {
		case <-l.more:
		case <-limit:
			t.Fatalf("the log never says %q:\n%s", parts, l.text.String())
		}
	}
}

func (l *lines) has(parts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(line, p)
		}
		if all {
			return true
		}
	}
	return false
}

// binary is what `make build` makes.
func binary(t *testing.T) string {
	t.Helper()
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "bin", "legation")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run `make build`", err)
	}
	return path
}

// serve starts `legation serve`; who calls it ends it.
func serve(t *testing.T, folder, address string, args ...string) *process {
	t.Helper()
	return serveIn(t, "", folder, address, args...)
}

// serveIn is serve in a folder, which names that of the manifests from there.
func serveIn(t *testing.T, dir, folder, address string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary(t), append([]string{"serve", "--source", "dir:" + folder, "--listen", address, "--admin="}, args...)...), log: lines{more: make(chan struct{}, 1)}}
	p.cmd.Dir, p.cmd.SysProcAttr = dir, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.log.add(s.Text())
		}
	}()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it fails if the process has ended
	return p
}

// end sends SIGTERM and wants exit status 0.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("legation serve ended with %v", err)
	}
}

// freePort is a port that nobody has just now.
func freePort(t *testing.T) string {
	t.Helper()
	return strconv.Itoa(envoy.FreePort(t))
}

// shop is a copy of the example with backends of its own.
type shop struct {
	folder, http string // the folder, the port of the http listener
	https        string // the port of the https listener
	manifest     string // the text of shop.yaml
}

func newShop(t *testing.T) shop {
	t.Helper()
	s := shop{folder: t.TempDir(), http: freePort(t), https: freePort(t)}
	ports := []string{"10080", s.http, "10443", s.https}
	for service, port := range map[string]string{"web": "8081", "api": "8082"} {
		b, err := echo.Start(service, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Kill)
		ports = append(ports, port, fmt.Sprint(b.Addr().Port()))
	}
	for _, name := range []string{"class.yaml", "shop.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "examples", "shop", name))
		if err != nil {
			t.Fatal(err)
		}
		s.manifest = strings.NewReplacer(ports...).Replace(string(text))
		s.write(t, name, s.manifest)
	}
	return s
}

func (s shop) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ask asks Envoy and says who answered.
func (s shop) ask(ctx context.Context, path string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+s.http+path, nil)
	if err != nil {
		return "", err
	}
	r.Host = "shop.localhost"
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return "", err
	}
	return fmt.Sprint(answer.StatusCode, " ", answer.Header.Get(echo.HeaderService)), nil
}

// await asks until the answer is as wanted: an Envoy's workers are a moment
// behind what it has acknowledged.
func (s shop) await(t *testing.T, path, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	for {
		got, err := s.ask(ctx, path)
		if got == want {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s is answered %q (%v), want %q", path, got, err, want)
		}
	}
}

// bootstrapOf is what `legation bootstrap` prints.
func bootstrapOf(t *testing.T, args ...string) []byte {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), binary(t), append([]string{"bootstrap", "--health", "off", "--metrics", "off"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// startEnvoy starts an Envoy from `legation bootstrap`.
func startEnvoy(t *testing.T, args ...string) *envoy.Envoy {
	t.Helper()
	e, err := envoy.Start(t.Context(), envoy.Options{Bootstrap: bootstrapOf(t, args...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestServe is what the README tells a newcomer to do.
func TestServe(t *testing.T) {
	s, xds := newShop(t), "127.0.0.1:"+freePort(t)
	legation := serve(t, s.folder, xds)
	e := startEnvoy(t, "--xds", xds, "--node-id", "e2e")
	if err := e.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.await(t, "/", "200 web")
	s.await(t, "/api", "200 api")

	s.write(t, "shop.yaml", strings.Replace(s.manifest, "{name: api, port: {number: 80}}", "{name: web, port: {number: 80}}", 1))
	s.await(t, "/api", "200 web")

	s.write(t, "shop.yaml", strings.Replace(s.manifest, "rules:", "ruels:", 1))
	legation.log.await(t, "msg=problem", "Ingress shop/shop", "shop.yaml:8", "spec.ruels", "unknown field")
	s.write(t, "shop.yaml", s.manifest)
	legation.log.await(t, "problem solved", "spec.ruels")
	s.await(t, "/api", "200 api")

	legation.end(t)
	s.await(t, "/", "200 web") // Envoy goes on with what it has
	legation = serve(t, s.folder, xds)
	s.write(t, "shop.yaml", strings.Replace(s.manifest, "{name: api, port: {number: 80}}", "{name: web, port: {number: 80}}", 1))
	s.await(t, "/api", "200 web")
	legation.end(t)
}

// TestUnknownClass: an Envoy of a class that nobody serves waits, and is shown.
func TestUnknownClass(t *testing.T) {
	s, xds := newShop(t), "127.0.0.1:"+freePort(t)
	legation := serve(t, s.folder, xds)
	e := startEnvoy(t, "--xds", xds, "--class", "nobody", "--node-id", "stranger")
	legation.log.await(t, "stranger", "nobody")
	if e.Ready(t.Context()) {
		t.Error("an Envoy without configuration is ready")
	}
	legation.end(t)
}

// TestTwoClasses: one process serves two fleets, and each Envoy only its own.
func TestTwoClasses(t *testing.T) {
	s, xds := newShop(t), "127.0.0.1:"+freePort(t)
	inner := shop{http: freePort(t)}
	text := strings.NewReplacer("name: legation\n", "name: inner\n", "is-default-class: \"true\"", "is-default-class: \"false\"",
		`"`+s.http+`"`, `"`+inner.http+`"`)
	class, err := os.ReadFile(filepath.Join(s.folder, "class.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	class = []byte(text.Replace(string(class)))
	class = regexp.MustCompile(`https-port: "\d+"`).ReplaceAll(class, []byte(`https-port: "`+freePort(t)+`"`))
	s.write(t, "inner-class.yaml", string(class))
	s.write(t, "inner.yaml", strings.NewReplacer("  name: shop\n", "  name: inner\n", "spec:\n  rules", "spec:\n  ingressClassName: inner\n  rules",
		"name: web, port: {name: http}", "name: api, port: {number: 80}").Replace(firstDocument(s.manifest)))
	legation := serve(t, s.folder, xds)
	for _, class := range []string{"legation", "inner"} {
		e := startEnvoy(t, "--xds", xds, "--class", class, "--node-id", class)
		if err := e.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.await(t, "/", "200 web")
	inner.await(t, "/", "200 api")
	legation.end(t)
}

// firstDocument is the first document of a file, the Ingress.
func firstDocument(text string) string {
	first, _, _ := strings.Cut(text, "\n---\n")
	return first + "\n"
}
