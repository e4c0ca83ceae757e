package secret_test

import (
	"bytes"
	"testing"

	"legation.dev/translator/input"
	"legation.dev/translator/lower/secret"
	"legation.dev/translator/worlds"
)

// TestLower: a Secret is read once for both of its uses. What is canonical already takes no
// memory of its own, and what is not is the same certificate.
func TestLower(t *testing.T) {
	w := worlds.New(1, worlds.Size{Services: 1, Ingresses: 1, TLS: 1})
	var plain *input.Secret
	for _, c := range w.All() {
		if s, ok := c.Object.(*input.Secret); ok {
			plain = s
		}
	}
	of := func(certificate, key []byte) *input.Secret {
		return input.Seal(&input.Secret{Meta: plain.Meta, Certificate: certificate, Key: key})
	}
	good := secret.Lower(plain)
	if good.PairErr != nil || good.SeedErr != nil || len(good.Told) != 3 || !bytes.Equal(good.Seed, good.Pair.Key) {
		t.Fatalf("%v, %v, %v", good.PairErr, good.SeedErr, good.Told)
	}
	if &good.Pair.Chain[0] != &plain.Certificate[0] || &good.Pair.Key[0] != &plain.Key[0] {
		t.Error("canonical text was copied")
	}
	if l := secret.Lower(of(append([]byte("# mine\n"), plain.Certificate...), plain.Key)); !bytes.Equal(l.Pair.Chain, plain.Certificate) || l.PairErr != nil {
		t.Errorf("with a comment: %v", l.PairErr)
	}
	if l := secret.Lower(of(nil, plain.Key)); l.PairErr == nil || l.SeedErr != nil || !bytes.Equal(l.Seed, plain.Key) {
		t.Errorf("a key alone: %v, %v", l.PairErr, l.SeedErr)
	}
	if l := secret.Lower(of(plain.Certificate, nil)); l.PairErr == nil || l.PairErr != l.SeedErr || l.Pair.Chain != nil {
		t.Errorf("a certificate alone: %v, %v", l.PairErr, l.SeedErr)
	}
}
