package authz

import (
	"context"
	"io"
	"net/http"
	"strings"

	"legation.dev/authz/rule"
)

// mostBody of an answer, in bytes, is read so that its connection can be used again.
const mostBody = 64 << 10

// byService asks the service of a rule. Any 2xx is a yes, 401 and 403 are a no, and all
// else is a fault, as in nginx.
func (s *Server) byService(r *http.Request, ru *rule.Rule) verdict {
	ctx, cancel := context.WithTimeout(r.Context(), serviceTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, ru.Method, fill(ru.URL, r), nil)
	if err != nil {
		return broken
	}
	q.Host = q.URL.Hostname() // without a port, as ingress-nginx says it
	ask(q, r, ru)
	a, err := s.services.RoundTrip(q)
	if err != nil {
		return broken
	}
	defer a.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(a.Body, mostBody)) // its connection is closed otherwise, and nothing else
	switch {
	case a.StatusCode >= 200 && a.StatusCode < 300:
		return yes(ru, a.Header)
	case a.StatusCode == http.StatusUnauthorized && ru.SignIn != "":
		return signIn(r, ru, a.Header)
	case a.StatusCode == http.StatusUnauthorized:
		return refused(ru, a.StatusCode, only(a.Header, "Www-Authenticate"), a.Header)
	case a.StatusCode == http.StatusForbidden:
		return refused(ru, a.StatusCode, http.Header{}, a.Header)
	}
	return broken
}

// refused is a no, with the cookies of the answer if the rule says so.
func refused(ru *rule.Rule, status int, told, answer http.Header) verdict {
	if cookies := answer.Values("Set-Cookie"); ru.Cookies && len(cookies) > 0 {
		told["Set-Cookie"] = cookies
	}
	return verdict{status, told}
}

// ours is how the names of headers begin that the rule came in, as Go writes names.
var ours = http.CanonicalHeaderKey(rule.HeaderPrefix)

// ask says in q what the service is told of r: its headers, and what ingress-nginx adds.
func ask(q, r *http.Request, ru *rule.Rule) {
	for name, values := range r.Header {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Content-Length", "X-Forwarded-Proto":
		default:
			if !strings.HasPrefix(name, ours) && !strings.HasPrefix(name, "X-Envoy-") {
				q.Header[name] = values
			}
		}
	}
	if _, ok := q.Header["User-Agent"]; !ok {
		q.Header["User-Agent"] = nil // else Go says its own
	}
	client, back := r.Header.Get(rule.ClientHeader), r.URL.RawQuery
	if ru.Redirect != "" {
		back = fill(ru.Redirect, r)
	}
	for _, h := range [...]struct{ name, value string }{
		{"X-Original-Url", schemeOf(r) + "://" + r.Host + r.URL.RawQuery},
		{"X-Original-Method", r.Method},
		{"X-Sent-From", "nginx-ingress-controller"}, // as services know it
		{"X-Auth-Request-Redirect", back},
		{"X-Real-Ip", client},
		{"X-Forwarded-For", client},
	} {
		q.Header[h.name] = []string{h.value}
	}
	for _, line := range ru.Set {
		if name, value, ok := strings.Cut(line, ": "); ok {
			q.Header.Set(name, value)
		}
	}
}

// yes lets a request pass with headers of the answer. What the answer does not have, the
// client may not say instead.
func yes(ru *rule.Rule, answer http.Header) verdict {
	v := verdict{http.StatusOK, only(answer, "Set-Cookie")}
	for _, name := range ru.Headers {
		if value := answer.Get(name); value != "" {
			v.header.Set(name, value)
		} else {
			v.remove(name)
		}
	}
	return v
}

// only is the one header of an answer.
func only(h http.Header, name string) http.Header {
	one := http.Header{}
	if values := h.Values(name); len(values) > 0 {
		one[name] = values
	}
	return one
}
