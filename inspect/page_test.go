package inspect

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/worlds"
	"legation.dev/xds/store"
)

// TestPagesFollow: what is kept for pages is, after any changes, what it would be if it were
// made anew.
func TestPagesFollow(t *testing.T) {
	for seed := range uint64(5) {
		w := worlds.New(seed, worlds.Size{Services: 8, Endpoints: 2, Ingresses: 12, TLS: 0.7, Traced: true})
		var result translator.Result
		snapshots := store.New(store.Config{History: 8})
		of := func() translator.Result { return result }
		ends, draining, times := &Ends{Store: snapshots, Result: of}, &Draining{Result: of}, &Timeline{Store: snapshots}
		pass := func(changes ...input.Change) {
			result = translator.Translate(result, result.View().With(changes...))
			for f := range result.Fleets() {
				snapshots.Publish(f.Name, f.Snapshot, "test")
			}
		}
		pass(w.All()...)
		found := 0
		for range 80 {
			pass(w.Random())
			got, _, total := ends.ByEnd("", 1000)
			want, _, _ := (&Ends{Store: snapshots, Result: of}).ByEnd("", 1000)
			if a, b := endings(got), endings(want); a != b || total != len(got) {
				t.Fatalf("seed %d: certificates are\n%s\nwant\n%s", seed, a, b)
			}
			a, _ := draining.List(1000)
			b, _ := (&Draining{Result: of}).List(1000)
			if !slices.Equal(a, b) {
				t.Fatalf("seed %d: %v drain, want %v", seed, a, b)
			}
			steps, anew := times.Of(worlds.Class, 100), (&Timeline{Store: snapshots}).Of(worlds.Class, 100)
			if !slices.EqualFunc(steps, anew, func(a, b Step) bool {
				return a.Number == b.Number && a.Added == b.Added && a.Changed == b.Changed && a.Removed == b.Removed && a.Drains == b.Drains && a.First == b.First
			}) {
				t.Fatalf("seed %d: %v, want %v", seed, steps, anew)
			}
			found += len(got) + len(a) + len(steps)
		}
		if found == 0 {
			t.Error("nothing was ever found")
		}
	}
}

func endings(list []*Ending) string {
	var b strings.Builder
	for _, e := range list {
		state, _ := e.State(time.Unix(0, 0))
		b.WriteString(strings.Join([]string{e.Ends.String(), e.Fleet, e.Host, e.Issuer, state}, " ") + "\n")
	}
	return b.String()
}

// TestOverview: those that are asked for, the worst first, each once, are the same that a
// look at all of them finds.
func TestOverview(t *testing.T) {
	var list []known
	codes := []finding.Code{finding.NoService, finding.NoSecret, finding.CertificateEnds, finding.RestrictsNobody, finding.HostClaimed}
	for i := range 200 {
		ref := object.Ref{Kind: object.KindIngress, Namespace: []string{"a", "b", "c"}[i%3], Name: string(rune('a' + i%7))}
		list = append(list, known{Problem: codes[i*i%len(codes)].Of(object.Origin{Object: ref, Field: "f"}, "", "x", "y", "z")})
	}
	o := overviewOf(list)
	for _, q := range []ProblemQuery{{}, {Severity: finding.Error}, {Severity: finding.Info, Namespace: "b"}, {Code: finding.NoSecret}, {Code: finding.NoSecret, Namespace: "c"}, {Namespace: "none"}, {Code: "NoSuchCode"}} {
		var want []finding.Problem
		for _, one := range list {
			if (q.Severity == "" || one.Code.Row().Severity == q.Severity) && (q.Code == "" || one.Code == q.Code) && (q.Namespace == "" || one.Object.Namespace == q.Namespace) {
				want = append(want, one.Problem)
			}
		}
		slices.SortFunc(want, func(a, b finding.Problem) int {
			return cmp.Or(compareCodes(a.Code, b.Code), a.Object.Compare(b.Object), a.Compare(b))
		})
		var got []finding.Problem
		for q.Limit = 7; ; q.Skip += q.Limit {
			rows, total := o.Find(q)
			if total != len(want) {
				t.Fatalf("%+v: %d in all, want %d", q, total, len(want))
			}
			if len(rows) == 0 {
				break
			}
			for _, one := range rows {
				got = append(got, one.Problem)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: %d rows, want %d", q, len(got), len(want))
		}
	}
}

// TestHostsFrom: hosts are told once each, in order, from where they begin like the text.
func TestHostsFrom(t *testing.T) {
	w := worlds.New(7, worlds.Size{Services: 3, Ingresses: 40})
	v := input.View{}.With(w.All()...)
	var got []string
	for host := range v.HostsFrom("h0001") {
		got = append(got, host)
	}
	if len(got) != 10 || got[0] != worlds.HostOf(10) || !slices.IsSorted(got) {
		t.Errorf("%q", got)
	}
	for host := range v.HostsFrom("nothing") {
		t.Errorf("%q begins with nothing", host)
	}
}
