package server

import (
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/xds/redact"
	"legation.dev/xds/snapshot"
)

// keyText is what no answer for people may contain.
const keyText = "KEY-BYTES-9f86d081"

func resource(t testing.TB, typ snapshot.Type, name string, m proto.Message, meta snapshot.Meta) *snapshot.Resource {
	t.Helper()
	r, err := snapshot.New(typ, name, m, meta)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// certificateSecret is a certificate with its key. The tests of xds/redact have all other
// places where a key may be.
func certificateSecret() *tlsv3.Secret {
	key := &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: keyText}}
	return &tlsv3.Secret{Name: "s", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{PrivateKey: key}}}
}

// TestRedactErrors: Envoy's error text reaches the log and the client status.
func TestRedactErrors(t *testing.T) {
	h := serve(t)
	h.store.Publish("nginx", world(t, 1, 0), "start")
	e := h.envoy("quotes", "nginx")
	e.ask(snapshot.Secret, "shop.example.com")
	e.nack(e.recv(), `Proto constraint validation failed: name: "s" tls_certificate { private_key { inline_bytes: "`+keyText+`" } }`)
	h.until("the NACK is logged", func() bool { return h.log.has("quotes", "constraint validation failed", redact.Text) })
	if h.log.has(keyText) {
		t.Error("the log contains key bytes")
	}
	h.until("the NACK is shown", func() bool {
		g := h.shown(snapshot.Ref{Type: snapshot.Secret, Name: "shop.example.com"})
		return strings.Contains(g.GetErrorState().GetDetails(), "constraint validation failed")
	})
	for _, c := range []struct{ typ, text, want string }{
		{snapshot.Secret.URL(), "cause: KEY_VALUES_MISMATCH", "cause: KEY_VALUES_MISMATCH"},
		{snapshot.Secret.URL(), "bad: -----BEGIN PRIVATE KEY-----", "bad: " + redact.Text},
		{snapshot.Cluster.URL(), `no "x" {}`, `no "x" {}`},
	} {
		if got := redactError(c.typ, c.text); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.text, got, c.want)
		}
	}
}
