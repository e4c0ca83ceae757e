package input

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"legation.dev/object"
	"legation.dev/translator/finding"
)

// DecodeManifests reads the documents of a YAML or JSON file, as `kubectl apply`
// would: fields are checked strictly, objects by the API server's rules, an
// object without a namespace is in "default". A List means its items.
// Kinds that translation does not read are passed over.
//
// file is how the Problems name the file. A document that cannot be used gives a
// Change without an object (its last good state stays) whose Ref is the object,
// or the file if the document does not even say which object it is; it does not
// harm the other documents. Changes are in the order of the file, each Ref once:
// of an object that is there twice, the first counts.
func DecodeManifests(file string, data []byte) []Change {
	d := &decoder{file: file, at: map[object.Ref]int{}}
	for _, doc := range documents(data) {
		d.document(doc)
	}
	return d.changes
}

// document is one YAML document and the line where it begins, from 1.
type document struct {
	text []byte
	line int
}

// documents splits a file at its document markers. A line that begins with
// "---" and a space, or is just that, is one wherever it is. The texts are parts of data.
func documents(data []byte) (docs []document) {
	doc, begin, at, line := document{line: 1}, 0, 0, 0
	for text := range bytes.Lines(data) {
		line++
		at += len(text)
		if marker, ok := bytes.CutPrefix(text, []byte("---")); ok && (len(marker) == 0 || bytes.ContainsAny(marker[:1], " \t\r\n")) {
			docs = append(docs, doc)
			doc, begin = document{line: line + 1}, at
			continue
		}
		if trimmed := bytes.TrimSpace(text); len(doc.text) == 0 && (len(trimmed) == 0 || trimmed[0] == '#') {
			doc.line, begin = line+1, at // where the object begins
			continue
		}
		doc.text = data[begin:at:at]
	}
	return append(docs, doc)
}

// decoder reads one file.
type decoder struct {
	file    string
	changes []Change
	at      map[object.Ref]int // index in changes
}

func (d *decoder) document(doc document) {
	if len(doc.text) == 0 {
		return
	}
	at := place{lines: &lines{file: d.file, line: doc.line, text: doc.text}}
	text, err := toJSON(doc)
	if err != nil {
		c := complaintOf(err)
		c.text = withoutSecrets(c.text, doc.text)
		d.refuse(object.Ref{}, at, c)
		return
	}
	d.json(text, at)
}

// toJSON converts a document. Its errors count lines from the top of the file.
func toJSON(doc document) ([]byte, error) {
	if text := bytes.TrimSpace(doc.text); len(text) > 0 && text[0] == '{' {
		if _, err := kjson.UnmarshalStrict(text, new(any)); err == nil {
			return text, nil
		}
	}
	text, err := yaml.YAMLToJSONStrict(doc.text)
	if err != nil { // once more, only to have the right line in the error
		_, err = yaml.YAMLToJSONStrict(append(bytes.Repeat([]byte{'\n'}, doc.line-1), doc.text...))
	}
	return text, err
}

// header is what every object begins with. A List has items.
type header struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Items             []jsonText `json:"items"`
}

// jsonText is a JSON value as it is in the file.
type jsonText []byte

// UnmarshalJSON keeps a copy of b.
func (t *jsonText) UnmarshalJSON(b []byte) error {
	*t = bytes.Clone(b)
	return nil
}

// json reads one object, or the items of a List.
func (d *decoder) json(text []byte, at place) {
	if text[0] != '{' {
		d.refuse(object.Ref{}, at, complaint{text: "the document is no object"})
		return
	}
	var head header
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &head); err != nil {
		d.refuse(refOf(text), at, complaintOf(err))
		return
	}
	if head.Kind == "" || head.APIVersion == "" {
		d.refuse(object.Ref{}, at, complaint{text: "the document has no apiVersion and kind: it is no Kubernetes object"})
		return
	}
	if strings.HasSuffix(head.Kind, "List") {
		for i, item := range head.Items {
			d.json(item, at.under(i))
		}
		return
	}
	d.object(head, text, at)
}

// refOf is the object that a document means whose metadata is broken elsewhere;
// zero if it does not say.
func refOf(text []byte) object.Ref {
	var o struct {
		Kind     object.Kind `json:"kind"`
		Metadata struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"metadata"`
	}
	if kjson.UnmarshalCaseSensitivePreserveInts(text, &o) != nil || kinds[o.Kind] == nil || o.Metadata.Name == "" {
		return object.Ref{}
	}
	return named(o.Kind, o.Metadata.Namespace, o.Metadata.Name)
}

// named is the Ref of an object as it is in a cluster.
func named(kind object.Kind, namespace, name string) object.Ref {
	reading, _ := kind.Reading()
	switch {
	case !reading.Namespaced:
		namespace = ""
	case namespace == "":
		namespace = metav1.NamespaceDefault
	}
	return object.Ref{Kind: kind, Namespace: namespace, Name: name}
}

// kinds make an empty object of each kind that is read.
var kinds = map[object.Kind]func() kubeObject{
	object.KindIngress:      func() kubeObject { return new(networkingv1.Ingress) },
	object.KindIngressClass: func() kubeObject { return new(networkingv1.IngressClass) },
	object.KindService:      func() kubeObject { return new(corev1.Service) },
	object.KindSlice:        func() kubeObject { return new(discoveryv1.EndpointSlice) },
	object.KindSecret:       func() kubeObject { return new(corev1.Secret) },
	object.KindConfigMap:    func() kubeObject { return new(corev1.ConfigMap) },
}

// kubeObject is an object of Kubernetes's API.
type kubeObject interface {
	runtime.Object
	metav1.Object
}

func (d *decoder) object(head header, text []byte, at place) {
	kind := object.Kind(head.Kind)
	reading, ok := kind.Reading()
	if !ok {
		return
	}
	version := reading.APIVersion()
	if group := strings.Split(version, "/")[0]; !strings.HasPrefix(head.APIVersion, group) && kind != object.KindIngress {
		return // another API's kind of the same name, as Knative's Service
	}
	ref := named(kind, head.Namespace, head.Name)
	if head.Name == "" {
		d.refuse(object.Ref{}, at, complaint{field: "metadata.name", text: "the " + head.Kind + " has no name"})
		return
	}
	if head.APIVersion != version {
		d.refuse(ref, at, complaint{field: "apiVersion", value: head.APIVersion, text: "not read; write " + version})
		return
	}
	o := kinds[kind]()
	complaints := strict(text, o)
	if len(complaints) == 0 {
		o.SetNamespace(ref.Namespace)
		complaints = invalid(o)
	}
	if len(complaints) > 0 {
		d.refuse(ref, at, complaints...)
		return
	}
	d.accept(ref, o, at)
}

// strict decodes text into o and says what does not fit.
func strict(text []byte, o kubeObject) (list []complaint) {
	wrong, err := kjson.UnmarshalStrict(text, o)
	if err != nil {
		return []complaint{complaintOf(err)}
	}
	for _, w := range wrong {
		list = append(list, complaintOf(w))
	}
	return list
}

// quoted is what errors of decoding quote of a document's values. In a Secret
// that may be key material; field names stand between double quotes.
var quoted = regexp.MustCompile("(?s)`[^`]*`?|'[^']*'?|(invalid map key|unsupported map key).*")

// long finds words that are too long for a name: certificates and keys.
var long = regexp.MustCompile(`[A-Za-z0-9+/=_-]{20,}`)

// withoutSecrets is an error of the YAML parser without the long words of the
// document. It quotes whole values at times, and a document that does not parse
// may be a Secret.
func withoutSecrets(message string, document []byte) string {
	return long.ReplaceAllStringFunc(message, func(word string) string {
		if bytes.Contains(document, []byte(word)) {
			return "..."
		}
		return word
	})
}

// wrongType is how the decoder says that a value does not fit its field.
var wrongType = regexp.MustCompile(`^json: cannot unmarshal (\w+).* into Go struct field \w+\.(\S+) of type`)

// complaint is why a document is not used: of its text, or, if invalid, of what an
// object says in a field.
type complaint struct {
	invalid            bool
	field, value, text string
}

// complaintOf is an error of decoding, without values.
func complaintOf(err error) complaint {
	c := complaint{text: quoted.ReplaceAllString(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "), "...")}
	if m := wrongType.FindStringSubmatch(c.text); m != nil {
		return complaint{field: m[2], text: "a value of type " + m[1] + " does not fit here"}
	}
	var at kjson.FieldError
	if errors.As(err, &at) {
		c.field = at.FieldPath()
		c.text = strings.TrimSuffix(c.text, fmt.Sprintf(" %q", c.field)) // "unknown field"
	}
	return c
}

func (d *decoder) accept(ref object.Ref, from kubeObject, at place) {
	if d.twice(ref, at) {
		return
	}
	o, _ := FromObject(from)
	o.(interface{ meta() *Meta }).meta().places = at
	d.add(Change{Ref: ref, Object: o})
}

// twice reports whether the file has the object already, and makes it a Problem.
func (d *decoder) twice(ref object.Ref, at place) bool {
	i, ok := d.at[ref]
	if ok {
		c := &d.changes[i]
		c.Problems = append(c.Problems, finding.Duplicate.Of(object.Origin{Object: ref, Places: at}, ""))
	}
	return ok
}

// refuse records why a document is not used; a zero ref means the file.
func (d *decoder) refuse(ref object.Ref, at place, complaints ...complaint) {
	if ref == (object.Ref{}) {
		ref = object.Ref{Kind: object.KindFile, Name: d.file}
	}
	var problems []finding.Problem
	for _, c := range complaints {
		code := finding.Unreadable
		if c.invalid {
			code = finding.Invalid
		}
		problems = append(problems, code.Of(object.Origin{Object: ref, Places: at, Field: c.field}, c.value, c.text))
	}
	if i, ok := d.at[ref]; ok {
		d.changes[i].Problems = append(d.changes[i].Problems, problems...)
		return
	}
	d.add(Change{Ref: ref, Problems: problems})
}

func (d *decoder) add(c Change) {
	d.at[c.Ref] = len(d.changes)
	d.changes = append(d.changes, c)
}
