package snippet

import (
	"slices"
	"testing"

	"legation.dev/translator/route"
)

// TestText: a brace belongs to a variable if one is before its name, too.
func TestText(t *testing.T) {
	got, err := Text("{a: $host, b: ${scheme}, c: $uri}", parts)
	want := route.Text{{Literal: "{a: "}, {Part: route.Authority}, {Literal: ", b: "}, {Part: route.Scheme}, {Literal: ", c: "}, {Part: route.PathOnly}, {Literal: "}"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}
