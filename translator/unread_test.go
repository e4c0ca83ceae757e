package translator

import (
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/worlds"
)

// TestUnread: a Secret that may not be read is told as that, and not as missing; what was
// read of it stays, and one that may be read again is as if nothing had been.
func TestUnread(t *testing.T) {
	w := worlds.New(3, worlds.Size{Services: 2, Endpoints: 1, Ingresses: 3, TLS: 1})
	view := input.View{}.With(w.All()...)
	whole := Translate(Result{}, view)
	var ref object.Ref
	for _, s := range view.Secrets().All() {
		ref = s.Ref()
	}
	secret, _ := view.Secret(ref.Key())
	codes := func(r Result) map[finding.Code]bool {
		found := map[finding.Code]bool{}
		for _, p := range r.Problems(time.Time{}) {
			if p.Value == ref.Key() {
				found[p.Code] = true
			}
		}
		return found
	}
	step := func(prev Result, c input.Change) Result {
		view = view.With(c)
		next := Translate(prev, view)
		if full := Translate(Result{}, view); full.Digest() != next.Digest() {
			t.Errorf("%+v: incremental and full differ: %s", c, firstDifference(next, full))
		}
		return next
	}
	denied := input.Change{Ref: ref, Unread: "forbidden"}
	kept := step(whole, denied)
	if f, _ := kept.Fleet(worlds.Class); f == nil || !codes(kept)[finding.SecretNotRead] {
		t.Errorf("of one that was read: %v", codes(kept))
	} else if before, _ := whole.Fleet(worlds.Class); f.Snapshot.Digest() != before.Snapshot.Digest() {
		t.Error("what was read did not stay")
	}
	never := step(step(kept, input.Delete(ref)), denied)
	if got := codes(never); !got[finding.SecretNotRead] || got[finding.NoSecret] {
		t.Errorf("of one that never was read: %v", got)
	}
	if back := step(never, input.Change{Ref: ref, Object: secret}); back.Digest() != whole.Digest() {
		t.Error("it may be read again, and something is left")
	}
}
