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
// serves nothing, so it is behind; one that rejected a later one runs the one before.
func TestBehindWithoutHTTPConfiguration(t *testing.T) {
	var want snapshot.Snapshot
	want = want.With(snapshot.ExtensionConfig, want.Of(snapshot.ExtensionConfig).Set("https", configOf("2")))
	var status delta.Status
	status.Types[snapshot.ExtensionConfig] = delta.TypeStatus{Requested: true, Rejected: []delta.Rejection{{Name: "https", Version: "2"}}}
	if got := Behind(want, status); len(got) != 1 || got[0].String() != "ECDS https" {
		t.Errorf("with none it lacks %v, want ECDS https", got)
	}
	status.Types[snapshot.ExtensionConfig].Have = want.Of(snapshot.ExtensionConfig).Set("https", configOf("1"))
	if got := Behind(want, status); got != nil {
		t.Errorf("with an older one it lacks %v", got)
	}
}
