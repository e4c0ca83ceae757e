package state

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
)

// closes is what settings that are held would close.
var closes = held.Closes{{Name: "http"}, {Name: "https", Chains: 2}}

// withHolds is a View with all that one can hold: hosts that leave, of which Secrets and
// Services are gone, a class that is gone, settings that are not in force, claims, a certificate.
func withHolds(t testing.TB) input.View {
	t.Helper()
	w := worlds.New(1, worlds.Size{Services: 2, Endpoints: 1, Ingresses: 12, TLS: 1})
	now := time.Now()
	before := input.View{}.With(w.All()...)
	before = before.Guard(input.View{}, held.Clock{Now: now, Fresh: now})
	var gone []input.Change
	for _, c := range w.All() {
		switch c.Ref.Kind {
		case object.KindIngress, object.KindSecret, object.KindService:
			gone = append(gone, input.Delete(c.Ref))
		}
	}
	clock := held.Clock{Now: now, Fresh: now}
	v := before.With(gone...).WithTime(now).Hold(before, clock, nil)
	moved := lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: worlds.Namespace, Name: worlds.Settings}, Data: map[string]string{"http-port": "8081"}}))
	v = v.With(moved).Hold(v, clock, map[string]held.Closes{worlds.Class: closes})
	if _, isHeld := v.HeldSettings(worlds.Class); !isHeld {
		t.Fatal("no settings are held")
	}
	v, err := v.Pause(worlds.Other, input.Pause{By: "me", Reason: "a test", Since: now}, clock)
	if err != nil || len(v.Deletions()) == 0 {
		t.Fatalf("the View does not hold what it should: %v", err)
	}
	return v.WithCertificate(input.CertificateEntry{Fleet: worlds.Class, LastCertificate: held.LastCertificate{Name: "gone.example.com", Body: []byte("with a key"), Version: "1",
		From: []object.Ref{{Kind: object.KindSecret, Namespace: worlds.Namespace, Name: "gone"}}, Since: now}})
}

// TestPack: a View that comes back holds the same, and has read the same but for Secrets.
func TestPack(t *testing.T) {
	v := withHolds(t)
	at := time.Now().Truncate(time.Second)
	text, err := Pack("here", v, at, at)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Unpack(text, "here", at.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if h, _ := got.HeldSettings(worlds.Class); !slices.Equal(h.Closes, closes) || h.Why == "" {
		t.Errorf("settings that are held close %v, as they say: %s", h.Closes, h.Why)
	}
	if got.HoldDigest() != v.HoldDigest() || !got.Stored().Equal(at) {
		t.Errorf("what came back holds something else, or is of %s, want %s", got.Stored(), at)
	}
	if got.ReadDigest() != v.ReadDigest() {
		t.Error("what came back has read something else")
	}
	for name, text := range map[string][]byte{"another source": text, "cut": text[:len(text)-1], "nothing": nil} {
		source := "here"
		if name == "another source" {
			source = "there"
		}
		if _, err := Unpack(text, source, at); err == nil {
			t.Errorf("%s is used", name)
		}
	}
}

// FuzzUnpack: whatever another replica says, there is a View or an error, and the View can be
// handed on.
func FuzzUnpack(f *testing.F) {
	v := withHolds(f)
	var lines bytes.Buffer
	values := json.NewEncoder(&lines)
	for e := range both(v.Entries(), v.KeptSecrets()) {
		if err := values.Encode(e); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(lines.Bytes())
	for line := range bytes.Lines(lines.Bytes()) {
		f.Add(bytes.Clone(line))
	}
	f.Add([]byte(`{"settings":{"Class":"edge","Parameters":{"Kind":"ConfigMap","Namespace":"a","Name":"b"}},"kind":"ConfigMap","object":{"Namespace":"a","Name":"c"}}`))
	f.Add([]byte(`{"leaving":{"Class":"edge","Host":"*","Of":[{"kind":"Service","object":{"Name":"b"}}]}}`))
	f.Fuzz(func(t *testing.T, lines []byte) {
		var body bytes.Buffer
		packed := gzip.NewWriter(&body)
		h, err := json.Marshal(header{Schema: input.EntrySchema(), Source: "here", Read: time.Unix(1, 0), Told: time.Unix(1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(packed, "%s\n%s", h, lines)
		if err := packed.Close(); err != nil {
			t.Fatal(err)
		}
		v, err := Unpack(summed(body.Bytes()), "here", time.Unix(2, 0))
		if err != nil {
			return
		}
		again, err := Pack("here", v, time.Unix(1, 0), time.Unix(1, 0))
		if err != nil {
			t.Fatal(err)
		}
		if w, err := Unpack(again, "here", time.Unix(2, 0)); err != nil || w.HoldDigest() != v.HoldDigest() || w.ReadDigest() != v.ReadDigest() {
			t.Errorf("what was handed on is something else: %v", err)
		}
	})
}
