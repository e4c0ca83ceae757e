package inspect

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
)

// TestProblemLog: a Problem is a line when it appears and one when it is gone, with
// its code and how bad it is; what is only information is no warning.
func TestProblemLog(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	p := NewProblems(log, fleet.New(fleet.Config{}), nil)
	at := object.Origin{Object: object.Ref{Kind: object.KindIngress, Namespace: "shop", Name: "web"}, Field: "f", File: "a.yaml:3"}
	begin := time.Unix(1000, 0)
	p.look([]finding.Problem{finding.NoService.Of(at, "")}, begin)
	at.File = "a.yaml:4"
	again := p.look([]finding.Problem{finding.NoService.Of(at, "")}, begin.Add(time.Minute)) // a line was written above it
	if len(again) != 1 || again[0].File != at.File || again[0].since != begin {
		t.Errorf("a Problem that stands in another line is known as %v", again)
	}
	p.look([]finding.Problem{finding.RestrictsNobody.Of(at, "")}, begin.Add(time.Minute))
	want := `level=WARN msg=problem object="Ingress shop/web" file=a.yaml:3 field=f message="there is no such Service; the endpoints that it had are used for 10 s, then requests to it answer 503" code=NoService severity=error
level=INFO msg=problem object="Ingress shop/web" file=a.yaml:4 field=f message="is not honoured; with this value it restricts nobody" code=RestrictsNobody severity=info
level=INFO msg="problem solved" object="Ingress shop/web" file=a.yaml:4 field=f message="there is no such Service; the endpoints that it had are used for 10 s, then requests to it answer 503" code=NoService severity=error
`
	if text.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", text.String(), want)
	}
}

// TestProblemLogSettles: a moment without an endpoint is part of a roll-out, and no line.
func TestProblemLogSettles(t *testing.T) {
	var text bytes.Buffer
	p := NewProblems(slog.New(slog.NewTextHandler(&text, nil)), fleet.New(fleet.Config{}), nil)
	list := []finding.Problem{finding.NoReadyEndpoint.Of(object.Origin{Object: object.Ref{Kind: object.KindService, Namespace: "shop", Name: "web"}}, "")}
	now := time.Unix(1000, 0)
	for _, step := range []struct {
		list  []finding.Problem
		after time.Duration
		lines int
	}{{list, 0, 0}, {nil, 10 * time.Second, 0}, {list, time.Minute, 0}, {list, 14 * time.Second, 0}, {list, 2 * time.Second, 1}, {list, time.Minute, 1}, {nil, time.Minute, 2}} {
		now = now.Add(step.after)
		if p.look(step.list, now); bytes.Count(text.Bytes(), []byte("\n")) != step.lines {
			t.Fatalf("want %d lines, got\n%s", step.lines, text.String())
		}
	}
}

// TestRejections: what an Envoy rejects is a Problem of the objects it came from.
func TestRejections(t *testing.T) {
	var status delta.Status
	status.Types[snapshot.Cluster].Rejected = []delta.Rejection{{Name: "shop/api/80", Message: "bad", From: []object.Ref{
		{Kind: object.KindService, Namespace: "shop", Name: "api"}, {Kind: object.KindIngressClass, Name: "edge"}}}}
	var got []string
	for _, p := range rejections([]fleet.Envoy{{Node: fleet.Node{ID: "one", Fleet: "edge"}, Status: status}}) {
		got = append(got, p.Error())
	}
	const what = `: Envoy one of class edge rejects the CDS resource shop/api/80 made of it and keeps the last good one: bad`
	if want := []string{"Service shop/api" + what, "IngressClass edge" + what}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	status.Types[snapshot.Cluster].Rejected[0].Lacks = true
	list := rejections([]fleet.Envoy{{Node: fleet.Node{ID: "one", Fleet: "edge"}, Status: status}})
	if text := list[0].Message; !strings.Contains(text, "made of it and has no earlier one: bad") {
		t.Errorf("of an Envoy without the resource: %q", text)
	}
}

// TestProblemsOf: they are asked for by object, a file among them.
func TestProblemsOf(t *testing.T) {
	web := object.Ref{Kind: object.KindService, Namespace: "shop", Name: "web"}
	file := object.Ref{Kind: object.KindFile, Name: "shop/web.yaml"}
	p := NewProblems(slog.New(slog.DiscardHandler), fleet.New(fleet.Config{}), nil)
	p.remember(p.look([]finding.Problem{{Object: web, Message: "one"}, {Object: file, Message: "two"},
		{Object: object.Ref{Kind: object.KindIngress, Namespace: "shop", Name: "web"}, Message: "three"}}, time.Unix(1000, 0)), nil)
	var got []string
	for _, one := range p.Of(func(o object.Ref) bool { return o == web || o == file }) {
		got = append(got, one.GetObject()+": "+one.GetMessage())
	}
	if want := []string{"Service shop/web: one", "File shop/web.yaml: two"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
