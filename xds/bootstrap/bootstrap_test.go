package bootstrap_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"

	"legation.dev/xds/bootstrap"
	"legation.dev/xds/identity"
)

var update = flag.Bool("update", false, "rewrite the expected files")

// fixed is a Config whose certificate is no certificate, so that the output is
// the same each time.
func fixed() bootstrap.Config {
	return bootstrap.Config{NodeID: "node-a", Zone: "zone-1", Admin: "unix:/run/envoy/admin.sock",
		Health: "0.0.0.0:9903", Metrics: "[::]:9904", MaxConnections: 32768, MemoryLimit: 1 << 30, Reports: bootstrap.DefaultReports,
		Certificate: identity.Pair{Certificate: []byte("CHAIN\n"), Key: []byte("KEY\n")}}
}

// TestGolden holds the bytes of a bootstrap. Of the ConfigSources in it R55
// says that they never change: Envoys that are running were started with them.
func TestGolden(t *testing.T) {
	for _, f := range []bootstrap.Format{bootstrap.YAML, bootstrap.JSON} {
		b, err := bootstrap.New(fixed())
		if err != nil {
			t.Fatal(err)
		}
		got, err := bootstrap.Render(b, f)
		if err != nil {
			t.Fatal(err)
		}
		again, err := bootstrap.Render(b, f)
		if err != nil || !bytes.Equal(got, again) {
			t.Errorf("%s: rendered twice, two texts (%v)", f, err)
		}
		path := filepath.Join("testdata", "bootstrap."+string(f))
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs; run with -update and read the diff\n%s", path, got)
		}
	}
}

// TestGoldenTLS holds the bytes with mutual TLS.
func TestGoldenTLS(t *testing.T) {
	cfg := fixed()
	cfg.TLS = bootstrap.TLS{Folder: "/etc/legation/tls", Secrets: "/etc/envoy"}
	b, err := bootstrap.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	text, err := bootstrap.Render(b, bootstrap.YAML)
	if err != nil {
		t.Fatal(err)
	}
	files, err := cfg.TLS.Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, bootstrap.File{Name: "bootstrap-tls.yaml", Text: text}) {
		path := filepath.Join("testdata", f.Name)
		if *update {
			if err := os.WriteFile(path, f.Text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Text, want) {
			t.Errorf("%s differs; run with -update and read the diff\n%s", path, f.Text)
		}
	}
}

// TestReadBack: what is rendered says what was made.
func TestReadBack(t *testing.T) {
	b, err := bootstrap.New(fixed())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []bootstrap.Format{bootstrap.YAML, bootstrap.JSON} {
		text, err := bootstrap.Render(b, f)
		if err != nil {
			t.Fatal(err)
		}
		var back bootstrapv3.Bootstrap
		asJSON, err := yaml.YAMLToJSON(text) // JSON is YAML
		if err != nil {
			t.Fatal(err)
		}
		if err := protojson.Unmarshal(asJSON, &back); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(b, &back) {
			t.Errorf("%s reads back as\n%v", f, &back)
		}
	}
}

func TestDefaults(t *testing.T) {
	b, err := bootstrap.New(fixed())
	if err != nil {
		t.Fatal(err)
	}
	if got := b.GetNode().GetCluster(); got != bootstrap.DefaultClass {
		t.Errorf("node.cluster %q, want %q", got, bootstrap.DefaultClass)
	}
	at := b.GetStaticResources().GetClusters()[0].GetLoadAssignment().GetEndpoints()[0].GetLbEndpoints()[0].
		GetEndpoint().GetAddress().GetSocketAddress()
	if got := fmt.Sprintf("%s:%d", at.GetAddress(), at.GetPortValue()); got != bootstrap.DefaultXDSAddress {
		t.Errorf("control plane at %s, want %s", got, bootstrap.DefaultXDSAddress)
	}
}

func TestWrongConfig(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*bootstrap.Config)
		want   string
	}{
		{"no node id", func(c *bootstrap.Config) { c.NodeID = "" }, "node id"},
		{"no certificate", func(c *bootstrap.Config) { c.Certificate = identity.Pair{} }, "certificate"},
		{"no port", func(c *bootstrap.Config) { c.XDSAddress = "legation" }, "xds address"},
		{"port 0", func(c *bootstrap.Config) { c.XDSAddress = "legation:0" }, "xds address"},
		{"no host", func(c *bootstrap.Config) { c.XDSAddress = ":18000" }, "xds address"},
		{"no admin", func(c *bootstrap.Config) { c.Admin = "" }, "admin"},
		{"admin by name", func(c *bootstrap.Config) { c.Admin = "localhost:9901" }, "admin"},
		{"relative socket", func(c *bootstrap.Config) { c.Admin = "unix:admin.sock" }, "absolute"},
		{"relative TLS folder", func(c *bootstrap.Config) { c.TLS = bootstrap.TLS{Folder: "tls", Secrets: "/etc/envoy"} }, "absolute"},
		{"health by name", func(c *bootstrap.Config) { c.Health = "localhost:9903" }, "health"},
		{"metrics without port", func(c *bootstrap.Config) { c.Metrics = "0.0.0.0" }, "metrics"},
		{"upgrades cut", func(c *bootstrap.Config) { c.Upgrades = "cut" }, "upgrades"},
		{"long socket", func(c *bootstrap.Config) { c.Admin = "unix:/" + strings.Repeat("x", 107) }, "107"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := fixed()
			c.change(&cfg)
			if _, err := bootstrap.New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestSelfSigned(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	c, err := bootstrap.SelfSigned(now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(c.Certificate, c.Key)
	if err != nil {
		t.Fatal(err)
	}
	if pair.Leaf.PublicKeyAlgorithm != x509.ECDSA || pair.Leaf.NotBefore.After(now) || pair.Leaf.NotAfter.Before(now.AddDate(5, 0, 0)) {
		t.Errorf("%v, valid %s to %s", pair.Leaf.PublicKeyAlgorithm, pair.Leaf.NotBefore, pair.Leaf.NotAfter)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", c, c, c, &c); strings.Contains(text, "PRIVATE") || strings.Contains(text, fmt.Sprint(c.Key)[1:20]) {
		t.Errorf("the key is printed: %s", text)
	}
	other, err := bootstrap.SelfSigned(now)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(other.Key, c.Key) {
		t.Error("two certificates with one key")
	}
}
