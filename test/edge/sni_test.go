//go:build real

package edge

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"testing"

	"legation.dev/translator/input"
)

// TestSNI: a name in SNI is compared without regard to case. With a dot at its end, which
// RFC 6066, 3 does not allow, it is nobody's: a second name in each chain would cost
// Envoy's main thread a fifth more at each change of a TLS host.
func TestSNI(t *testing.T) {
	w := shop(t)
	w.ingress("wild", "*.wild.example.com", true, route{"/", input.PathPrefix, "web"})
	w.start(t)
	for sni, want := range map[string]string{
		"tls.example.com": "tls.example.com", "TLS.Example.Com": "tls.example.com", "tls.example.com.": "stand-in", "TLS.EXAMPLE.COM.": "stand-in",
		"x.wild.example.com.": "stand-in", "X.wild.example.com": "*.wild.example.com",
		"tls.example.com..": "stand-in", "wild.example.com.": "stand-in", ".tls.example.com": "stand-in",
	} {
		if got := shown(t, w.https, sni); got != want {
			t.Errorf("%s: got the certificate of %s, want %s", sni, got, want)
		}
	}
}

// shown is whose certificate a client is shown that writes sni just so: crypto/tls would
// mend it. The handshake fails, since the server heard another name, but after that.
func shown(t *testing.T, port int, sni string) (name string) {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stand := string(bytes.Repeat([]byte("x"), len(sni)))
	client := tls.Client(&rewriter{conn, []byte(stand), []byte(sni)}, &tls.Config{ServerName: stand, InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			leaf, err := x509.ParseCertificate(raw[0])
			if err == nil {
				name = leaf.Subject.CommonName
			}
			return err
		}})
	client.HandshakeContext(t.Context())
	return name
}

// rewriter replaces a text in what is written.
type rewriter struct {
	net.Conn
	from, to []byte // equally long
}

func (r *rewriter) Write(b []byte) (int, error) {
	return r.Conn.Write(bytes.ReplaceAll(b, r.from, r.to))
}
