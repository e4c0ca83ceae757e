//go:build real

package edge

import (
	"os"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"

	"legation.dev/test/inprocess"
)

// TestOlderBootstrap: an Envoy that was started with the bootstrap of Legation 0.1 is
// served all that its fleet has, and is known as one of those. The file is what
// `legation bootstrap` of 0.1 made with every flag that adds to it, without its key.
func TestOlderBootstrap(t *testing.T) {
	text, err := os.ReadFile("testdata/bootstrap-0.1.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if text, err = yaml.YAMLToJSON(text); err != nil {
		t.Fatal(err)
	}
	var old bootstrapv3.Bootstrap
	if err := protojson.Unmarshal(text, &old); err != nil {
		t.Fatal(err)
	}
	s, err := inprocess.Start(t.Context(), inprocess.Options{Bootstrap: func(b *bootstrapv3.Bootstrap) { asOld(b, &old) }})
	if err != nil {
		t.Fatal(err) // it is not ready, or rejected something
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if got, body := (&started{Stack: s, ctx: t.Context()}).status(t, "GET", s.HTTP, "/"); got != 404 {
		t.Errorf("%d %.80q", got, body)
	}
	envoys := s.Envoys()
	if len(envoys) != 1 || envoys[0].Bootstrap != 1 {
		t.Fatalf("%+v", envoys)
	}
	for of, status := range envoys[0].Status.Types {
		if len(status.Rejected) > 0 {
			t.Errorf("type %d: %+v", of, status.Rejected)
		}
	}
}

// asOld makes of a bootstrap the older one, which leads to the same control plane and
// has the same certificate. Its listeners are left out, whose ports others have.
func asOld(b, old *bootstrapv3.Bootstrap) {
	with := proto.CloneOf(old)
	to, from := with.GetStaticResources(), b.GetStaticResources()
	to.Listeners, to.Secrets = nil, from.GetSecrets()
	to.Clusters[0].LoadAssignment = from.GetClusters()[0].GetLoadAssignment()
	with.Node.Id, with.Node.Cluster = b.GetNode().GetId(), b.GetNode().GetCluster()
	proto.Reset(b)
	proto.Merge(b, with)
}
