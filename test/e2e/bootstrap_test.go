//go:build real

package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"legation.dev/xds/bootstrap"
)

// TestEnvoyAccepts: the real Envoy finds each form of bootstrap valid.
func TestEnvoyAccepts(t *testing.T) {
	certificate, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]bootstrap.Config{
		"socket": {NodeID: "a", Admin: "unix:" + filepath.Join(t.TempDir(), "admin.sock"), Certificate: certificate},
		"tcp":    {NodeID: "a", Admin: "127.0.0.1:9901", XDSAddress: "legation.example:18000", Zone: "b", Certificate: certificate},
		"limits": {NodeID: "a", Admin: "unix:" + filepath.Join(t.TempDir(), "admin.sock"), Health: "[::]:9903", Metrics: "0.0.0.0:9904",
			MaxConnections: 100, MemoryLimit: 1 << 30, Certificate: certificate},
		"ipv6": {NodeID: "a", Admin: "[::1]:9901", XDSAddress: "[::1]:18000", Certificate: certificate},
	} {
		for _, f := range []bootstrap.Format{bootstrap.YAML, bootstrap.JSON} {
			t.Run(name+" "+string(f), func(t *testing.T) {
				b, err := bootstrap.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				out, err := validated(t, b, f)
				if err != nil {
					t.Errorf("%v\n%s", err, out)
				}
				t.Logf("%s", out)
			})
		}
	}
}
