package route

import (
	"net/http"
	"regexp"
	"slices"
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
	// Rewrite changes the path, if not nil. Path and Prefix must be empty then.
	Rewrite *Rewrite
	// NoQuery drops the query.
	NoQuery bool
	// To, if it has any piece, is the whole Location. All but the Status must be empty
	// then.
	To Text
}

// Text is a text with parts of a request in it.
type Text []Piece

// Piece is a literal, or a part of a request.
type Piece struct {
	Literal string
	Part    Part // 0 is none
}

// Part is a part of a request that can stand in a Text.
type Part uint8

// The parts.
const (
	PathAndQuery Part = iota + 1
	PathOnly
	Authority // as the client wrote it, with its port
	Scheme
	Address // of the client
)

// of is the text for one request.
func (t Text) of(r Request) string {
	var b strings.Builder
	path, _ := cutQuery(r.Path)
	for _, p := range t {
		b.WriteString(p.Literal + [...]string{"", r.Path, path, r.Host, r.Proto, ""}[p.Part])
	}
	return b.String()
}

// ToHTTPS sends a client that came by plain http to the same place by TLS, at the port
// that clients know. The usual one is not written. A host that is not empty takes the
// place of the client's, which may have a port.
func ToHTTPS(port uint32, host string) *Redirect {
	if port == 443 {
		port = 0
	}
	return &Redirect{Status: http.StatusPermanentRedirect, Scheme: "https", Host: host, Port: port}
}

// ofPath reports whether clients are sent where their path says.
func (d *Redirect) ofPath() bool {
	return d.Rewrite != nil || d.Prefix != "" || d.To.ofPath()
}

// ofPath reports whether a text has the path.
func (t Text) ofPath() bool {
	return slices.ContainsFunc(t, func(p Piece) bool { return p.Part == PathOnly })
}

// Path is a path, without query, as the rewrite leaves it. Envoy computes the same.
func (r Rewrite) Path(path string) string {
	re, err := regexp.Compile(r.Whole())
	if err != nil {
		return path
	}
	return re.ReplaceAllString(path, expandable.Replace(r.To))
}

// expandable makes a template of package regexp of a Rewrite's.
var expandable = strings.NewReplacer(`\\`, `\`, `$`, `$$`, `\0`, `${0}`, `\1`, `${1}`, `\2`, `${2}`, `\3`, `${3}`, `\4`, `${4}`,
	`\5`, `${5}`, `\6`, `${6}`, `\7`, `${7}`, `\8`, `${8}`, `\9`, `${9}`)

// location is where a request is sent that a rule with this match takes. Envoy
// computes the same.
func (d *Redirect) location(m Match, r Request) string {
	if len(d.To) > 0 {
		return d.To.of(r)
	}
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
	case d.Rewrite != nil:
		path = d.Rewrite.Path(path)
	}
	if strings.Contains(sent, "?") && !d.NoQuery {
		path += "?" + query
	}
	return path
}

// replaced is a path with Prefix in the place of what the rule asks for.
func (d *Redirect) replaced(m Match, path string) string {
	if m.Kind != Prefix {
		return d.Prefix
	}
	prefix := regexp.MustCompile("^" + EverySpelling(bare(m))).FindString(path) // it begins with that, perhaps in another spelling
	text, rest := strings.TrimRight(d.Prefix, "/"), path[len(prefix):]
	if text == "" {
		rest = "/" + strings.TrimPrefix(rest, "/")
	}
	return text + rest
}
