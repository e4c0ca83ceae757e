package inspect

import (
	"slices"
	"testing"
)

// TestMeant: the nearest name is offered, if it is near; the first of those that are as near.
func TestMeant(t *testing.T) {
	among := []string{"shop", "ship", "checkout", "ab", "x"}
	for word, want := range map[string]string{
		"shpo": "shop", "sho": "shop", "shhop": "shop", "shap": "shop", "shop": "shop", "checkuot": "checkout", "chekout": "checkout", "checkou1": "checkout",
		"chck": "", "other": "", "abc": "ab", "b": "", "": "",
	} {
		if want != "" {
			want = ": did you mean " + want + "?"
		}
		if got := meant(word, slices.Values(among)); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

// TestDistance: what is far is no nearer than it was asked for, and cheap.
func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"shop", "shpo", 1}, {"kitten", "sitting", 3}, {"abcdef", "a", 3}, {"ca", "abc", 3}} {
		if got := distance(c.a, c.b, 3); got != c.want {
			t.Errorf("%q and %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
