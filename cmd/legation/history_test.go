package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/xds/admin/adminv1"
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

// TestHistoryTable: who changed what, and when, is told in the zone that is asked for; versions
// of endpoints alone are one line.
func TestHistoryTable(t *testing.T) {
	at := func(minute int) *timestamppb.Timestamp {
		return timestamppb.New(time.Date(2026, 11, 28, 12, minute, 0, 0, time.UTC))
	}
	answer := &adminv1.HistoryResponse{More: true, Versions: []*adminv1.Version{
		{Number: 17, Time: at(1), Cause: "Ingress shop/a, Ingress shop/b", Edits: []*adminv1.Edit{
			{Object: "Ingress shop/a", Manager: "helm", Time: at(0)}, {Object: "Ingress shop/b", Manager: "helm", Time: at(1)}, {Object: "Ingress shop/c", Deleted: true}, {Object: "Ingress shop/d", Manager: "kubectl-edit", Time: at(1)}}},
		{First: 18, Number: 57, Began: at(2), Time: at(9), Cause: "EndpointSlice shop/web-1"}}}
	var out bytes.Buffer
	if err := (&outputFlags{output: formatTable}).writeVersions(&out, answer, time.FixedZone("there", 2*60*60)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"17        2026-11-28 14:01:00  ", "  helm 14:01:00, kubectl-edit 14:01:00", "18-57     2026-11-28 14:09:00  ",
		"endpoints alone, 40 times since 14:02:00; last: EndpointSlice shop/web-1", "There are older ones"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

// TestDiffRequest: versions are named by numbers or by moments.
func TestDiffRequest(t *testing.T) {
	for _, c := range []struct {
		f    diffFlags
		args string
		ok   bool
	}{
		{diffFlags{}, "17 21", true},
		{diffFlags{historyFlags: historyFlags{at: "14:02"}}, "17", true},
		{diffFlags{historyFlags: historyFlags{since: "14:02"}}, "17", false},
		{diffFlags{historyFlags: historyFlags{at: "14:02"}}, "17 21", false},
		{diffFlags{}, "0", false},
	} {
		c.f.by = byResource
		if _, err := c.f.request(strings.Fields(c.args)); (err == nil) != c.ok {
			t.Errorf("%+v %s: %v", c.f, c.args, err)
		}
	}
}
