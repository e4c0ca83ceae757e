package object

import "testing"

// TestParse: what people write is the object that String prints so.
func TestParse(t *testing.T) {
	for _, r := range []Ref{
		{Kind: KindIngress, Namespace: "shop", Name: "checkout"},
		{Kind: KindIngressClass, Name: "edge"},
		{Kind: KindFile, Name: "shop.yaml"},
		{Kind: KindFile, Name: "shop/eu/ingress.yaml"},
	} {
		if got, ok := Parse(r.String()); !ok || got != r {
			t.Errorf("%s: %#v, want %#v", r, got, r)
		}
	}
	for _, text := range []string{"", "Ingress", "Ingress shop/", " shop/checkout"} {
		if got, ok := Parse(text); ok {
			t.Errorf("%q: %#v", text, got)
		}
	}
}
