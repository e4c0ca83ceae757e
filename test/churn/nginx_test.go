//go:build real

package churn

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/fixture"
	"legation.dev/test/inprocess"
	"legation.dev/test/load"
)

// nginx is a running nginx with the hosts of a suite. What it does not do for
// Legation is on purpose: it is set up as ingress-nginx sets up its own.
type nginx struct {
	*suite
	dir string
	cmd *exec.Cmd
}

// TestNginx measures nginx under the load of TestChurn, with a path moved for
// each of some hosts and a reload every second. It is a measurement: what it
// finds is printed, and only a set-up that does not work fails.
func TestNginx(t *testing.T) {
	if !*withNginx {
		t.Skip("not asked for: -nginx, or `make bench-nginx`")
	}
	n := startNginx(t, 40)
	clients := n.clients(150*time.Millisecond, 100, 20, 50)
	for i, c := range clients {
		if c.Kind == load.HTTP2 && c.TLS == nil { // nginx has no HTTP/2 beside HTTP/1.1 without TLS
			clients[i] = n.client(load.HTTP2, i*2+1, c.Every, n.authority.Roots())
		}
	}
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	l := load.Start(ctx, clients...)
	<-l.Ready()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range *reloads {
		<-tick.C
		n.move(10)
		n.reload()
	}
	<-tick.C
	cancel()
	r := l.Wait()
	t.Logf("%d reloads: %s", *reloads, r)
	t.Logf("%.2f %% of the requests failed", 100*float64(r.Failed)/float64(r.Requests))
}

func startNginx(t *testing.T, hosts int) *nginx {
	t.Helper()
	w := &suite{t: t, ctx: t.Context(), timeline: &load.Timeline{}, rng: rand.New(rand.NewPCG(seed(t), 0)),
		backends: fixture.New(namespace, 15_000_000), Stack: &inprocess.Stack{HTTP: "127.0.0.1:18480", HTTPS: "127.0.0.1:18443"}}
	t.Cleanup(w.backends.Close)
	var err error
	if w.authority, err = fixture.NewAuthority(); err != nil {
		t.Fatal(err)
	}
	n := &nginx{suite: w, dir: t.TempDir()}
	for i := range hosts {
		w.newHost(fmt.Sprintf("h%d.test", i), i >= hosts/2)
		n.certificateFiles(w.hosts[i])
	}
	n.write()
	binary, err := filepath.Abs(cmp.Or(os.Getenv("NGINX"), filepath.Join("..", "..", ".tools", "nginx")))
	if err != nil {
		t.Fatal(err)
	}
	n.cmd = exec.Command(binary, "-p", n.dir, "-c", filepath.Join(n.dir, "nginx.conf"), "-e", filepath.Join(n.dir, "error.log"))
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := n.cmd.Start(); err != nil {
		t.Fatalf("%v: run `make bench-nginx`, or set NGINX", err)
	}
	t.Cleanup(func() {
		n.cmd.Process.Signal(syscall.SIGTERM)
		n.cmd.Wait()
	})
	return n
}

func (n *nginx) certificateFiles(h *host) {
	if h.secret == "" {
		return
	}
	secret := n.certificate(h)
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		if err := os.WriteFile(filepath.Join(n.dir, h.name+"-"+key), secret.Data[key], 0o600); err != nil {
			n.t.Fatal(err)
		}
	}
}

// move leads a path of some hosts to a new Service. The old pods stay: nginx's
// old workers use them until their connections end.
func (n *nginx) move(hosts int) {
	for range hosts {
		h, path := n.hosts[n.rng.IntN(len(n.hosts))], paths[n.rng.IntN(len(paths))]
		var objects []fixture.Object
		h.services[path] = n.service(&objects)
		n.timeline.Allow(h.name, path, answerOf(h.services[path]))
	}
}

func (n *nginx) reload() {
	n.write()
	if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		n.t.Fatal(err)
	}
}

// write writes nginx.conf.
func (n *nginx) write() {
	var b strings.Builder
	fmt.Fprintf(&b, nginxHead, n.dir)
	for _, h := range n.hosts {
		n.server(&b, h)
	}
	b.WriteString("}\n")
	if err := os.WriteFile(filepath.Join(n.dir, "nginx.conf"), []byte(b.String()), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// nginxHead has keep-alive and the time that old workers get as ingress-nginx
// has them by default.
const nginxHead = `
daemon off;
user root;
worker_processes 2;
worker_shutdown_timeout 240s;
pid %[1]s/nginx.pid;
events { worker_connections 16384; }
http {
  access_log off;
  keepalive_timeout 75s;
  keepalive_requests 1000;
  client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  proxy_http_version 1.1;
  proxy_set_header Host $host;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_upgrade;
`

func (n *nginx) server(b *strings.Builder, h *host) {
	for _, path := range paths {
		_, slice := n.backends.Objects(h.services[path])
		fmt.Fprintf(b, "  upstream %s {\n    keepalive 320;\n", h.services[path])
		for _, e := range slice.Endpoints {
			fmt.Fprintf(b, "    server %s:%d;\n", e.Addresses[0], fixture.Port)
		}
		b.WriteString("  }\n")
	}
	if h.secret == "" {
		fmt.Fprintf(b, "  server {\n    listen %s;\n", n.HTTP)
	} else {
		fmt.Fprintf(b, "  server {\n    listen %s ssl http2;\n    ssl_certificate %s;\n    ssl_certificate_key %s;\n", n.HTTPS,
			h.name+"-"+corev1.TLSCertKey, h.name+"-"+corev1.TLSPrivateKeyKey)
	}
	fmt.Fprintf(b, "    server_name %s;\n", h.name)
	for _, path := range paths {
		fmt.Fprintf(b, "    location %s { proxy_pass http://%s; }\n", path, h.services[path])
	}
	b.WriteString("  }\n")
}
