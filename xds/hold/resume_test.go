package hold

import (
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/xds/snapshot"
)

// FuzzResume: whatever another process says of its certificates, what is held of them can be handed
// on as it is, and no host is served that nobody has.
func FuzzResume(f *testing.F) {
	secret, err := snapshot.New(snapshot.Secret, "shop.example.com", &tlsv3.Secret{Name: "shop.example.com", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		PrivateKey: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: "a key"}}}}}, snapshot.Meta{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("shop.example.com", secret.Body(), secret.Version, "shop", "shop.example.com/clients")
	f.Add("another.example.com", secret.Body(), secret.Version, "", "")
	f.Add("shop.example.com", secret.Body(), "another", "", "")
	f.Add("shop.example.com", []byte{}, snapshot.StandInVersion, "", "")
	f.Add("", []byte{1}, "", "", "")
	f.Fuzz(func(t *testing.T, name string, body []byte, version, namespace, need string) {
		said := held.LastCertificate{Fleet: "edge", Name: name, Body: body, Version: version, From: []object.Ref{{Kind: object.KindSecret, Namespace: namespace, Name: "s"}},
			Needs: []string{need}, Since: time.Unix(1, 0)}
		list := []held.LastCertificate{said, said}
		for _, c := range Resume(list).Certificates("edge") {
			var secret tlsv3.Secret
			if proto.Unmarshal(c.Body, &secret) != nil || secret.GetName() != name || c.Sum() != said.Sum() || c.Since != said.Since {
				t.Errorf("what is handed on is %+v, and was %+v", c, said)
			}
		}
		h, _ := Next(Resume(list), snapshot.Snapshot{}, held.Clock{Now: time.Unix(3, 0)})
		if got := h.Adopt(list, true).Snapshot.Of(snapshot.Secret).Len(); got > 0 {
			t.Errorf("%d certificates of hosts that nobody has are served", got)
		}
	})
}
