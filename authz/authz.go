// Package authz is the authorization server beside an Envoy: it reports whether a request
// may pass, by passwords and by asking a service. What it asks for is in the request that
// Envoy makes (package rule), by its filter ext_authz; so it keeps nothing but
// connections, and which passwords it has seen to be right.
//
// Whatever goes wrong is a no. Start reading at Server.ServeHTTP.
package authz

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"legation.dev/authz/rule"
)

// Config of a Server; the zero one is useful.
type Config struct {
	// Dialer opens connections to services; nil: one that asks the system's resolver.
	Dialer *net.Dialer
	// Local: a service may be on this machine. Else what listens there for its pod alone
	// could be asked by whoever may write an Ingress: Envoy's admin interface, say.
	Local bool
	// TLS is for services by https; nil: the roots of the system.
	TLS *tls.Config
}

// Server answers Envoy's ext_authz over HTTP. It is safe for concurrent use.
type Server struct {
	services  *http.Transport // not a Client, which would follow redirects
	passwords *passwords
}

const (
	// serviceTimeout is how long a service may take: what proxy-read-timeout of
	// ingress-nginx is by default. Envoy waits as long.
	serviceTimeout = 60 * time.Second
	// connectTimeout is that of ingress-nginx.
	connectTimeout = 5 * time.Second
	// idleConnections to one service, and how long they are kept: below the 60 s and more
	// of most servers.
	idleConnections = 256
	idleTimeout     = 30 * time.Second
)

// New makes a Server.
func New(cfg Config) *Server {
	dialer := net.Dialer{}
	if cfg.Dialer != nil {
		dialer = *cfg.Dialer
	}
	dialer.Timeout = connectTimeout
	if !cfg.Local {
		dialer.Control = noLocal
	}
	return &Server{passwords: newPasswords(), services: &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: cfg.TLS, MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout: idleTimeout, DisableCompression: true, ForceAttemptHTTP2: false,
	}}
}

// home are the addresses that no service has, as translator/route has them for names that
// Envoy resolves: of this machine and its link, and by which clouds tell secrets.
var home = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("168.63.129.16/32"), netip.MustParsePrefix("100.100.100.200/32"), // Azure, Alibaba
	netip.MustParsePrefix("::/127"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8"), netip.MustParsePrefix("fd00:ec2::254/128"), // the last one: AWS
}

// noLocal refuses addresses of home, once a name is resolved.
func noLocal(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	a := at.Addr().Unmap().WithZone("")
	if slices.ContainsFunc(home, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return errors.New("an address of this machine or its link is no service")
	}
	return nil
}

// Serve answers on l until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s, MaxHeaderBytes: maxHeaders, ReadHeaderTimeout: serviceTimeout}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// maxHeaders in bytes: those of a client, which Envoy limits, and a rule with its users.
const maxHeaders = 1 << 20

// verdict is what a request is told.
type verdict struct {
	status int         // 200: it may pass
	header http.Header // of the answer
}

var broken = verdict{status: http.StatusInternalServerError}

// ServeHTTP answers one question of Envoy: 200 is a yes, all else goes to the client.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := broken
	text, users := r.Header.Values(rule.Header), r.Header.Values(rule.UsersHeader)
	if len(text) == 1 && len(users) <= 1 {
		if ru, err := rule.Parse(text[0], strings.Join(users, "")); err == nil {
			v = s.judge(r, &ru)
		}
	}
	for name, values := range v.header {
		w.Header()[name] = values
	}
	w.Header()["Date"] = nil
	w.WriteHeader(v.status)
}

// judge asks for a password first, for that asks nobody else.
func (s *Server) judge(r *http.Request, ru *rule.Rule) verdict {
	var v verdict
	if ru.Basic {
		v = s.byPassword(r, ru)
		passes := v.status == http.StatusOK
		if ru.URL == "" || passes == ru.Any {
			return v.withoutPassword(ru)
		}
	}
	if ru.URL != "" {
		asked := s.byService(r, ru)
		switch {
		case !ru.Any || !ru.Basic || asked.status == http.StatusOK:
		case asked.header.Get("Location") == "":
			return v // the browser can ask for a password
		case asked.header.Get("Www-Authenticate") == "": // as nginx passes it on
			asked.header["Www-Authenticate"] = v.header["Www-Authenticate"]
		}
		v = asked
	}
	return v.withoutPassword(ru)
}

// withoutPassword has the password taken out of what the backend gets.
func (v verdict) withoutPassword(ru *rule.Rule) verdict {
	if ru.Basic && v.status == http.StatusOK {
		v.remove("authorization")
	}
	return v
}

// toRemove are the headers that Envoy is to take out of a request.
const toRemove = "X-Envoy-Auth-Headers-To-Remove"

func (v *verdict) remove(name string) {
	if v.header == nil {
		v.header = http.Header{}
	}
	if before := v.header.Get(toRemove); before != "" {
		name = before + "," + name
	}
	v.header.Set(toRemove, name)
}

func (s *Server) byPassword(r *http.Request, ru *rule.Rule) verdict {
	if name, password, ok := r.BasicAuth(); ok && s.passwords.right(ru.Users, name, password) {
		return verdict{status: http.StatusOK}
	}
	realm := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(ru.Realm)
	v := verdict{http.StatusUnauthorized, http.Header{"Www-Authenticate": {`Basic realm="` + realm + `"`}}}
	if ru.URL != "" && ru.SignIn != "" && !ru.Any {
		return signIn(r, ru, v.header)
	}
	return v
}

// signIn sends a client to where it can sign in.
func signIn(r *http.Request, ru *rule.Rule, told http.Header) verdict {
	header := http.Header{"Location": {withBack(ru.SignIn, ru.Back, r)}}
	for _, name := range []string{"Set-Cookie", "Www-Authenticate"} { // as nginx passes them on
		if values := told.Values(name); len(values) > 0 {
			header[name] = values
		}
	}
	return verdict{http.StatusFound, header}
}

// withBack adds the page that was asked for, as ingress-nginx does.
func withBack(to, parameter string, r *http.Request) string {
	filled := fill(to, r)
	query := ""
	if u, err := url.Parse(filled); err == nil {
		query = u.RawQuery
		if u.Query().Get(parameter) != "" {
			return filled
		}
	}
	separator := "?"
	if query != "" {
		separator = "&"
	}
	return filled + separator + parameter + "=" + fill(rule.Scheme+"://"+rule.Authority+rule.Escaped, r)
}

// fill puts the parts of a request into the places of a URL.
func fill(text string, r *http.Request) string {
	if !strings.Contains(text, "{") { // as most; a Replacer costs more than all else here
		return text
	}
	uri := r.URL.RawQuery
	return strings.NewReplacer(rule.Host, withoutPort(r.Host), rule.Authority, r.Host, rule.Scheme, schemeOf(r), rule.URI, uri,
		rule.Escaped, component.Replace(url.QueryEscape(uri))).Replace(text)
}

// component makes of a text escaped for a form what nginx makes, and browsers do, of a part
// of a URL: these characters stay as they are, and a space is no plus.
var component = strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")

// schemeOf is that by which the client came, as Envoy has it.
func schemeOf(r *http.Request) string {
	if r.Header.Get("X-Forwarded-Proto") == "https" {
		return "https"
	}
	return "http"
}

func withoutPort(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return authority
}
