//go:build real

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"legation.dev/xds/bootstrap"
)

// TestGuardsAreKnown: Envoy knows the guards that the bootstrap sets. Of one that it
// does not know it says so in its log, and goes on.
func TestGuardsAreKnown(t *testing.T) {
	certificate, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b, err := bootstrap.New(bootstrap.Config{NodeID: "a", Admin: "unix:" + filepath.Join(t.TempDir(), "admin.sock"), Certificate: certificate})
	if err != nil {
		t.Fatal(err)
	}
	keys := b.GetLayeredRuntime().GetLayers()[0].GetStaticLayer().GetFields()
	guards := 0
	for key := range keys {
		if strings.HasPrefix(key, "envoy.reloadable_features.") {
			guards++
		}
	}
	if out, err := validated(t, b, bootstrap.YAML); err != nil || guards != 1 || strings.Contains(out, "removed guard") {
		t.Errorf("%d guards, want 1; %v\n%s", guards, err, out)
	}
	keys["envoy.reloadable_features.of_no_envoy"] = structpb.NewBoolValue(false)
	if out, err := validated(t, b, bootstrap.YAML); err != nil || !strings.Contains(out, "removed guard envoy.reloadable_features.of_no_envoy") {
		t.Errorf("Envoy does not say that it does not know a guard: %v\n%s", err, out)
	}
}
