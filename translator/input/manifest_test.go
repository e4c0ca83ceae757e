package input

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"legation.dev/object"
)

// decode reads a file called f.yaml and prints each Change on a line.
func decode(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	for _, c := range DecodeManifests("f.yaml", []byte(text)) {
		if c.Object != nil {
			b.WriteString("put " + c.Ref.String() + "\n")
		}
		for _, p := range c.Problems {
			b.WriteString(p.Error() + "\n")
		}
		if c.Object == nil && len(c.Problems) == 0 {
			t.Errorf("%v says nothing", c.Ref)
		}
	}
	return b.String()
}

const goodIngress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, namespace: shop}
spec:
  rules:
  - host: a.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}
`

const goodService = `apiVersion: v1
kind: Service
metadata: {name: a, namespace: shop}
spec: {ports: [{port: 80}]}
`

func TestDecodeManifests(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"two documents", goodIngress + "---\n" + goodService, "put Ingress shop/a\nput Service shop/a\n"},
		{"comments and markers only", "# nothing\n---\n--- # still nothing\n", ""},
		{"another kind", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {}\n", ""},
		{"another API's Service", "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: {}\n", ""},
		{"no namespace", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "put ConfigMap default/a\n"},
		{"a class has no namespace", "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: a, namespace: b}\nspec: {controller: legation.dev/x}\n", "put IngressClass a\n"},
		{"JSON", `{"apiVersion": "v1", "kind": "ConfigMap",` + "\n\t" + `"metadata": {"name": "a"}}`, "put ConfigMap default/a\n"},
		{"List", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n", "put ConfigMap default/a\nput ConfigMap default/b\n"},
		{"not YAML", goodService + "---\na: [\n---\n" + goodIngress,
			"put Service shop/a\nf.yaml:6: File f.yaml: yaml: line 6: did not find expected node content; the document is not used\nput Ingress shop/a\n"},
		{"no object", "a: b\n", "f.yaml:1: File f.yaml: the document has no apiVersion and kind: it is no Kubernetes object; the document is not used\n"},
		{"a text", "hello\n", "f.yaml:1: File f.yaml: the document is no object; the document is not used\n"},
		{"misspelt field", strings.Replace(goodIngress, "host:", "hots:", 1),
			"f.yaml:6: Ingress shop/a: spec.rules[0].hots: unknown field; the document is not used\n"},
		{"wrong shape", strings.Replace(goodService, "[{port: 80}]", "{port: 80}", 1),
			"f.yaml:4: Service shop/a: spec.ports: a value of type object does not fit here; the document is not used\n"},
		{"wrong metadata", "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: 5}\n",
			"f.yaml:3: Service default/a: metadata.labels: a value of type number does not fit here; the document is not used\n"},
		{"field twice", strings.Replace(goodService, "kind: Service", "kind: Service\nkind: Service", 1),
			"f.yaml:1: File f.yaml: yaml: unmarshal errors:\n  line 3: key \"kind\" already set in map; the document is not used\n"},
		{"old Ingress", strings.Replace(goodIngress, "networking.k8s.io/v1", "extensions/v1beta1", 1),
			"f.yaml:1: Ingress shop/a: apiVersion=\"extensions/v1beta1\": not read; write networking.k8s.io/v1; the document is not used\n"},
		{"no name", "apiVersion: v1\nkind: Service\nmetadata: {}\n", "f.yaml:3: File f.yaml: metadata.name: the Service has no name; the document is not used\n"},
		{"object twice", goodService + "---\n" + goodService, "put Service shop/a\nf.yaml:6: Service shop/a: the object is in this file twice; the first one counts\n"},
		{"invalid host", strings.Replace(goodIngress, "a.example.com", "a_b.example.com", 1),
			"f.yaml:6: Ingress shop/a: spec.rules[0].host=\"a_b.example.com\": invalid value: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'); the document is not used\n"},
		{"invalid path", strings.Replace(goodIngress, "path: /,", "path: a,", 1),
			"f.yaml:9: Ingress shop/a: spec.rules[0].http.paths[0].path=\"a\": invalid value: must be an absolute path; the document is not used\n"},
		{"two families without a policy", strings.Replace(goodService, "{ports", "{ipFamilies: [IPv4, IPv6], ports", 1),
			"f.yaml:4: Service shop/a: spec.ipFamilyPolicy: invalid value: must be RequireDualStack or PreferDualStack with two ipFamilies; the document is not used\n"},
		{"two families, and none of them", strings.Replace(goodService, "{ports", "{ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv4, IPv5], ports", 1),
			"f.yaml:4: Service shop/a: spec.ipFamilies[1]=\"IPv5\": unsupported value: supported values: \"IPv4\", \"IPv6\"; the document is not used\n"},
		{"two families of a Service without selector and address", strings.Replace(goodService, "{ports", "{clusterIP: None, ipFamilies: [IPv4, IPv6], ports", 1), "put Service shop/a\n"},
		{"two families with a policy", strings.Replace(goodService, "{ports", "{ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv4, IPv6], ports", 1), "put Service shop/a\n"},
		{"half a Secret", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: kubernetes.io/tls\nstringData: {tls.crt: x}\n",
			"f.yaml:1: Secret default/a: data[tls.key]: required value: a Secret of type kubernetes.io/tls has both tls.crt and tls.key; the document is not used\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := decode(t, c.text); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

// lineBreak is what ends a line for YAML 1.1 (section 4.2): more than a newline.
var lineBreak = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

// isIn reports whether a place is in the text of f.yaml.
func isIn(text, place string) bool {
	number, ok := strings.CutPrefix(place, "f.yaml:")
	line, err := strconv.Atoi(number)
	return ok && err == nil && line > 0 && line <= len(lineBreak.FindAllStringIndex(text, -1))+1
}

// keyText is key material that no Problem may repeat.
const keyText = "S0VZLUJZVEVTLTlmODZkMDgxODg0YzdkNjU5YTJmZWFh"

const secretDocument = `apiVersion: v1
kind: Secret
metadata: {name: tls, namespace: shop}
type: kubernetes.io/tls
data:
  tls.crt: Q0VSVA==
  tls.key: ` + keyText + "\n"

// FuzzDecodeManifests: nothing that stands in a file makes reading fail, harms
// the document before it, or shows key material.
func FuzzDecodeManifests(f *testing.F) {
	for _, text := range []string{goodIngress, goodService, secretDocument, "a: [", "--- x", "{", "apiVersion: v1\nkind: List\nitems: [1]"} {
		f.Add([]byte(text), 0, byte(0))
	}
	f.Add([]byte(secretDocument), 60, byte('\''))
	f.Add([]byte("0"), 97, byte('?'))             // "invalid map key", which the parser quotes whole
	f.Add([]byte("0"), 91, byte('&'))             // "unsupported map key", the same
	f.Add([]byte("\rmetadata: 0"), 42, byte(' ')) // a line that a carriage return ends
	f.Add([]byte(secretDocument), 120, byte('`'))
	f.Fuzz(func(t *testing.T, tail []byte, at int, b byte) {
		secret := []byte(secretDocument)
		if at > 0 && at < len(secret) {
			secret[at] = b // a Secret that is broken in one place
		}
		text := goodService + "---\n" + string(secret) + "---\n" + string(tail)
		changes := DecodeManifests("f.yaml", []byte(text))
		if len(changes) == 0 || changes[0].Object == nil || changes[0].Ref.Kind != object.KindService {
			t.Fatalf("the first document was harmed: %v", changes)
		}
		seen := map[object.Ref]bool{}
		for _, c := range changes {
			if seen[c.Ref] {
				t.Errorf("%v comes twice", c.Ref)
			}
			seen[c.Ref] = true
			for _, p := range c.Problems {
				if strings.Contains(p.Error(), keyText[:12]) && !strings.Contains(string(tail), keyText[:12]) {
					t.Errorf("a Problem shows key material: %v", p)
				}
				if !isIn(text, p.File) || p.Message == "" {
					t.Errorf("a Problem names no line of the file, or does not say what is wrong: %+v", p)
				}
			}
			if o, ok := c.Object.(interface {
				Object
				meta() *Meta
			}); ok && !isIn(text, Origin(o).In("spec.rules[0].http").Place()) {
				t.Errorf("a field of %v is no line of the file", c.Ref)
			}
			if c.Object == nil && len(c.Problems) == 0 {
				t.Errorf("%v says nothing", c.Ref)
			}
		}
	})
}
