package ui

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"legation.dev/xds/identity"
)

// Door says who may come in: who shows the certificate of an operator, or the token.
type Door struct {
	// Gate has the pair of the wire, and judges certificates; nil without TLS.
	Gate *identity.Gate
	// Token is asked for each request; nil, and an empty one: nobody comes in by it.
	Token func() string
	// Linked lets the token come in the address, /login?token=..., as it is printed for
	// who sits at this machine.
	Linked bool
	// Hosts are the names under which the page is asked for, beside addresses and localhost.
	// Any other name is refused: somebody else's may lead here, too (DNS rebinding).
	Hosts func() []string
}

// TokenBytes is the least that a token has: it must not be guessed.
const TokenBytes = 20

// policy is what a browser may do with a page: nothing but what comes from here.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guarded lets through what a page of ours, or a person, asks for.
func (p *Pages) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !p.Door.named(r.Host):
			http.Error(w, "this page is not of that host; --ui-host names those that it is of", http.StatusMisdirectedRequest)
		case foreign(r):
			http.Error(w, "this page is not for other origins", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// named reports whether a host may be asked for: an address, localhost, or a name of ours.
func (d Door) named(host string) bool {
	name := strings.ToLower(strings.TrimSuffix(hostname(host), "."))
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" {
		return true
	}
	return d.Hosts != nil && slices.Contains(d.Hosts(), name)
}

// hostname is a host without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// foreign reports whether another origin asks. A link from elsewhere is none: it brings a
// person here, and tells that origin nothing.
func foreign(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host != r.Host {
			return true
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// inside lets in who may look.
func (p *Pages) inside(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := p.Door.allows(r)
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
		case p.Door.token() != "" && r.Header.Get("Authorization") == "":
			p.write(w, http.StatusUnauthorized, "login", entry{To: r.URL.RequestURI()})
		default:
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	})
}

// allows reports whether a request may be answered.
func (d Door) allows(r *http.Request) error {
	token := d.token()
	if token != "" {
		given, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if isBearer && equal(given, token) {
			return nil
		}
		if c, err := r.Cookie(d.cookie()); err == nil && equal(c.Value, proof(token)) {
			return nil
		}
	}
	switch {
	case d.Gate == nil, token != "" && len(r.TLS.PeerCertificates) == 0:
		return errNoToken
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return err
	}
	return d.Gate.AllowPerson(r.TLS.PeerCertificates, net.TCPAddrFromAddrPort(from), time.Now())
}

// token is the one that is good now; empty if none is.
func (d Door) token() string {
	if d.Token == nil {
		return ""
	}
	if t := d.Token(); len(t) >= TokenBytes {
		return t
	}
	return ""
}

// cookie is the name of the cookie. The prefix has browsers take it from here only.
func (d Door) cookie() string {
	if d.Gate != nil {
		return "__Host-legation"
	}
	return "legation"
}

// proof is what the cookie holds: who has it has known the token, but cannot tell it.
func proof(token string) string {
	m := hmac.New(sha256.New, []byte(token))
	m.Write([]byte("legation page"))
	return hex.EncodeToString(m.Sum(nil))
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// entry is what the form for the token needs.
type entry struct {
	To    string // where to go then
	Wrong bool
}

// login shows the form, or takes the token of an address that was printed.
func (p *Pages) login(w http.ResponseWriter, r *http.Request) {
	if t := r.URL.Query().Get("token"); t != "" && p.Door.Linked {
		p.take(w, r, t, "/")
		return
	}
	p.write(w, http.StatusOK, "login", entry{To: "/"})
}

// formBytes is more than the form of the token has.
const formBytes = 8 << 10

// enter takes the token of the form.
func (p *Pages) enter(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formBytes)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "this is not the form", http.StatusBadRequest)
		return
	}
	p.take(w, r, strings.TrimSpace(r.PostForm.Get("token")), local(r.PostForm.Get("to")))
}

// take gives who has the token a cookie.
func (p *Pages) take(w http.ResponseWriter, r *http.Request, given, to string) {
	if token := p.Door.token(); token == "" || !equal(given, token) {
		p.log().Warn("a wrong token for the page", "peer", r.RemoteAddr)
		p.write(w, http.StatusForbidden, "login", entry{To: to, Wrong: true})
		return
	}
	http.SetCookie(w, &http.Cookie{Name: p.Door.cookie(), Value: proof(given), Path: "/", HttpOnly: true, Secure: p.Door.Gate != nil, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// local is a path of ours; anything else is the first page.
func local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return u.RequestURI()
}
