//go:build real

package nginx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const (
	casesFolder  = "testdata/cases"
	commonFolder = casesFolder + "/_common"
	// ownClass is the IngressClass that the cases name.
	ownClass = "nginx"
	// shared is the namespace of the objects in commonFolder.
	shared = "team"
)

// testCase is one folder of casesFolder.
type testCase struct {
	name     string // of the folder: "04-oauth2-proxy"
	number   string // "04", what sets its namespaces and host names apart
	address  string // of its backends and of its clients
	class    string // the IngressClass of its Ingresses
	objects  []manifest
	requests []request
	want     []answer
	// wide is what of the case holds for a whole class: empty, or the same text for cases
	// that can share one.
	wide string
	// service is, of the port of each endpoint, the least port of an endpoint of the same
	// Service: which of several endpoints is chosen is no difference.
	service map[int]int
}

// manifest is a Kubernetes object as it is in its file.
type manifest map[string]any

// readCases reads all cases, in the order of their names.
func readCases(t *testing.T) (list []*testCase) {
	t.Helper()
	folders, err := filepath.Glob(casesFolder + "/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) >= firstEnvoy {
		t.Fatalf("%d cases: there are addresses for %d", len(folders), firstEnvoy-1)
	}
	names := map[string]string{} // by number
	for i, folder := range folders {
		c := &testCase{name: filepath.Base(folder), address: address(i + 1)}
		c.number, _, _ = strings.Cut(c.name, "-")
		if names[c.number] != "" {
			t.Fatalf("cases %s and %s have the same number, so their objects would meet", names[c.number], c.name)
		}
		names[c.number] = c.name
		if err := c.read(folder); err != nil {
			t.Fatalf("case %s: %v", c.name, err)
		}
		list = append(list, c)
	}
	byWide := map[string]string{"": ownClass}
	for _, c := range list {
		if byWide[c.wide] == "" {
			byWide[c.wide] = ownClass + "-" + c.number
		}
		c.class = byWide[c.wide]
	}
	return list
}

// read reads the files of a case.
func (c *testCase) read(folder string) error {
	var script struct {
		Want, Source, Notes string // for people
		Flags               string // of ingress-nginx
		Requests            []request
	}
	err := errors.Join(readJSON(folder+"/requests.json", &script), readJSON(folder+"/expected.json", &c.want))
	if err != nil {
		return err
	}
	if len(script.Requests) != len(c.want) || len(c.want) == 0 {
		return fmt.Errorf("%d requests and %d answers", len(script.Requests), len(c.want))
	}
	c.requests = script.Requests
	if c.objects, err = manifests(folder + "/ingress.yaml"); err != nil {
		return err
	}
	c.service = services(c.objects)
	for i := range c.want {
		c.want[i] = c.any(c.want[i])
	}
	settings, err := os.ReadFile(folder + "/nginx-configmap.yaml")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c.wide = string(settings) + script.Flags
	for _, m := range c.objects {
		if spec, _ := m["spec"].(map[string]any); m["kind"] == "Ingress" && spec["rules"] == nil {
			c.wide += "the catch-all of case " + c.number
		}
	}
	return nil
}

// readJSON reads a file that has nothing but what is read.
func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// manifests are the objects of a file.
func manifests(path string) (list []manifest, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for d := utilyaml.NewYAMLOrJSONDecoder(file, 4096); ; {
		var m manifest
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(m) > 0 {
			list = append(list, m)
		}
	}
}

// meta is the metadata of an object.
func (m manifest) meta() map[string]any {
	meta, _ := m["metadata"].(map[string]any)
	return meta
}

// services makes testCase.service.
func services(objects []manifest) map[int]int {
	least := map[string]int{}
	ports := map[int]string{}
	for _, m := range objects {
		if m["kind"] != "EndpointSlice" {
			continue
		}
		labels, _ := m.meta()["labels"].(map[string]any)
		for _, p := range m["ports"].([]any) {
			n := int(p.(map[string]any)["port"].(float64))
			name := fmt.Sprint(m.meta()["namespace"], "/", labels["kubernetes.io/service-name"])
			ports[n] = name
			if first, ok := least[name]; !ok || n < first {
				least[name] = n
			}
		}
	}
	same := map[int]int{}
	for n, name := range ports {
		same[n] = least[name]
	}
	return same
}

// write puts the objects of a case into a folder, with names of its own.
func (c *testCase) write(folder string, common []manifest) error {
	var text []byte
	for _, m := range append(append([]manifest{}, common...), c.objects...) {
		own, err := yaml.Marshal(c.apart("", map[string]any(m), m["kind"]))
		if err != nil {
			return err
		}
		text = append(append(text, "---\n"...), own...)
	}
	return os.WriteFile(filepath.Join(folder, c.name+".yaml"), text, 0o600)
}

var (
	// host is a name that requests are sent to, but not one that begins with a wildcard.
	host = regexp.MustCompile(`([A-Za-z0-9-]+)\.example\.test`)
	// loopback is where the backends and the clients of the cases are. Of clients at just
	// this address Envoy tells its backends the address of the machine.
	loopback = regexp.MustCompile(`\b127\.0\.0\.1\b`)
	// other is an annotation that names an object of a namespace, as team/client-ca.
	other = regexp.MustCompile(`^([a-z0-9-]+)(/[a-z0-9-]+)$`)
	// name is a name of the DNS for a Service: auth.team.svc.cluster.local.
	name = regexp.MustCompile(`(\.[a-z0-9-]+)(\.svc\b)`)
)

// apart is a value of an object, or all of it, with the names of this case. The key is
// the one that the value stands at.
func (c *testCase) apart(key string, value, kind any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for k := range maps.Keys(v) {
			if out[k] = v[k]; kind != "Secret" || k != "data" {
				out[k] = c.apart(k, v[k], kind)
			}
		}
		return out
	case []any:
		var out []any
		for _, one := range v {
			out = append(out, c.apart(key, one, kind))
		}
		return out
	case string:
		return c.text(key, v, kind)
	}
	return value
}

func (c *testCase) text(key, value string, kind any) string {
	switch {
	case key == "namespace", kind == "Namespace" && key == "name":
		return value + "-" + c.number
	case value == ownClass && (key == "ingressClassName" || key == "kubernetes.io/ingress.class"):
		return c.class
	case strings.Contains(key, "ingress.kubernetes.io/"):
		value = other.ReplaceAllString(value, "${1}-"+c.number+"${2}")
	}
	return c.own(value)
}

// own is a text with the names and the address of this case. Hosts are as deep
// as before, so that the same certificate and the same wildcards cover them.
func (c *testCase) own(text string) string {
	text = name.ReplaceAllString(text, "${1}-"+c.number+"${2}")
	return loopback.ReplaceAllString(host.ReplaceAllString(text, "${1}-"+c.number+".example.test"), c.address)
}

// named is an answer with the names that are in the files.
func (c *testCase) named(text string) string {
	return strings.NewReplacer("-"+c.number+".example.test", ".example.test", shared+"-"+c.number, shared, c.address, "127.0.0.1").Replace(text)
}
