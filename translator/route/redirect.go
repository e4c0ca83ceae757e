package route

import (
	"net/http"
	"strconv"
	"strings"
)

// Redirect sends the client elsewhere. What it leaves empty stays as the client sent
// it.
type Redirect struct {
	// Status is 301, 302, 303, 307 or 308.
	Status uint32
	Scheme string
	Host   string
	// Port is the one that the client is to dial; zero leaves it out beside Host, or
	// if it is the usual one of a scheme that changes.
	Port uint32
	// Path takes the place of the whole path, and of the query if it has one itself.
	Path string
	// Prefix takes the place of what the rule asks for: of its prefix, element by
	// element, or of the whole path. Path must be empty then.
	Prefix string
}

// ToHTTPS sends a client that came by plain http to the same place by TLS, at the port
// that clients know. The usual one is not written.
func ToHTTPS(port uint32) *Redirect {
	if port == 443 {
		port = 0
	}
	return &Redirect{Status: http.StatusPermanentRedirect, Scheme: "https", Port: port}
}

// location is where a request is sent that a rule with this match takes. Envoy
// computes the same.
func (d *Redirect) location(m Match, r Request) string {
	scheme := d.Scheme
	if scheme == "" {
		scheme = r.Proto
	}
	host := d.Host
	if host == "" {
		host = d.kept(r, scheme)
	}
	if d.Port != 0 {
		host += ":" + strconv.Itoa(int(d.Port))
	}
	return scheme + "://" + host + d.path(m, r.Path)
}

// kept is the client's own host, with its port unless that is replaced.
func (d *Redirect) kept(r Request, scheme string) string {
	host, port := cutPort(r.Host)
	usual := map[string]string{"http": ":80", "https": ":443"}
	if d.Port != 0 || scheme != r.Proto && port == usual[r.Proto] {
		return host
	}
	return host + port
}

// path is the path with the query.
func (d *Redirect) path(m Match, sent string) string {
	path, query := cutQuery(sent)
	switch {
	case strings.Contains(d.Path, "?"):
		return d.Path
	case d.Path != "":
		path = d.Path
	case d.Prefix != "":
		path = d.replaced(m, path)
	}
	if strings.Contains(sent, "?") {
		path += "?" + query
	}
	return path
}

// replaced is a path with Prefix in the place of what the rule asks for.
func (d *Redirect) replaced(m Match, path string) string {
	if m.Kind != Prefix {
		return d.Prefix
	}
	text, rest := strings.TrimRight(d.Prefix, "/"), strings.TrimPrefix(path, bare(m))
	if text == "" {
		rest = "/" + strings.TrimPrefix(rest, "/")
	}
	return text + rest
}
