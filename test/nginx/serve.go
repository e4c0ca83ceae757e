//go:build real

package nginx

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"sigs.k8s.io/yaml"

	"legation.dev/test/dns"
	"legation.dev/test/inprocess"
	"legation.dev/translator/input"
	dialect "legation.dev/translator/lower/nginx"
	"legation.dev/watcher/dir"
	"legation.dev/xds/bootstrap"
)

const (
	settingsFile = here + "/settings.yaml"
	// startTimeout bounds the wait for an Envoy that never gets all.
	startTimeout = time.Minute
	// Ports of an Envoy, at an address of its own.
	httpPort, httpsPort = "18080", "18444"
	// firstEnvoy is the number of the address of the first Envoy: those before it are of
	// backends.
	firstEnvoy = 200
)

// address is one of 254 that no other process of a test has.
func address(n int) string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 192+pid/256%64, pid%256, n)
}

// Serve writes the objects of all cases into a folder, has one Legation serve it, and
// starts an Envoy for each class. The clients are in the order of the cases.
func Serve(t *testing.T, cases []*Case) (clients []*Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	folder, addresses := written(t, cases)
	standIn, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	source, err := dir.Open(folder, dir.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	plane := inprocess.NewPlane(inprocess.PlaneConfig{Source: source, Listener: l, StandIn: input.Seal(&input.Secret{
		Meta: input.Meta{Name: "stand-in"}, Certificate: standIn.Certificate, Key: standIn.Key})})
	t.Cleanup(func() {
		if err := plane.Close(); err != nil {
			t.Error(err)
		}
		source.Close()
	})
	names := StartDNS(t, 0, cases)
	authorization := dns.Authorization(t, names)
	for class := range addresses {
		startEnvoy(t, bootstrap.Config{NodeID: class, Class: class, XDSAddress: l.Addr().String(), Certificate: standIn, Authz: authorization}, dns.Asking(t, names))
	}
	for class := range addresses {
		if err := inprocess.Await(ctx, func() error {
			if refs, ok := plane.Behind(class); !ok || len(refs) > 0 {
				return fmt.Errorf("the Envoy of class %s lacks %d resources: %.300v", class, len(refs), refs)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range cases {
		at := addresses[c.Class]
		clients = append(clients, &Client{Of: c, HTTP: net.JoinHostPort(at, httpPort), HTTPS: net.JoinHostPort(at, httpsPort)})
	}
	return clients
}

// written is a folder with the objects of all cases, and of each class the address of its
// Envoy.
func written(t *testing.T, cases []*Case) (folder string, addresses map[string]string) {
	t.Helper()
	folder, addresses = t.TempDir(), map[string]string{}
	for _, c := range cases {
		if err := c.write(folder); err != nil {
			t.Fatal(err)
		}
		if addresses[c.Class] == "" {
			addresses[c.Class] = address(firstEnvoy + len(addresses))
			if err := writeClass(folder, c, addresses[c.Class]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return folder, addresses
}

// writeClass puts an IngressClass into the folder: that of a case, under its own name and
// with its own settings.
func writeClass(folder string, c *Case, address string) error {
	class := c.Class
	objects, err := manifests(commonFolder + "/class-legation.yaml")
	if err != nil {
		return err
	}
	settings, err := settingsOf(c)
	if err != nil {
		return err
	}
	space := "class-" + class
	var text []byte
	for _, m := range objects {
		switch m["kind"] {
		case "IngressClass":
			m.meta()["name"] = class
			m["spec"].(map[string]any)["parameters"].(map[string]any)["namespace"] = space
			if class != ownClass {
				delete(m.meta(), "annotations") // only one can be the default class
			}
		case "ConfigMap":
			m.meta()["namespace"] = space
			data := m["data"].(map[string]any)
			for name, value := range settings {
				data[name] = value
			}
			data["bind-addresses"], data["http-port"], data["https-port"], data["access-log"] = address, httpPort, httpsPort, "off"
		}
		own, err := yaml.Marshal(m)
		if err != nil {
			return err
		}
		text = append(append(text, "---\n"...), own...)
	}
	return os.WriteFile(folder+"/class-"+class+".yaml", text, 0o600)
}

// settingsOf are the settings of the class of a case, besides addresses and ports: what the
// ConfigMap of ingress-nginx becomes by `legation settings import`, and what that leaves to
// whoever imports it.
func settingsOf(c *Case) (map[string]string, error) {
	text, err := os.ReadFile(settingsFile)
	if err != nil {
		return nil, err
	}
	var decided map[string]map[string]string
	if err := yaml.UnmarshalStrict(text, &decided); err != nil {
		return nil, fmt.Errorf("%s: %w", settingsFile, err)
	}
	settings, _ := dialect.Import(c.Configuration())
	maps.Copy(settings, decided[c.Class])
	return settings, nil
}

// startEnvoy starts the Envoy of a class. One thread does: nothing here is about load.
func startEnvoy(t *testing.T, config bootstrap.Config, names func(*bootstrapv3.Bootstrap)) {
	t.Helper()
	e, err := inprocess.StartEnvoy(t.Context(), config, names, "--concurrency", "1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
}
