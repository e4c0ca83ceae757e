package main

import (
	"strings"
	"testing"
)

// TestByObject: a change stands at each object that has a part in it, and once where
// there is none.
func TestByObject(t *testing.T) {
	d := fleetDiff{Fleet: "edge", Changes: []changeText{
		{Change: "added", Type: "CDS", Name: "shop/web/80", From: []string{"Service shop/web"}, Effects: "none"},
		{Change: "changed", Type: "VHDS", Name: "ingress/a.test", From: []string{"Ingress shop/b", "Ingress shop/a"}, Effects: "stay"},
		{Change: "changed", Type: "LDS", Name: "https", From: []string{"Ingress shop/a"}, Drains: true, Effects: "drained"},
		{Change: "removed", Type: "VHDS", Name: "ingress/*", Effects: "stay"},
	}}
	var b strings.Builder
	if err := (&outputFlags{output: formatTable}).writeObjects(&b, d); err != nil {
		t.Fatal(err)
	}
	want := `fleet edge: 4 changes, 1 of them drain client connections
-                    removed   VHDS   ingress/*        stay
Ingress shop/a       changed   VHDS   ingress/a.test   stay
                   ! changed   LDS    https            drained
Ingress shop/b       changed   VHDS   ingress/a.test   stay
Service shop/web     added     CDS    shop/web/80      none
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
