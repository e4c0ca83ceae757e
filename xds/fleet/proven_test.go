package fleet

import (
	"testing"

	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

func configOf(version string) *snapshot.Resource {
	return snapshot.FromBytes(snapshot.ExtensionConfig, "https", version, []byte(version), snapshot.Meta{})
}

func TestProven(t *testing.T) {
	r := New(Config{})
	ref := snapshot.Ref{Type: snapshot.ExtensionConfig, Name: "https"}
	a, b := r.Join(Node{ID: "a", Fleet: "x"}, start), r.Join(Node{ID: "b", Fleet: "x"}, start)
	kept := b.Suspects()
	if kept.Proven(ref) != nil || (Suspects{}).Proven(ref) != nil {
		t.Error("something is proven, and nobody runs it")
	}
	a.Suspect(ref, "9")
	for _, v := range []string{"1", "2", "3", "4", "5", "3", "3"} {
		a.Prove(configOf(v))
	}
	for name, s := range map[string]Suspects{"kept": kept, "now": b.Suspects()} {
		got := ""
		for _, r := range s.Proven(ref) {
			got += r.Version
		}
		if got != "3542" {
			t.Errorf("%s: proven are %q, want 3542: the newest four, the newest first", name, got)
		}
	}
	if r.Join(Node{ID: "a", Fleet: "y"}, start).Suspects().Proven(ref) != nil {
		t.Error("proven in another fleet")
	}
}

// TestBehindWithoutHTTPConfiguration: an Envoy that rejected its first HTTP configuration
// serves nothing, so that is still to come; one that rejected a later one runs the one
// before. Both are behind.
func TestBehindWithoutHTTPConfiguration(t *testing.T) {
	var want snapshot.Snapshot
	want = want.With(snapshot.ExtensionConfig, want.Of(snapshot.ExtensionConfig).Set("https", configOf("2")))
	var status delta.Status
	status.Types[snapshot.ExtensionConfig] = delta.TypeStatus{Requested: true, Rejected: []delta.Rejection{{Name: "https", Version: "2"}}}
	expect := func(what string, got []snapshot.Ref, lacks bool) {
		t.Helper()
		if lacks != (len(got) == 1 && got[0].String() == "ECDS https") {
			t.Errorf("%s: %v", what, got)
		}
	}
	expect("behind with none", Behind(want, status), true)
	expect("due with none", Due(want, status), true)
	status.Types[snapshot.ExtensionConfig].Have = want.Of(snapshot.ExtensionConfig).Set("https", configOf("1"))
	expect("behind with an older one", Behind(want, status), true)
	expect("due with an older one", Due(want, status), false)
}
