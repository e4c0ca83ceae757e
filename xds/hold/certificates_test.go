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

// FuzzCertificates: whatever another process says of its certificates, what is held of them can be
// handed on as it is, and no host is served that nobody has.
func FuzzCertificates(f *testing.F) {
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
		said := held.LastCertificate{Name: name, Body: body, Version: version, From: []object.Ref{{Kind: object.KindSecret, Namespace: namespace, Name: "s"}},
			Needs: []string{need}, Since: time.Unix(1, 0)}
		told, clock := held.Certificates{}.With(said), held.Clock{Now: time.Unix(3, 0)}
		missing := base(map[snapshot.Ref]string{{Type: snapshot.Secret, Name: name}: "placeholder0"})
		h, _ := Next(Held{}, missing, told, clock)
		for _, c := range h.Certificates.All() {
			var secret tlsv3.Secret
			if len(c.Body) > 0 && (proto.Unmarshal(c.Body, &secret) != nil || secret.GetName() != name) || c.Sum() != said.Sum() || c.Since != said.Since {
				t.Errorf("what is handed on is %+v, and was %+v", c, said)
			}
		}
		if r, ok := h.Snapshot.Get(snapshot.Ref{Type: snapshot.Secret, Name: name}); !ok || r.Placeholder == h.Certificates.Has(name) {
			t.Errorf("%t is served, a placeholder: %t, held: %t", ok, r.Placeholder, h.Certificates.Has(name))
		}
		for when, before := range map[string]Held{"at first": {}, "then": h} {
			h, _ := Next(before, snapshot.Snapshot{}, told, clock)
			if served, kept := h.Snapshot.Of(snapshot.Secret).Len(), h.Certificates.Len(); served+kept > 0 {
				t.Errorf("%s: %d certificates of hosts that nobody has are served, and %d kept", when, served, kept)
			}
		}
	})
}

// TestAdopt: what another replica tells takes the place of what is held here, unless it cannot be
// used, or is of another namespace than the host.
func TestAdopt(t *testing.T) {
	ref := snapshot.Ref{Type: snapshot.Secret, Name: "shop.example.com"}
	of := func(namespace, key string) held.LastCertificate {
		r, err := snapshot.New(snapshot.Secret, ref.Name, &tlsv3.Secret{Name: ref.Name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			PrivateKey: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: key}}}}},
			snapshot.Meta{From: []object.Ref{{Kind: object.KindSecret, Namespace: namespace, Name: "s"}}})
		if err != nil {
			t.Fatal(err)
		}
		return lastOf(r, start)
	}
	gone := snapshot.FromBytes(ref.Type, ref.Name, "placeholder0", []byte("placeholder0"), snapshot.Meta{Placeholder: true, From: []object.Ref{{Kind: object.KindIngress, Namespace: "shop", Name: "web"}}})
	var missing snapshot.Snapshot
	missing = missing.With(ref.Type, missing.Of(ref.Type).Set(ref.Name, gone))
	own, other := of("shop", "own"), of("shop", "other")
	damaged := other
	damaged.Body = append([]byte("x"), other.Body...)
	standIn := held.LastCertificate{Name: ref.Name, Version: snapshot.StandInVersion}
	for name, c := range map[string]struct {
		has, told *held.LastCertificate
		want      string
	}{
		"nothing is told":                    {&own, nil, own.Version},
		"another one":                        {&own, &other, other.Version},
		"one that is not held here":          {nil, &other, other.Version},
		"a stand-in for good":                {&own, &standIn, "placeholder0"},
		"of another namespace":               {&own, ptr(of("blog", "other")), own.Version},
		"of another namespace, nothing here": {nil, ptr(of("blog", "other")), "placeholder0 (placeholder)"},
		"damaged":                            {&own, &damaged, own.Version},
	} {
		t.Run(name, func(t *testing.T) {
			var had held.Certificates
			if c.has != nil {
				had = had.With(*c.has)
			}
			h, _ := Next(Held{}, missing, had, held.Clock{Now: start})
			told := h.Certificates
			if c.told != nil {
				told = told.With(*c.told)
			}
			h, _ = Next(h, missing, told, held.Clock{Now: start})
			if got := shown(h, ref); got != c.want {
				t.Errorf("runs %s, want %s", got, c.want)
			}
			if one, ok := h.Certificates.Get(ref.Name); ok && one.Version != snapshot.StandInVersion && one.Version != c.want {
				t.Errorf("%s is held, and %s served", one.Version, c.want)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }
