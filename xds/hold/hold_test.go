package hold

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/xds/snapshot"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// resource is one of a version; a version that begins with "placeholder" is one.
func resource(ref snapshot.Ref, version string) *snapshot.Resource {
	return snapshot.FromBytes(ref.Type, ref.Name, version, []byte(version), snapshot.Meta{Placeholder: isPlaceholder(version)})
}

func isPlaceholder(version string) bool { return strings.HasPrefix(version, "placeholder") }

// base is a snapshot of versions.
func base(versions map[snapshot.Ref]string) snapshot.Snapshot {
	var s snapshot.Snapshot
	for ref, version := range versions {
		if version != "" {
			s = s.With(ref.Type, s.Of(ref.Type).Set(ref.Name, resource(ref, version)))
		}
	}
	return s
}

// shown prints what a fleet runs under a name: its version, and whether an Envoy
// that has something keeps that; empty for nothing.
func shown(h Held, ref snapshot.Ref) string {
	r, ok := h.Snapshot.Get(ref)
	switch {
	case !ok:
		return ""
	case r.Placeholder:
		return r.Version + " (placeholder)"
	}
	return r.Version
}

// TestNext plays what the translator makes of one resource, at seconds after
// the start; a step without a version removes it.
func TestNext(t *testing.T) {
	type step struct {
		at      int
		version string
		want    string
		wake    int // 0: never
	}
	endpoints := snapshot.Ref{Type: snapshot.Endpoints, Name: "shop/api/80"}
	certificate := snapshot.Ref{Type: snapshot.Secret, Name: "shop.example.com"}
	for _, c := range []struct {
		name  string
		ref   snapshot.Ref
		steps []step
	}{
		{"slices that are late keep the last endpoints", endpoints, []step{
			{0, "a", "a", 0}, {5, "placeholder0", "a", 15}, {8, "b", "b", 0}, {60, "b", "b", 0}}},
		{"slices that never come end after the grace", endpoints, []step{
			{0, "a", "a", 0}, {5, "placeholder0", "a", 15}, {14, "placeholder0", "a", 15}, {15, "placeholder0", "placeholder0", 0}, {99, "placeholder0", "placeholder0", 0}}},
		{"another stand-in does not begin the grace anew", endpoints, []step{
			{0, "a", "a", 0}, {5, "placeholder1", "a", 15}, {10, "placeholder2", "a", 15}, {15, "placeholder2", "placeholder2", 0}, {16, "placeholder3", "placeholder3", 0}}},
		{"a second time has a grace of its own", endpoints, []step{
			{0, "a", "a", 0}, {5, "placeholder0", "a", 15}, {15, "placeholder0", "placeholder0", 0}, {20, "b", "b", 0}, {21, "placeholder0", "b", 31}}},
		{"a fleet without a last one gets the stand-in", endpoints, []step{
			{0, "placeholder0", "placeholder0 (placeholder)", 10}, {10, "placeholder0", "placeholder0", 0}}},
		{"what goes is gone at once", endpoints, []step{
			{0, "a", "a", 0}, {5, "placeholder0", "a", 15}, {6, "", "", 0}}},
		{"a missing Secret keeps the last good certificate", certificate, []step{
			{0, "a", "a", 0}, {5, "placeholder0", "a", 0}, {86400, "placeholder0", "a", 0}, {86401, "b", "b", 0}}},
		{"a Secret that never was there", certificate, []step{
			{0, "placeholder0", "placeholder0 (placeholder)", 0}, {99, "placeholder0", "placeholder0 (placeholder)", 0}, {100, "a", "a", 0}}},
		{"a host that no Ingress names any more loses its certificate", certificate, []step{
			{0, "a", "a", 0}, {1, "", "", 0}, {2, "placeholder0", "placeholder0 (placeholder)", 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h Held
			for _, s := range c.steps {
				var wake time.Time
				h, wake = Next(h, base(map[snapshot.Ref]string{c.ref: s.version}), h.Certificates, held.Clock{Now: start.Add(time.Duration(s.at) * time.Second)})
				due := 0
				if !wake.IsZero() {
					due = int(wake.Sub(start).Seconds())
				}
				if got := shown(h, c.ref); got != s.want || due != s.wake {
					t.Errorf("at %d s: runs %q, wakes at %d; want %q, %d", s.at, got, due, s.want, s.wake)
				}
			}
		})
	}
}

// kept is what one name should be, told without any data structure.
type kept struct {
	version string // of the base
	since   time.Time
	over    bool // the grace has ended
	shown   string
	final   bool // whether shown is not Placeholder
}

// next is the rule of Next for one name.
func (k kept) next(t snapshot.Type, version string, now, fresh time.Time) kept {
	was := k.version
	k.version = version
	graced := t == snapshot.Cluster || t == snapshot.Endpoints
	switch {
	case !isPlaceholder(version):
		k.shown, k.final, k.over = version, true, false
		return k
	case !isPlaceholder(was):
		k.since = now
	}
	k.over = k.over || graced && now.Sub(k.since) >= Grace && now.Sub(fresh) >= Grace
	switch {
	case k.over:
		k.shown, k.final = version, true
	case k.shown == "" || !k.final:
		k.shown, k.final = version, false
	}
	return k
}

// TestChangedHands: a host that has another owner, who has no certificate, is not served
// with that of the former one.
func TestChangedHands(t *testing.T) {
	ref := snapshot.Ref{Type: snapshot.Secret, Name: "shop.example.com"}
	of := func(namespace, version string) (s snapshot.Snapshot) {
		from := []object.Ref{{Kind: object.KindIngress, Namespace: namespace, Name: "web"}}
		r := snapshot.FromBytes(ref.Type, ref.Name, version, []byte(version), snapshot.Meta{Placeholder: isPlaceholder(version), From: from})
		return s.With(ref.Type, s.Of(ref.Type).Set(ref.Name, r))
	}
	h, _ := Next(Held{}, of("shop", "a"), held.Certificates{}, held.Clock{Now: start})
	if h, _ := Next(h, of("shop", "placeholder0"), h.Certificates, held.Clock{Now: start}); shown(h, ref) != "a" {
		t.Errorf("the same owner has %s, want the last certificate", shown(h, ref))
	}
	if h, _ := Next(h, of("blog", "placeholder0"), h.Certificates, held.Clock{Now: start}); shown(h, ref) != "placeholder0" {
		t.Errorf("another owner has %s, want the stand-in", shown(h, ref))
	}
}

// TestNextIsTheRule: random histories of several names at once follow the rule
// of each; where nothing is kept, the translator's own maps are shared.
func TestNextIsTheRule(t *testing.T) {
	var refs []snapshot.Ref
	for _, ty := range []snapshot.Type{snapshot.Cluster, snapshot.Endpoints, snapshot.Secret, snapshot.VirtualHost} {
		for i := range 3 {
			refs = append(refs, snapshot.Ref{Type: ty, Name: fmt.Sprint("n", i)})
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var (
			h        Held
			now      = start
			fresh    time.Time
			versions = map[snapshot.Ref]string{}
			model    = map[snapshot.Ref]kept{}
		)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 3, 10, 11}).Draw(t, "seconds")) * time.Second)
			if rapid.IntRange(0, 3).Draw(t, "trouble") == 0 {
				fresh = now
			}
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				ref := rapid.SampledFrom(refs).Draw(t, "ref")
				choice := []string{"", "a", "b", "placeholder1", "placeholder2"}
				if ref.Type == snapshot.VirtualHost { // is never a stand-in
					choice = choice[:3]
				}
				versions[ref] = rapid.SampledFrom(choice).Draw(t, "version")
			}
			var wake time.Time
			b := base(versions)
			h, wake = Next(h, b, h.Certificates, held.Clock{Now: now, Fresh: fresh})
			if !wake.IsZero() && !wake.After(now) {
				t.Fatalf("wakes at %v, which is not after %v", wake, now)
			}
			for _, ref := range refs {
				k := model[ref].next(ref.Type, versions[ref], now, fresh)
				model[ref] = k
				want := k.shown
				if !k.final && want != "" {
					want += " (placeholder)"
				}
				if got := shown(h, ref); got != want {
					t.Fatalf("%v runs %q, the rule says %q", ref, got, want)
				}
			}
			if !h.Snapshot.Of(snapshot.VirtualHost).Same(b.Of(snapshot.VirtualHost)) {
				t.Fatal("a map in which nothing is kept is not the base's own")
			}
		}
	})
}

// TestSpare: the sources of a snapshot that are no resources are the newest.
func TestSpare(t *testing.T) {
	ref := snapshot.Ref{Type: snapshot.Endpoints, Name: "shop/api/80"}
	source := func(version string) func(string) *snapshot.Resource {
		return func(string) *snapshot.Resource { return resource(ref, version) }
	}
	h, _ := Next(Held{}, base(map[snapshot.Ref]string{ref: "a"}).WithReserve(reserve{source("old"), source("old")}), held.Certificates{}, held.Clock{Now: start})
	h, _ = Next(h, base(map[snapshot.Ref]string{ref: "placeholder1"}).WithReserve(reserve{source("new"), source("new")}), h.Certificates, held.Clock{Now: start})
	if shown(h, ref) != "a" || h.Snapshot.Spare("x").Version != "new" || h.Snapshot.StandIn("x").Version != "new" {
		t.Errorf("runs %s, spare %s, stand-in %s", shown(h, ref), h.Snapshot.Spare("x").Version, h.Snapshot.StandIn("x").Version)
	}
}

// reserve is a snapshot.Reserve of two functions.
type reserve struct {
	spare, standIn func(string) *snapshot.Resource
}

func (r reserve) Spare(cluster string) *snapshot.Resource { return r.spare(cluster) }

func (r reserve) StandIn(secret string) *snapshot.Resource { return r.standIn(secret) }

func nothing(string) *snapshot.Resource { return nil }
