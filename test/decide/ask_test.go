//go:build real

package decide

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"legation.dev/translator/route"
)

// client has connections to both listeners, and makes those that it lacks. It belongs to one
// goroutine.
type client struct {
	w    *suite
	open map[line]*conn
}

// line is what tells connections apart: the address of the client, and by TLS the name that
// it asks for and the certificate that it shows.
type line struct {
	proto, name, certificate string
	from                     netip.Addr
}

type conn struct {
	net.Conn
	*bufio.Reader
}

// lineOf is where a request goes. By TLS names play no part, unless the host asks for
// certificates: the chain for clients that name none takes requests to all hosts.
func lineOf(q request, c *route.Checked) line {
	l := line{proto: q.Proto, from: q.from}
	if name, _, _ := strings.Cut(strings.ToLower(q.Host), ":"); c != nil && q.Proto == "https" {
		l.name, l.certificate = strings.TrimSuffix(name, "."), q.certificate
	}
	return l
}

func (c *client) dial(l line) (*conn, error) {
	if known := c.open[l]; known != nil {
		return known, nil
	}
	to := c.w.HTTP
	if l.proto == "https" {
		to = c.w.HTTPS
	}
	plain, err := (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.from, 0))}).Dial("tcp", to)
	if err != nil {
		return nil, err
	}
	plain.SetDeadline(time.Now().Add(settleTimeout))
	made := &conn{plain, bufio.NewReader(plain)}
	if l.proto == "https" {
		config := &tls.Config{ServerName: l.name, InsecureSkipVerify: true} // the certificate is made for nobody
		if own := c.w.access.certificates[l.certificate]; own != nil {
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil }
		}
		secure := tls.Client(plain, config)
		made = &conn{secure, bufio.NewReader(secure)}
	}
	c.open[l] = made
	return made, nil
}

func (c *client) close() {
	for _, one := range c.open {
		one.Close()
	}
}

// ask sends a request, byte for byte as it is, and reads the answer.
func (c *client) ask(q request, l line) (*http.Response, error) {
	to, err := c.dial(l)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s: %d\r\n", q.Method, q.Path, q.Host, q.body, worldHeader, c.w.world.Load())
	if err := q.Headers.Write(&text); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(to, text.String()+"\r\n"+strings.Repeat("x", q.body)); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(to.Reader, &http.Request{Method: q.Method})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	if answer.Close { // as after a body that was not read
		to.Close()
		delete(c.open, l)
	}
	return answer, err
}
