//go:build real

package servers

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"legation.dev/test/envoy"
)

// kind is a server as it is started by default.
type kind struct {
	name string
	// preset is the one that people set for it; empty: there is none, and the default has to do.
	preset string
	// start starts it on a port of loopback; false where what it needs is not here.
	start func(t *testing.T, port string) bool
	// once: it ends each connection after one answer, and does not say so, so that only
	// upstream-max-requests 1 helps.
	once bool
	// cuts: it ends a connection after a body that nobody read, and does not say so
	// (docs/upstream.md).
	cuts bool
}

// kinds are the servers, by their language.
var kinds = []kind{
	{name: "gunicorn-sync", preset: "gunicorn", start: gunicorn("sync", "app:wsgi")},
	{name: "gunicorn-gthread", preset: "gunicorn", start: gunicorn("gthread", "app:wsgi"), cuts: true},
	{name: "gunicorn-gevent", preset: "gunicorn", start: gunicorn("gevent", "app:wsgi")},
	{name: "gunicorn-tornado", preset: "gunicorn", start: gunicorn("tornado", "app:wsgi")},
	{name: "gunicorn-asgi", preset: "gunicorn", start: gunicorn("asgi", "app:asgi"), cuts: true},
	{name: "uvicorn-h11", preset: "uvicorn", start: python("-m", "uvicorn", "--http", "h11", "--port", "PORT", "--log-level", "warning", "app:asgi")},
	{name: "uvicorn-httptools", preset: "uvicorn", start: python("-m", "uvicorn", "--http", "httptools", "--port", "PORT", "--log-level", "warning", "app:asgi")},
	{name: "hypercorn", preset: "hypercorn", start: python("-m", "hypercorn", "--bind", "127.0.0.1:PORT", "app:asgi"), cuts: true},
	{name: "granian-wsgi", preset: "granian", start: python("-m", "granian", "--interface", "wsgi", "--port", "PORT", "app:wsgi"), cuts: true},
	{name: "granian-asgi", preset: "granian", start: python("-m", "granian", "--interface", "asgi", "--port", "PORT", "app:asgi"), cuts: true},
	{name: "daphne", preset: "daphne", start: python("-m", "daphne", "--port", "PORT", "app:asgi")},
	{name: "aiohttp", preset: "aiohttp", start: python("serve.py", "aiohttp", "PORT")},
	{name: "waitress", preset: "waitress", start: python("serve.py", "waitress", "PORT")},
	{name: "sanic", preset: "sanic", start: python("serve.py", "sanic", "PORT")},
	{name: "cheroot", start: python("serve.py", "cheroot", "PORT")},
	{name: "tornado", start: python("serve.py", "tornado", "PORT")},
	{name: "twisted", start: python("serve.py", "twisted", "PORT")},
	{name: "werkzeug", start: python("serve.py", "werkzeug", "PORT")},
	{name: "wsgiref", start: python("serve.py", "wsgiref", "PORT")},
	{name: "http.server", start: python("serve.py", "http.server", "PORT")},
	{name: "uwsgi-http", preset: "uwsgi", start: uwsgi("--http"), once: true, cuts: true},
	{name: "uwsgi-http-socket", preset: "uwsgi", start: uwsgi("--http-socket"), once: true, cuts: true},
	{name: "uwsgi-http11-socket", preset: "uwsgi", start: uwsgi("--http11-socket"), cuts: true},
	{name: "node", preset: "node", start: node("node")},
	{name: "express", preset: "node", start: node("express")},
	{name: "koa", preset: "node", start: node("koa")},
	{name: "hapi", preset: "node", start: node("hapi")},
	{name: "hono", preset: "node", start: node("hono")},
	{name: "polka", preset: "node", start: node("polka")},
	{name: "fastify", preset: "fastify", start: node("fastify")},
	{name: "go", preset: "go", start: golang},
	{name: "jdk", start: java, cuts: true},
}

func gunicorn(worker, app string) func(*testing.T, string) bool {
	return python("-m", "gunicorn", "--worker-class", worker, "--bind", "127.0.0.1:PORT", "--log-level", "error", app)
}

// uwsgi is uWSGI, which listens by the option listen.
func uwsgi(listen string) func(*testing.T, string) bool {
	return python("-c", "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])", listen, "127.0.0.1:PORT", "--wsgi-file", "app.py", "--callable", "wsgi", "--disable-logging")
}

// fetched is what `make presets` makes.
func fetched(t *testing.T, parts ...string) string {
	t.Helper()
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(append([]string{root, ".tools", "presets"}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run `make presets`", err)
	}
	return path
}

// python is a server by Python.
func python(args ...string) func(*testing.T, string) bool {
	return func(t *testing.T, port string) bool {
		interpreter := os.Getenv("PYTHON")
		if interpreter == "" {
			interpreter = "python3"
		}
		return run(t, port, []string{"PYTHONPATH=" + fetched(t, "python"), "PYTHONDONTWRITEBYTECODE=1"}, append([]string{interpreter}, args...)...)
	}
}

// node is a server by Node.
func node(name string) func(*testing.T, string) bool {
	return func(t *testing.T, port string) bool {
		return run(t, port, []string{"MODULES=" + fetched(t, "node")}, "node", "serve.js", name, "PORT")
	}
}

// golang is the server of Go's library with its defaults, here.
func golang(t *testing.T, port string) bool {
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) })}
	go s.Serve(l) // until it is closed
	t.Cleanup(func() { s.Close() })
	return true
}

// java is the server of the JDK, where there is one.
func java(t *testing.T, port string) bool { return run(t, port, nil, "java", "Serve.java", "PORT") }

// available reports whether there is a program.
func available(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}
