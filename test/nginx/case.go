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
	"slices"
	"strings"
	"testing"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const (
	// here is testdata, as test/oracle sees it, too.
	here         = "../nginx/testdata"
	casesFolder  = here + "/cases"
	commonFolder = casesFolder + "/_common"
	// ownClass is the IngressClass that the cases name.
	ownClass = "nginx"
	// shared is the namespace of the objects in commonFolder.
	shared = "team"
)

// Case is what is asked of a few objects: a folder of casesFolder, or one made by chance.
type Case struct {
	Name    string // of the folder: "04-oauth2-proxy"
	Number  string // "04", what sets its namespaces and host names apart
	Address string // of its backends and of its clients
	Class   string // the IngressClass of its Ingresses
	// Objects have the names that they have in the file; see Apart.
	Objects  []Manifest
	Requests []Request
	Want     []Answer // of ingress-nginx; none: nobody has asked it
	// Settings are the ConfigMap of ingress-nginx, Flags those of its command line.
	Settings map[string]string
	Flags    string
	// wide is what of the case holds for a whole class: empty, or the same text for cases
	// that can share one.
	wide string
	// service is, of the port of each endpoint, the least port of an endpoint of the same
	// Service: which of several endpoints is chosen is no difference.
	service map[int]int
}

// Manifest is a Kubernetes object as it is in its file.
type Manifest map[string]any

// ReadCases reads all cases, in the order of their names.
func ReadCases(t *testing.T) (list []*Case) {
	t.Helper()
	folders, err := filepath.Glob(casesFolder + "/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		c := &Case{Name: filepath.Base(folder)}
		if err := c.read(folder); err != nil {
			t.Fatalf("case %s: %v", c.Name, err)
		}
		list = append(list, c)
	}
	Place(t, list)
	return list
}

// Place gives cases that are served together what sets them apart.
func Place(t *testing.T, list []*Case) {
	t.Helper()
	if len(list) >= firstEnvoy {
		t.Fatalf("%d cases: there are addresses for %d", len(list), firstEnvoy-1)
	}
	names, byWide := map[string]string{}, map[string]string{"": ownClass}
	for i, c := range list {
		c.Address = address(i + 1)
		c.Number, _, _ = strings.Cut(c.Name, "-")
		if names[c.Number] != "" {
			t.Fatalf("cases %s and %s have the same number, so their objects would meet", names[c.Number], c.Name)
		}
		names[c.Number] = c.Name
		c.prepare()
		if byWide[c.wide] == "" {
			byWide[c.wide] = ownClass + "-" + c.Number
		}
		c.Class = byWide[c.wide]
	}
}

// prepare makes what follows from the files of a case.
func (c *Case) prepare() {
	c.service = services(c.Objects)
	for i := range c.Want {
		c.Want[i] = c.any(c.Want[i])
		c.Want[i].Certificate = certified(c.Want[i].Certificate)
	}
	c.wide = c.Flags
	for _, key := range slices.Sorted(maps.Keys(c.Settings)) {
		c.wide += " " + key + "=" + c.Settings[key]
	}
	for _, m := range c.Objects {
		if spec, _ := m["spec"].(map[string]any); m["kind"] == "Ingress" && spec["rules"] == nil {
			c.wide += "the catch-all of case " + c.Number
		}
	}
}

// read reads the files of a case.
func (c *Case) read(folder string) error {
	var script struct {
		Want, Source, Notes string // for people
		Flags               string // of ingress-nginx
		Requests            []Request
	}
	err := readJSON(folder+"/requests.json", &script)
	if known := readJSON(folder+"/expected.json", &c.Want); !errors.Is(known, fs.ErrNotExist) {
		err = errors.Join(err, known)
	}
	if err != nil {
		return err
	}
	c.Requests, c.Flags = script.Requests, script.Flags
	if c.Want != nil && len(c.Requests) != len(c.Want) || len(c.Requests) == 0 {
		return fmt.Errorf("%d requests and %d answers", len(c.Requests), len(c.Want))
	}
	if c.Objects, err = manifests(folder + "/ingress.yaml"); err != nil {
		return err
	}
	settings, err := manifests(folder + "/nginx-configmap.yaml")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, m := range settings {
		c.Settings = map[string]string{}
		for key, value := range m["data"].(map[string]any) {
			c.Settings[key] = value.(string)
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
func manifests(path string) (list []Manifest, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for d := utilyaml.NewYAMLOrJSONDecoder(file, 4096); ; {
		var m Manifest
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
func (m Manifest) meta() map[string]any {
	meta, _ := m["metadata"].(map[string]any)
	return meta
}

// services makes testCase.service.
func services(objects []Manifest) map[int]int {
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

// Write writes a case without its answers into a folder.
func (c *Case) Write(folder string) error {
	var text []byte
	for _, m := range c.Objects {
		one, err := yaml.Marshal(m)
		if err != nil {
			return err
		}
		text = append(append(text, "---\n"...), one...)
	}
	asked, err := json.MarshalIndent(map[string]any{"requests": c.Requests}, "", " ")
	settings, wrong := yaml.Marshal(Manifest{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "settings"}, "data": c.Settings})
	return errors.Join(err, wrong, os.MkdirAll(folder, 0o755), os.WriteFile(folder+"/ingress.yaml", text, 0o644),
		os.WriteFile(folder+"/requests.json", append(asked, '\n'), 0o644), os.WriteFile(folder+"/nginx-configmap.yaml", settings, 0o644))
}

// Record writes the answers of a case into its folder.
func (c *Case) Record(answers []Answer) error {
	text, err := json.MarshalIndent(answers, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(casesFolder, c.Name, "expected.json"), append(text, '\n'), 0o644)
}

// Apart are the objects of a case and those that each has, with names of their own.
func (c *Case) Apart() ([]Manifest, error) {
	common, err := manifests(commonFolder + "/secrets.yaml")
	var list []Manifest
	for _, m := range append(common, c.Objects...) {
		list = append(list, c.apart("", map[string]any(m), m["kind"]).(map[string]any))
	}
	return list, err
}

// Configuration is the data of the ConfigMap of ingress-nginx, with names of its own.
func (c *Case) Configuration() map[string]string {
	data := map[string]string{}
	for key, value := range c.Settings {
		data[key] = c.own(value)
	}
	return data
}

// write puts the objects of a case into a folder, with names of its own.
func (c *Case) write(folder string) error {
	list, err := c.Apart()
	if err != nil {
		return err
	}
	var text []byte
	for _, m := range list {
		own, err := yaml.Marshal(m)
		if err != nil {
			return err
		}
		text = append(append(text, "---\n"...), own...)
	}
	return os.WriteFile(filepath.Join(folder, c.Name+".yaml"), text, 0o600)
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
func (c *Case) apart(key string, value, kind any) any {
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

func (c *Case) text(key, value string, kind any) string {
	switch {
	case key == "namespace", kind == "Namespace" && key == "name":
		return value + "-" + c.Number
	case value == ownClass && (key == "ingressClassName" || key == "kubernetes.io/ingress.class"):
		return c.Class
	case strings.Contains(key, "ingress.kubernetes.io/"):
		value = other.ReplaceAllString(value, "${1}-"+c.Number+"${2}")
	}
	return c.own(value)
}

// own is a text with the names and the address of this case. Hosts are as deep
// as before, so that the same certificate and the same wildcards cover them.
func (c *Case) own(text string) string {
	text = name.ReplaceAllString(text, "${1}-"+c.Number+"${2}")
	return loopback.ReplaceAllString(host.ReplaceAllString(text, "${1}-"+c.Number+".example.test"), c.Address)
}

// named is an answer with the names that are in the files.
func (c *Case) named(text string) string {
	return strings.NewReplacer("-"+c.Number+".example.test", ".example.test", shared+"-"+c.Number, shared, c.Address, "127.0.0.1").Replace(text)
}
