// Package compare holds what another controller answered, by its access log, against what
// Legation would answer, by the route model: request by request, without sending one.
//
// It reads a log and a result of translation, and changes neither.
//
// Start reading at Compare.
package compare

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// DefaultFormat is how the other controller writes a line unless it is told otherwise. It
// has no host.
const DefaultFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" ` +
	`$request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] ` +
	`$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`

// Format reads lines of a log.
type Format struct {
	line *regexp.Regexp
	at   map[string]int // the group of a variable
}

// variable in a format.
var variable = regexp.MustCompile(`\$(\w+)|\$\{(\w+)\}`)

// several is a value of a variable that has one for each attempt.
const several = `[^ ,]+(?:(?:, | : )[^ ,]+)*`

// ParseFormat reads a format, as the log_format of the other controller has it. It must
// tell the request, the status, and the host or the Service.
func ParseFormat(text string) (*Format, error) {
	f := &Format{at: map[string]int{}}
	var pattern strings.Builder
	end := 0
	for _, m := range variable.FindAllStringSubmatchIndex(text, -1) {
		pattern.WriteString(regexp.QuoteMeta(text[end:m[0]]))
		name := strings.Trim(text[m[0]:m[1]], "${}")
		end = m[1]
		value := `.*?`
		if strings.HasPrefix(name, "upstream_") {
			value = several
		}
		if _, twice := f.at[name]; twice {
			pattern.WriteString(`(?:` + value + `)`)
			continue
		}
		f.at[name] = len(f.at) + 1
		pattern.WriteString(`(` + value + `)`)
	}
	pattern.WriteString(regexp.QuoteMeta(text[end:]))
	line, err := regexp.Compile(`^` + pattern.String() + `$`)
	if err != nil {
		return nil, err
	}
	f.line = line
	return f, f.lacks()
}

// lacks is what the format does not tell.
func (f *Format) lacks() error {
	switch {
	case !f.has("request") && !(f.has("request_method") && f.has("request_uri", "uri")):
		return errors.New("no $request in it, nor $request_method with $request_uri")
	case !f.has("status"):
		return errors.New("no $status in it")
	case !f.has("proxy_upstream_name", "host", "http_host", "server_name"):
		return errors.New("neither $proxy_upstream_name nor $host in it: nothing tells which Ingress a request was for")
	}
	return nil
}

func (f *Format) has(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return f.at[n] > 0 })
}

// Asked is one request with what became of it there. Equal ones are counted together.
type Asked struct {
	Method string
	// Host is empty where the log does not tell it, and Proto likewise.
	Host, Proto, Path string
	Status            int
	// Upstream is the Service that the request was for: namespace-service-port.
	Upstream string
	// Default: it was for none, but for the controller's default backend.
	Default bool
	// Reached reports whether a backend was asked; if not, the controller answered itself.
	Reached bool
}

// Read reads a line; false if it is none of the format, or no request of HTTP.
func (f *Format) Read(line string) (a Asked, from netip.Addr, ok bool) {
	m := f.line.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
	if m == nil {
		return a, from, false
	}
	get := func(names ...string) string {
		for _, n := range names {
			if i := f.at[n]; i > 0 && m[i] != "-" && m[i] != "" {
				return unescaped(m[i])
			}
		}
		return ""
	}
	target := get("request_uri", "uri")
	a.Method = get("request_method")
	if request := strings.Split(get("request"), " "); len(request) == 3 {
		a.Method, target = request[0], request[1]
	}
	a.Host = strings.ToLower(get("host", "http_host", "server_name"))
	a.Proto = get("scheme")
	if scheme, rest, absolute := strings.Cut(target, "://"); absolute && !strings.HasPrefix(target, "/") {
		a.Proto = scheme
		a.Host, target, _ = strings.Cut(rest, "/")
		target = "/" + target
	}
	a.Path, a.Upstream = normal(target), get("proxy_upstream_name")
	a.Reached = f.reached(get("upstream_addr", "upstream_status"), get)
	if a.Default = ofNobody.MatchString(a.Upstream); a.Default {
		a.Reached, a.Upstream = false, ""
	}
	status, err := strconv.Atoi(get("status"))
	a.Status = status
	from, _ = netip.ParseAddr(get("remote_addr"))
	return a, from, err == nil && a.Method != "" && strings.HasPrefix(a.Path, "/")
}

// ofNobody is how the log calls what is no Service of an Ingress.
var ofNobody = regexp.MustCompile(`^(upstream|custom)-default-backend`)

// reached reports whether a backend was asked. A format that does not say so leaves only
// the status to go by.
func (f *Format) reached(addr string, get func(...string) string) bool {
	if f.has("upstream_addr", "upstream_status") {
		return addr != ""
	}
	status := get("status")
	return get("proxy_upstream_name") != "" && (strings.HasPrefix(status, "2") || status == "502" || status == "504")
}

// escape is how a byte is written that could end a field.
var escape = regexp.MustCompile(`\\x[0-9A-Fa-f]{2}`)

func unescaped(text string) string {
	if !strings.Contains(text, `\x`) {
		return text
	}
	return escape.ReplaceAllStringFunc(text, func(s string) string {
		b, _ := strconv.ParseUint(s[2:], 16, 8) // two digits, as the pattern says
		return string([]byte{byte(b)})
	})
}

// dots and slashes as they may be encoded.
var encoded = strings.NewReplacer("%2f", "/", "%2F", "/", "%2e", ".", "%2E", ".")

// normal is the path of a request, with its query, as Envoy has it when it routes.
func normal(target string) string {
	path, query, asked := strings.Cut(target, "?")
	path, _, _ = strings.Cut(path, "#")
	var parts []string
	all := strings.Split(encoded.Replace(path), "/")
	for i, part := range all {
		last := i == len(all)-1
		switch {
		case part == ".." && len(parts) > 0:
			parts = parts[:len(parts)-1]
		case part != "" && part != "." && part != "..":
			parts = append(parts, part)
			continue
		}
		if last && len(parts) > 0 {
			parts = append(parts, "")
		}
	}
	if path = strings.Join(parts, "/"); strings.HasPrefix(target, "/") {
		path = "/" + path
	}
	if asked {
		path += "?" + query
	}
	return path
}

// String is the request, for people.
func (a Asked) String() string { return fmt.Sprintf("%s %s%s", a.Method, a.Host, a.Path) }
