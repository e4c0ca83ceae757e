package redact

import (
	"bytes"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// keyText is what no answer for people may contain.
const keyText = "KEY-BYTES-9f86d081"

func inlineBytes(s string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: []byte(s)}}
}

func inlineString(s string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: s}}
}

func certificate() *tlsv3.TlsCertificate {
	return &tlsv3.TlsCertificate{CertificateChain: inlineString("CERTIFICATE"), PrivateKey: inlineBytes(keyText),
		Password: inlineString(keyText), Pkcs12: inlineBytes(keyText)}
}

func packed(t testing.TB, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// view is what people may see of a message.
func view(a *anypb.Any) *anypb.Any {
	return &anypb.Any{TypeUrl: a.TypeUrl, Value: View(a.TypeUrl, a.Value)}
}

func secrets() map[string]*tlsv3.Secret {
	return map[string]*tlsv3.Secret{
		"certificate": {Name: "s", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: certificate()}},
		"tickets": {Name: "s", Type: &tlsv3.Secret_SessionTicketKeys{SessionTicketKeys: &tlsv3.TlsSessionTicketKeys{
			Keys: []*corev3.DataSource{inlineString(keyText), inlineBytes(keyText)}}}},
		"generic": {Name: "s", Type: &tlsv3.Secret_GenericSecret{GenericSecret: &tlsv3.GenericSecret{
			Secret: inlineString(keyText), Secrets: map[string]*corev3.DataSource{"k": inlineString(keyText)}}}},
	}
}

func TestSecrets(t *testing.T) {
	for name, s := range secrets() {
		t.Run(name, func(t *testing.T) {
			r := packed(t, s)
			if !bytes.Contains(r.Value, []byte(keyText)) {
				t.Fatal("the secret has no key: this test proves nothing")
			}
			got := view(r)
			if bytes.Contains(got.Value, []byte(keyText)) || !bytes.Contains(got.Value, []byte(Text)) {
				t.Errorf("the view is %q", got.Value)
			}
		})
	}
}

// TestKeepsTheRest: what is no secret stays, and the resource itself is
// untouched.
func TestKeepsTheRest(t *testing.T) {
	r := packed(t, secrets()["certificate"])
	before := bytes.Clone(r.Value)
	got := new(tlsv3.Secret)
	if err := view(r).UnmarshalTo(got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "s" || got.GetTlsCertificate().GetCertificateChain().GetInlineString() != "CERTIFICATE" {
		t.Errorf("the view lost more than the key: %v", got)
	}
	if !bytes.Equal(before, r.Value) {
		t.Error("redaction changed the resource")
	}
}

// TestNested: a key inside a message inside an Any inside a listener.
func TestNested(t *testing.T) {
	tls := packed(t, &tlsv3.DownstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
		TlsCertificates: []*tlsv3.TlsCertificate{certificate()}}})
	r := packed(t, &listenerv3.Listener{Name: "https", FilterChains: []*listenerv3.FilterChain{{
		Name: "chain", TransportSocket: &corev3.TransportSocket{Name: "tls", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: tls}}}}})
	got := new(listenerv3.Listener)
	if err := view(r).UnmarshalTo(got); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(view(r).Value, []byte(keyText)) {
		t.Error("the key is in the view")
	}
	if c := got.FilterChains[0]; c.Name != "chain" || len(c.TransportSocket.GetTypedConfig().GetValue()) == 0 {
		t.Errorf("the view lost more than the key: %v", got)
	}
}

// TestUnreadable: what we cannot decode is not shown.
func TestUnreadable(t *testing.T) {
	unknownField := protowire.AppendString(protowire.AppendTag(nil, 999, protowire.BytesType), keyText)
	secret := packed(t, &tlsv3.Secret{}).TypeUrl
	for name, r := range map[string]*anypb.Any{
		"undecodable body": {TypeUrl: secret, Value: []byte("\xff" + keyText)},
		"unknown field":    {TypeUrl: secret, Value: unknownField},
		"unknown packed type": packed(t, &listenerv3.Listener{ListenerFilters: []*listenerv3.ListenerFilter{{
			ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: &anypb.Any{TypeUrl: "type.googleapis.com/no.Such", Value: []byte(keyText)}}}}}),
	} {
		if got := view(r); bytes.Contains(got.Value, []byte(keyText)) {
			t.Errorf("%s: the view is %v", name, got)
		}
	}
}
