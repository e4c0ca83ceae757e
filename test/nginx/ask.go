//go:build real

package nginx

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// patience is how long a request may take in all.
	patience = 8 * time.Second
	// drip is how many bytes a backend sends one by one, a second apart, if asked to.
	drip = "4"
	// longest is how long a header of a request may be to be told as it is.
	longest = 400
	// covering is the name in the certificate of the cases, which answers leave out.
	covering = "*.example.test"
)

// Request is what is asked, as requests.json has it.
type Request struct {
	Host   string            `json:"host"`
	Path   string            `json:"path"`
	Method string            `json:"m,omitempty"`
	Header map[string]string `json:"h,omitempty"`
	User   string            `json:"u,omitempty"` // name:password of basic authentication
	Body   int               `json:"b,omitempty"` // bytes
	// Chunked sends the body without its length.
	Chunked int    `json:"chunked,omitempty"`
	TLS     int    `json:"s,omitempty"`
	SNI     string `json:"sni,omitempty"`  // empty: Host
	Cert    string `json:"cert,omitempty"` // of the client: the name of its files in commonFolder
	Source  string `json:"src,omitempty"`  // the client's address; empty: 127.0.0.1
	Drip    int    `json:"drip,omitempty"`
	HTTP2   bool   `json:"h2,omitempty"` // of requests with TLS
	// Times sends the request so often, and counts answers.
	Times int `json:"n,omitempty"`
	// Follow sends the request again, so often, with the cookie of its answer.
	Follow int `json:"follow_cookie,omitempty"`
}

// String says of a request what it is recognised by.
func (r Request) String() string {
	scheme := "http"
	if r.TLS != 0 {
		scheme = "https"
	}
	text := method(r) + " " + scheme + "://" + r.Host + r.Path
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		text += " " + name + ":" + r.Header[name]
	}
	for _, one := range [][2]string{{"user", r.User}, {"sni", r.SNI}, {"certificate", r.Cert}, {"from", r.Source}} {
		if one[1] != "" {
			text += " " + one[0] + "=" + one[1]
		}
	}
	if r.Body > 0 {
		text += fmt.Sprint(" body=", r.Body)
	}
	if r.Chunked != 0 {
		text += " chunked"
	}
	if r.HTTP2 {
		text += " by HTTP/2"
	}
	return text
}

func method(r Request) string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

// Client sends the requests of a case to an Envoy.
type Client struct {
	HTTP, HTTPS string // addresses
	Of          *Case
}

// Ask sends a request as often as it says, and tells what came of it with the names of
// the files.
func (c *Client) Ask(r Request) (told Answer, err error) {
	text, err := json.Marshal(c.answers(r))
	if err != nil {
		return told, err
	}
	return told, json.Unmarshal([]byte(c.Of.named(string(text))), &told)
}

func (c *Client) answers(r Request) Answer {
	switch {
	case r.Times > 0:
		counts := map[string]int{}
		for range r.Times {
			a, _ := c.one(r, "")
			counts[c.Of.any(a).outcome()]++
		}
		return Answer{Counts: counts}
	case r.Follow > 0:
		_, cookie := c.one(r, "")
		ports := map[string]bool{}
		for range r.Follow {
			if cookie != "" {
				a, _ := c.one(r, cookie)
				ports[a.outcome()] = true
			}
		}
		n, ok := len(ports), cookie != ""
		return Answer{Cookie: &ok, Endpoints: &n}
	}
	a, _ := c.one(r, "")
	return c.Of.any(a)
}

// any is an answer as if it was of the first endpoint of the Service that it is of.
func (c *Case) any(a Answer) Answer {
	if a.Upstream == nil {
		return a
	}
	u := *a.Upstream
	if first, ok := c.service[u.Port]; ok {
		u.Port = first
	}
	a.Upstream = &u
	return a
}

// one sends a request once. The cookie that it returns is the first that was set, as a
// Client sends it back.
func (c *Client) one(r Request, cookie string) (Answer, string) {
	conn, err := c.dial(r)
	if err != nil {
		return Answer{Error: cause(err)}, ""
	}
	defer conn.Close()
	if r.HTTP2 {
		return c.byHTTP2(conn, r)
	}
	sent := make(chan struct{})
	go func() { // while the answer is read: it may come before the body is sent
		defer close(sent)
		c.send(conn, r, cookie)
	}()
	a, set := c.receive(conn, r)
	conn.Close()
	<-sent
	return a, set
}

// cause is an error without the addresses and ports, which differ from run to run.
func cause(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}

func (c *Client) dial(r Request) (net.Conn, error) {
	source, to := c.Of.Address, c.HTTP
	if r.Source != "" {
		source = r.Source
	}
	if r.TLS != 0 {
		to = c.HTTPS
	}
	conn, err := (&net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}).Dial("tcp", to)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil || r.TLS == 0 {
		return conn, err
	}
	config := &tls.Config{ServerName: c.Of.own(r.Host), InsecureSkipVerify: true} // which certificate it is belongs to the answer
	if r.HTTP2 {
		config.NextProtos = []string{"h2"}
	}
	if r.SNI != "" {
		config.ServerName = c.Of.own(r.SNI)
	}
	if r.Cert != "" {
		pair, err := tls.LoadX509KeyPair(commonFolder+"/"+r.Cert+".crt", commonFolder+"/"+r.Cert+".key")
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		// It is sent whatever authorities the server names, as OpenSSL does.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return tls.Client(conn, config), nil
}

// send writes a request byte by byte as it is in the file. Errors show in the answer.
func (c *Client) send(conn net.Conn, r Request, cookie string) {
	w := bufio.NewWriter(conn)
	line := func(name, value string) { fmt.Fprintf(w, "%s: %s\r\n", name, value) }
	fmt.Fprintf(w, "%s %s HTTP/1.1\r\n", method(r), c.Of.own(r.Path))
	line("Host", c.Of.own(r.Host))
	line("User-Agent", "t")
	line("Accept", "*/*")
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		value := r.Header[name]
		if n, err := strconv.Atoi(strings.TrimPrefix(value, "@")); err == nil && value[0] == '@' {
			value = strings.Repeat("x", n)
		}
		line(name, c.Of.own(value))
	}
	if cookie != "" {
		line("Cookie", cookie)
	}
	if r.User != "" {
		line("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(r.User)))
	}
	if r.Drip != 0 {
		line("X-Echo-Drip", drip)
	}
	if r.Header["Connection"] == "" {
		line("Connection", "close")
	}
	var body io.Writer = w
	switch {
	case r.Chunked != 0:
		line("Transfer-Encoding", "chunked")
		fmt.Fprint(w, "\r\n")
		chunks := &chunked{w}
		defer w.Flush()
		defer chunks.end()
		body = chunks
	case r.Body > 0:
		line("Content-Length", strconv.Itoa(r.Body))
		fallthrough
	default:
		fmt.Fprint(w, "\r\n")
		defer w.Flush()
	}
	block := []byte(strings.Repeat("x", 1<<16))
	for left := r.Body; left > 0; left -= len(block) {
		if _, err := body.Write(block[:min(left, len(block))]); err != nil {
			return
		}
	}
}

// chunked writes a body in chunks.
type chunked struct{ *bufio.Writer }

// Write implements io.Writer.
func (c *chunked) Write(p []byte) (int, error) {
	fmt.Fprintf(c.Writer, "%x\r\n", len(p))
	_, _ = c.Writer.Write(p) // an error comes again
	_, err := c.WriteString("\r\n")
	return len(p), err
}

func (c *chunked) end() { _, _ = c.WriteString("0\r\n\r\n") }

// receive reads the answer, and the first cookie that it sets.
func (c *Client) receive(conn net.Conn, r Request) (Answer, string) {
	in := bufio.NewReader(conn)
	got, err := http.ReadResponse(in, &http.Request{Method: method(r)})
	for err == nil && got.StatusCode == http.StatusContinue {
		got, err = http.ReadResponse(in, &http.Request{Method: method(r)})
	}
	if err != nil {
		return Answer{Error: cause(err)}, ""
	}
	return c.told(conn, r, got)
}

// byHTTP2 sends a request by HTTP/2.
func (c *Client) byHTTP2(conn net.Conn, r Request) (Answer, string) {
	to := &http.Request{Method: method(r), URL: &url.URL{Scheme: "https", Host: c.Of.own(r.Host), Opaque: c.Of.own(r.Path)}, Host: c.Of.own(r.Host),
		Header: http.Header{"User-Agent": {"t"}, "Accept": {"*/*"}}}
	for name, value := range r.Header {
		to.Header[http.CanonicalHeaderKey(name)] = []string{c.Of.own(value)}
	}
	if name, password, ok := strings.Cut(r.User, ":"); ok {
		to.SetBasicAuth(name, password)
	}
	if r.Body > 0 {
		to.Body, to.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", r.Body))), int64(r.Body)
	}
	transport := http.Transport{DisableCompression: true, Protocols: new(http.Protocols),
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	transport.Protocols.SetHTTP2(true)
	got, err := transport.RoundTrip(to)
	if err != nil {
		return Answer{Error: cause(err)}, ""
	}
	return c.told(conn, r, got)
}

// told is what an answer tells, and the first cookie that it sets.
func (c *Client) told(conn net.Conn, r Request, got *http.Response) (Answer, string) {
	a := Answer{Status: got.StatusCode, Headers: kept(got.Header), Served: got.Header.Get(servedHeader) != ""}
	if secure, ok := conn.(*tls.Conn); ok {
		a.Certificate = certified(secure.ConnectionState().PeerCertificates[0].Subject.CommonName)
	}
	cookie := ""
	if cookies := got.Header.Values("Set-Cookie"); len(cookies) > 0 {
		cookie, _, _ = strings.Cut(cookies[0], ";")
	}
	if got.StatusCode == http.StatusSwitchingProtocols {
		return a, cookie
	}
	body, _ := io.ReadAll(got.Body) // what came counts, as far as it came
	if a.Upstream = c.Of.upstream(body); a.Upstream == nil && r.Drip != 0 {
		n := len(body)
		a.BodyBytes = &n
	}
	return a, cookie
}

// certified is the name in a certificate, if it is worth telling. That which stands in for
// one that is missing is valid for nobody, so its name is no difference.
func certified(name string) string {
	switch name {
	case covering:
		return ""
	case "legation-stand-in.invalid", "Kubernetes Ingress Controller Fake Certificate":
		return "one that stands in"
	}
	return name
}

// Headers of an answer, besides those of CORS, and of what a backend received that count.
var (
	answered = []string{"location", "set-cookie", "www-authenticate", "strict-transport-security", "x-frame-options",
		"x-content-type-options", "vary", "server", "retry-after"}
	received = []string{"host", "x-seen", "x-echo-copied", "x-forwarded-prefix", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port",
		"x-forwarded-for", "authorization", "x-auth-request-user", "x-auth-request-email", "x-code", "x-format",
		"x-original-uri", "x-namespace", "x-ingress-name", "x-service-name", "x-service-port", "x-site", "ssl-client-verify",
		"ssl-client-subject-dn", "ssl-client-cert", "cookie", "connection", "upgrade", "x-original-forwarded-host"}

	expires = regexp.MustCompile(`(?i)expires=[^;]+`)
)

// kept are the headers of an answer that count, without what is by chance or by the clock.
func kept(all http.Header) map[string]string {
	out := map[string]string{}
	for name, values := range all {
		name = strings.ToLower(name)
		if slices.Contains(answered, name) || strings.HasPrefix(name, "access-control-") {
			out[name] = strings.Join(values, between)
		}
	}
	if cookie, ok := out["set-cookie"]; ok {
		out["set-cookie"] = expires.ReplaceAllString(cookie, "Expires=*")
	}
	return out
}

// upstream is what of the answer of a backend counts; nil if it is not of one.
func (c *Case) upstream(body []byte) *upstream {
	var e echoed
	if json.Unmarshal(body, &e) != nil || e.Address == "" {
		return nil
	}
	u := e.upstream
	u.Headers = map[string]string{}
	for name, value := range e.Headers {
		if !slices.Contains(received, name) || name == "connection" && value == "close" {
			continue
		}
		if len(value) >= longest {
			value = fmt.Sprintf("<%d bytes>", len(value))
		}
		u.Headers[name] = value
	}
	if e.Address != c.Address {
		u.Foreign = e.Address
	}
	return &u
}

// outcome is an answer as Counts have it: status or error, and the port of the backend.
func (a Answer) outcome() string {
	what, port := fmt.Sprint(a.Status), "-"
	if a.Error != "" {
		what = a.Error
	}
	if a.Upstream != nil {
		port = fmt.Sprint(a.Upstream.Port)
	}
	return what + "@" + port
}
