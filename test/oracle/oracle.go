//go:build real

package oracle

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"legation.dev/test/nginx"
)

const (
	// tools is where `make oracle` puts the controller, nginx and what they load.
	tools = "../../.tools/oracle"
	// listening is the address of nginx; backends and clients have others.
	listening = "127.0.0.1"
	// dnsPort is the one that a resolv.conf cannot change.
	dnsPort = 53
	// startTimeout bounds the wait for a controller that never serves what it should.
	startTimeout = 3 * time.Minute
	// httpPort and httpsPort are those of nginx.
	httpPort, httpsPort = "80", "443"
	// pollEvery is the pause between two looks at what the controller serves, and tellEvery
	// how many looks are in vain before it is told of the marker anew.
	pollEvery = 50 * time.Millisecond
	tellEvery = 100
	// refusals of one configuration are no moment between two others any more.
	refusals = 4
)

// shims are Lua modules that ingress-nginx loads and Debian has not.
//
//go:embed lua
var shims embed.FS

// oracle is a running ingress-nginx.
type oracle struct {
	api  *apiServer
	log  *os.File
	cmd  *exec.Cmd
	done chan error
	// round counts what was served: each has a host and a certificate of its own.
	round int
	// began is where in the log that starts which concerns the objects of now.
	began int64
}

// inside makes, in a mount namespace, the folders that ingress-nginx expects, and starts
// it. /etc is what it was, with what upper adds.
const inside = `
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$DIR/upper,workdir=$DIR/work" /etc
mkdir /etc/oracle
mount --bind "$TOOLS" /etc/oracle
mount -t tmpfs tmpfs /tmp
mkdir /tmp/nginx /tmp/lib
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /var/log
mkdir /var/lib/nginx /var/log/nginx
PATH=/etc/nginx/bin:$PATH exec /etc/oracle/controller "$@"
`

// wrapper is nginx with its modules.
const wrapper = `#!/bin/sh
export LD_LIBRARY_PATH=/etc/oracle/lib LUA_CPATH=/etc/oracle/lib/lua/?.so LUA_PATH='/etc/nginx/lua/?.lua;;'
M=/etc/oracle/modules
exec /etc/oracle/nginx -g "load_module $M/ndk_http_module.so; load_module $M/ngx_http_lua_module.so;
load_module $M/ngx_http_headers_more_filter_module.so; load_module $M/ngx_http_set_misc_module.so; user root;" "$@"
`

// start starts an ingress-nginx with flags of its own, that has nothing to serve yet.
func start(t *testing.T, flags ...string) *oracle {
	t.Helper()
	o := &oracle{api: newAPIServer(), done: make(chan error, 1)}
	o.api.set([]nginx.Manifest{{"kind": "Pod", "apiVersion": "v1", "metadata": map[string]any{"namespace": "oracle", "name": "oracle"}},
		{"kind": "Namespace", "apiVersion": "v1", "metadata": map[string]any{"name": "oracle"}}})
	l, err := net.Listen("tcp", "127.0.0.3:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: o.api}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	if err := furnish(dir); err != nil {
		t.Fatal(err)
	}
	if o.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	o.cmd = exec.Command("/bin/sh", append([]string{"-eu", "-c", inside, "sh", "--apiserver-host=http://" + l.Addr().String(),
		"--update-status=false", "--disable-leader-election", "--enable-metrics=false", "--sync-rate-limit=2", "--configmap=oracle/settings",
		"--shutdown-grace-period=0", "--post-shutdown-grace-period=0", "--disable-sync-events", "--profiling=false"}, flags...)...)
	absolute, err := filepath.Abs(tools)
	if err != nil {
		t.Fatal(err)
	}
	o.cmd.Env = append(os.Environ(), "DIR="+dir, "TMPDIR=/tmp", "TOOLS="+absolute, "NGINX_BINARY=/etc/nginx/bin/nginx", "POD_NAME=oracle", "POD_NAMESPACE=oracle")
	o.cmd.Stdout, o.cmd.Stderr = o.log, o.log
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { o.done <- o.cmd.Wait() }()
	t.Cleanup(o.stop)
	return o
}

// stop ends the controller, which ends its nginx.
func (o *oracle) stop() {
	_ = o.cmd.Process.Signal(syscall.SIGTERM) // it has ended, or will
	<-o.done
	o.log.Close()
}

// furnish puts into a folder what comes over /etc.
func furnish(dir string) error {
	upper := dir + "/upper/nginx"
	if err := errors.Join(os.MkdirAll(upper+"/bin", 0o755), os.Mkdir(dir+"/work", 0o755), os.MkdirAll(dir+"/upper/ingress-controller/telemetry", 0o755),
		os.WriteFile(upper+"/bin/nginx", []byte(wrapper), 0o755), os.WriteFile(dir+"/upper/resolv.conf", []byte("nameserver 127.0.0.2\n"), 0o644),
		os.WriteFile(upper+"/mime.types", []byte("types { }\n"), 0o644), os.CopyFS(upper, os.DirFS(tools+"/etc"))); err != nil {
		return err
	}
	if err := copyOver(upper+"/lua", os.DirFS(tools+"/lua"), "."); err != nil {
		return err
	}
	if err := copyOver(upper, shims, "lua"); err != nil {
		return err
	}
	return edit(upper + "/template/nginx.tmpl")
}

// copyOver copies files into a folder that may have some of the folders already.
func copyOver(to string, from fs.FS, root string) error {
	return fs.WalkDir(from, root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(from, path)
		if err != nil {
			return err
		}
		return errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(to, path)), 0o755), os.WriteFile(filepath.Join(to, path), text, 0o644))
	})
}

// edit changes of the template what Debian's nginx cannot read. It is older than `http2
// on`, which stood at the port then; one server that says so says it for the port. What
// the stream block is asked on its port is taken, and nobody asks for more of it.
func edit(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	start := bytes.Index(text, []byte("\nstream {"))
	end := bytes.Index(text, []byte("{{/* definition of templates"))
	if start < 0 || end < start || bytes.Count(text, []byte("http2 on;")) != 1 {
		return errors.New("the template is not that of the version that is edited here")
	}
	const port = `
    server { listen 127.0.0.1:10247; access_log off; location / { return 200; } }
    {{ if and $cfg.UseHTTP2 (not $all.IsSSLPassthroughEnabled) }}
    server { server_name http2.invalid; listen ` + listening + ":" + httpsPort + ` ssl http2; return 404; }
    {{ end }}
}
`
	http := bytes.TrimRight(text[:start], "\n\t ")
	http = bytes.Replace(http[:len(http)-1], []byte("http2 on;"), nil, 1) // without the brace that ends it
	return os.WriteFile(path, []byte(string(http)+port+string(text[end:])), 0o644)
}

// serve serves cases of one class, with the ConfigMap of the first, and waits until nginx
// serves all of them. No objects are there but theirs. Ingresses of before go by themselves:
// ingress-nginx reads one again where its Secret or the ConfigMap changes, and then keeps it
// if it goes at the same time.
func (o *oracle) serve(t *testing.T, cases []*nginx.Case) {
	t.Helper()
	o.round++
	class, first, last := cases[0].Class, marker{o.round, "first"}, marker{o.round, "last"}
	data := map[string]any{"bind-address": listening, "worker-processes": "1"}
	for name, value := range cases[0].Configuration() {
		data[name] = value
	}
	data["server-snippet"] = "more_set_headers \"" + first.header() + "\";"
	all := []nginx.Manifest{
		{"kind": "ConfigMap", "apiVersion": "v1", "metadata": map[string]any{"namespace": "oracle", "name": "settings"}, "data": data},
		{"kind": "IngressClass", "apiVersion": "networking.k8s.io/v1", "metadata": map[string]any{"name": class}, "spec": map[string]any{"controller": "k8s.io/ingress-nginx"}},
		{"kind": "Pod", "apiVersion": "v1", "metadata": map[string]any{"namespace": "oracle", "name": "oracle"}}}
	for _, c := range cases {
		list, err := c.Apart()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	named := slices.DeleteFunc(slices.Clone(all), isIngress)
	var marking []nginx.Manifest
	if o.round > 1 {
		marking = o.await(t, class, slices.DeleteFunc(o.api.all(), isIngress), marker{o.round - 1, "gone"})
	}
	marking = append(marking, o.await(t, class, append(named, marking...), first)...)
	o.await(t, class, append(all, marking...), last)
}

func isIngress(m nginx.Manifest) bool { return m["kind"] == "Ingress" }

// await sets objects and a marker, whose objects it returns, and waits until nginx serves
// that. Endpoints that nginx's Lua is told of twice within a second it may read once only, so
// it is told anew.
func (o *oracle) await(t *testing.T, class string, list []nginx.Manifest, m marker) (marking []nginx.Manifest) {
	t.Helper()
	marking, err := m.objects(class)
	if err != nil {
		t.Fatal(err)
	}
	o.began, _ = o.log.Seek(0, io.SeekEnd)
	o.api.set(append(list, marking...))
	deadline := time.Now().Add(startTimeout)
	for looks := 1; ; looks++ {
		err := o.serving(m)
		if err == nil {
			return marking
		}
		select {
		case ended := <-o.done:
			o.done <- ended
			t.Fatalf("ingress-nginx ended: %v\n%s", ended, o.tail())
		case <-time.After(pollEvery):
		}
		if refused := o.refused(); refused != "" {
			t.Fatalf("nginx refuses its configuration: %s", refused)
		}
		if looks%tellEvery == 0 {
			o.api.tell(m.endpoints(looks / tellEvery))
		}
		if time.Now().After(deadline) {
			t.Fatalf("ingress-nginx does not serve the objects: %v\n%s", err, o.tail())
		}
	}
}

// emergency is what nginx says of a configuration that it cannot read, and where in it.
var emergency = regexp.MustCompile(`\[emerg\] .*?(?: in (/tmp/nginx/[^:\s]+):([0-9]+))?\n`)

// refused is what nginx says of a configuration that it cannot read, and the server of it
// that is meant. The controller tries again: of what is read while only some of the objects
// are there, it is refused once.
func (o *oracle) refused() string {
	text, _ := os.ReadFile(o.log.Name()) // if it is gone, nothing is found
	all := emergency.FindAllSubmatch(text[min(int(o.began), len(text)):], -1)
	all = slices.DeleteFunc(all, func(one [][]byte) bool { return bytes.Contains(one[0], []byte("pread()")) }) // the file was written anew while nginx read it
	if len(all) < refusals {
		return ""
	}
	found := all[len(all)-1]
	config, _ := os.ReadFile(fmt.Sprintf("/proc/%d/root%s", o.cmd.Process.Pid, found[1]))
	lines := strings.Split(string(config), "\n")
	line, _ := strconv.Atoi(string(found[2]))
	for at := min(line, len(lines)) - 1; at >= 0; at-- {
		if strings.Contains(lines[at], "## start server") || strings.Contains(lines[at], "location ") {
			found[0] = append(found[0], "\n"+lines[at]...)
		}
		if strings.Contains(lines[at], "## start server") {
			break
		}
	}
	return string(found[0])
}

// tail is the end of the log.
func (o *oracle) tail() string {
	text, err := os.ReadFile(o.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-3000):])
}
