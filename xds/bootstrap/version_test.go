package bootstrap_test

import (
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"legation.dev/xds/bootstrap"
)

// TestVersion: an Envoy says which bootstrap it was started with; what says nothing that
// can be is one of 0.1.
func TestVersion(t *testing.T) {
	b, err := bootstrap.New(fixed())
	if err != nil {
		t.Fatal(err)
	}
	if got := bootstrap.VersionOf(b.GetNode()); got != bootstrap.Version {
		t.Errorf("%d, want %d", got, bootstrap.Version)
	}
	for _, said := range []*structpb.Value{nil, structpb.NewNullValue(), structpb.NewStringValue("2"), structpb.NewNumberValue(-3), structpb.NewNumberValue(1e300)} {
		n := &corev3.Node{Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{"legation.dev/bootstrap": said}}}
		if got := bootstrap.VersionOf(n); got != 1 {
			t.Errorf("%v: %d, want 1", said, got)
		}
	}
}
