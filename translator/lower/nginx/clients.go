package nginx

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

// Annotations about client certificates.
const (
	tlsSecret    = "auth-tls-secret"
	tlsVerify    = "auth-tls-verify-client"
	tlsDepth     = "auth-tls-verify-depth"
	tlsErrorPage = "auth-tls-error-page"
	tlsForward   = "auth-tls-pass-certificate-to-upstream"
	tlsMatchCN   = "auth-tls-match-cn"
)

// maxDepth is the longest chain of certificates between a client's and the CA that may be
// asked for; real ones have two or three.
const maxDepth = 10

// clientsOf is what an object says of client certificates; nil for nothing. Without a
// Secret the other annotations say nothing, as at ingress-nginx.
func clientsOf(f *route.Fragment, said map[string]string) *route.Clients {
	text, off := strings.TrimSpace(said[tlsSecret]), strings.TrimSpace(said[tlsVerify]) == "off"
	if text == "" || off && strings.TrimSpace(said[tlsMatchCN]) == "" {
		for _, name := range []string{tlsSecret, tlsVerify, tlsDepth, tlsErrorPage, tlsForward, tlsMatchCN} {
			if value, has := said[name]; has {
				f.Find(finding.NoEffect, field(name), shown(value), "no client certificates are asked for without auth-tls-secret, or with auth-tls-verify-client off")
			}
		}
		return nil
	}
	c := &route.Clients{Field: field(tlsSecret), Depth: 1, Forward: isTrue(said[tlsForward])}
	c.Mode = modeOf(f, said)
	c.Secret, c.Wrong = secretOf(f.Origin.Object.Namespace, text)
	if c.Wrong == nil {
		f.References = append(f.References, route.Reference{To: c.Secret, Field: c.Field})
	}
	if text, has := said[tlsDepth]; has {
		if n, err := whole(strings.TrimSpace(text)); err != nil || n > maxDepth {
			f.Find(finding.SettingIgnored, field(tlsDepth), shown(text), errors.New("not a whole number to "+strconv.Itoa(maxDepth)))
		} else {
			c.Depth = uint32(n)
		}
	}
	if text := strings.TrimSpace(said[tlsErrorPage]); text != "" {
		if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.ContainsFunc(text, unprintable) {
			f.Find(finding.SettingIgnored, field(tlsErrorPage), shown(text), errors.New("not a URL that begins with http:// or https://"))
		} else {
			c.ErrorPage = text
		}
	}
	named(c, strings.TrimSpace(said[tlsMatchCN]), off)
	return c
}

// named reads the name that certificates must have. ingress-nginx compares it also where nobody
// is asked for a certificate, and so has none.
func named(c *route.Clients, subject string, off bool) {
	c.Subject = subject
	switch err := route.Known(subject); {
	case subject == "":
	case off:
		c.Wrong = errors.New("auth-tls-verify-client is off, so that nobody shows the name that auth-tls-match-cn asks for")
	case err != nil || !strings.HasPrefix(subject, "CN=") || len(subject) > maxSubject:
		c.Wrong = errors.New("auth-tls-match-cn is not CN= with a regular expression that Envoy knows")
	}
}

// hostGuards are what keeps somebody out of a whole host, as the annotations say.
func (p *Paths) hostGuards() (list []route.Guard) {
	if c := p.clients; c != nil && (c.Mode == route.Required || c.Subject != "") {
		list = append(list, route.Guard{Restricts: "client certificates", Field: c.Field})
	}
	if p.measures.Restrict() || slices.ContainsFunc(p.places, func(o route.Place) bool { return o.Action.Status >= http.StatusBadRequest }) {
		list = append(list, route.Guard{Restricts: "requests to the host", Field: field(serverSnippet)})
	}
	return list
}

// maxSubject is the longest pattern of a subject, in bytes: that of a name in a certificate
// has 64, and alternatives are few.
const maxSubject = 1024

// modeOf is how a certificate is asked for; what is no value of the annotation is on.
func modeOf(f *route.Fragment, said map[string]string) route.ClientMode {
	text, has := said[tlsVerify]
	switch strings.TrimSpace(text) {
	case "optional":
		return route.Optional
	case "optional_no_ca":
		return route.Unverified
	case "on", "off": // which is looked at before
	default:
		if has {
			f.Find(finding.SettingIgnored, field(tlsVerify), shown(text), errors.New("not one of on, off, optional, optional_no_ca; on counts"))
		}
	}
	return route.Required
}

// secretOf is the Secret that an annotation names, as namespace/name. Only one of the
// object's own namespace may be named: else its owner could use what others have.
func secretOf(namespace, text string) (object.Ref, error) {
	of, name, ok := strings.Cut(text, "/")
	switch {
	case !ok || name == "" || strings.Contains(name, "/"):
		return object.Ref{}, errors.New("not the name of a Secret, as namespace/name")
	case of != namespace:
		return object.Ref{}, errors.New("a Secret of another namespace may not be named")
	}
	return object.Ref{Kind: object.KindSecret, Namespace: of, Name: name}, nil
}
