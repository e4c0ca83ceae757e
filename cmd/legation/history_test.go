package main

import (
	"testing"
	"time"
)

// TestHistoryRequest: an object is named as kubectl does, and what is wrong names the flag.
func TestHistoryRequest(t *testing.T) {
	f := historyFlags{object: "ingress/shop/checkout", zone: "UTC", at: "1h"}
	if r, zone, err := f.request(time.Now()); err != nil || r.GetObject() != "Ingress shop/checkout" || zone != time.UTC || r.GetAt() == nil || r.GetSince() != nil {
		t.Errorf("got %v, %v, %v", r, zone, err)
	}
	for _, f := range []historyFlags{{object: "checkout"}, {object: "pod/shop/x"}, {zone: "Nowhere/At_All"}, {since: "then"}, {at: "then"}} {
		if r, _, err := f.request(time.Now()); err == nil {
			t.Errorf("%+v is taken as %v", f, r)
		}
	}
}
