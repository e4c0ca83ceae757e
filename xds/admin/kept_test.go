package admin

import (
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/held"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/hold"
	"legation.dev/xds/snapshot"
)

// FuzzKept: whatever another replica says of its certificates, there is an error or there are
// certificates that can be held and handed on as they are.
func FuzzKept(f *testing.F) {
	secret, err := proto.Marshal(&tlsv3.Secret{Name: "shop.example.com", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		PrivateKey: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: "a key"}}}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range []*adminv1.KeptCertificate{
		{},
		{Fleet: "edge", Name: "shop.example.com"},
		{Fleet: "edge", Name: "shop.example.com", Body: secret, Since: timestamppb.New(time.Unix(1, 0)), From: []string{"Secret shop/web"}, Needs: []string{"shop.example.com/clients"}},
		{Fleet: "edge", Name: "another.example.com", Body: secret, From: []string{"Secret"}},
	} {
		text, err := proto.Marshal(&adminv1.LastResponse{Certificates: []*adminv1.KeptCertificate{m, m}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var said adminv1.LastResponse
		if proto.Unmarshal(text, &said) != nil {
			return
		}
		var list []hold.Kept
		for _, m := range said.GetCertificates() {
			k, err := KeptOf(m)
			if err != nil {
				continue
			}
			list = append(list, k)
			again, err := KeptOf(MessageOf("edge", k))
			if err != nil || again.Sum() != k.Sum() || again.Name == "" || again.Name != m.GetName() {
				t.Errorf("what was handed on is %+v, and was %+v: %v", again, k, err)
			}
		}
		now := time.Unix(3, 0)
		h, _ := hold.Next(hold.Resume(list), snapshot.Snapshot{}, held.Clock{Now: now})
		if got := h.Adopt(list, true).Snapshot.Of(snapshot.Secret).Len(); got > 0 {
			t.Errorf("%d certificates of hosts that nobody has are served", got)
		}
	})
}
