package delta

import (
	"slices"
	"testing"

	"legation.dev/xds/snapshot"
)

// TestPieces divides what is too much for one response; what is too large by
// itself goes alone.
func TestPieces(t *testing.T) {
	var list []*snapshot.Resource
	for _, size := range []int{1, 3 << 20, 1 << 19, 5 << 20, 1, 1} {
		list = append(list, snapshot.FromBytes(snapshot.VirtualHost, "rc/a", "1", make([]byte, size), snapshot.Meta{}))
	}
	var got []int
	for _, part := range chunks(list, len(list), maxBytes) {
		got = append(got, len(part))
	}
	if want := []int{3, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("responses of %v resources, want %v", got, want)
	}
	if got := len(chunks(list, 2, 1<<30)); got != 3 {
		t.Errorf("%d responses of at most 2 resources each, want 3", got)
	}
}
