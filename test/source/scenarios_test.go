//go:build real

package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"legation.dev/test/kube"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"

	watcher "legation.dev/watcher/kube"
)

// TestScenarioObjects: every object of every scenario of translation is the same to translation,
// whether it is read of a folder or of an API server, which has set its defaults before. So what a
// scenario shows holds for both sources.
func TestScenarioObjects(t *testing.T) {
	files, err := filepath.Glob("../../translator/testdata/*.txtar")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d scenarios: %v", len(files), err)
	}
	s := scenarios{T: t, namespaces: map[string]bool{}, seen: map[string]bool{}}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".yaml") {
				s.compare(filepath.Base(file)+": "+f.Name, f.Data)
			}
		}
	}
	if s.same < 400 {
		t.Errorf("%d objects were compared: too few to show anything", s.same)
	}
}

// TestRefusedFamilies: a Service whose families and policy an API server refuses is refused in a
// folder, and no other one.
func TestRefusedFamilies(t *testing.T) {
	s := scenarios{T: t, namespaces: map[string]bool{}}
	s.namespace("families")
	refused := 0
	for _, families := range []string{"", "ipFamilies: [IPv4], ", "ipFamilies: [IPv6, IPv4], ", "ipFamilies: [IPv4, IPv5], "} {
		for _, policy := range []string{"", "ipFamilyPolicy: SingleStack, ", "ipFamilyPolicy: PreferDualStack, ", "ipFamilyPolicy: RequireDualStack, "} {
			for _, address := range []string{"", "clusterIP: None, ", "selector: {app: a}, clusterIP: None, "} {
				document := []byte("apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: families}\nspec: {" + families + policy + address + "ports: [{port: 80}]}\n")
				_, err := s.admitted(document)
				read := lower.Manifests("x.yaml", document)[0]
				if (err != nil) != (read.Object == nil) {
					t.Errorf("%s: the API server says: %v; a folder: %v", document, err, read.Problems)
				}
				if err != nil {
					refused++
				}
			}
		}
	}
	if t.Logf("%d refused", refused); refused == 0 || refused == 48 {
		t.Errorf("%d of 48 were refused", refused)
	}
}

type scenarios struct {
	*testing.T
	namespaces map[string]bool // that there are
	seen       map[string]bool // documents
	same       int
}

// compare compares the objects of manifests.
func (s *scenarios) compare(name string, manifests []byte) {
	documents, err := kube.Documents(manifests)
	if err != nil {
		s.Logf("%s is left out: %v", name, err)
		return
	}
	for _, d := range documents {
		if s.seen[string(d)] {
			continue
		}
		s.seen[string(d)] = true
		for _, c := range lower.Manifests("x.yaml", d) {
			s.object(name, c, d)
		}
	}
}

// object compares what a folder has of a document with what an API server has.
func (s *scenarios) object(name string, folder input.Change, document []byte) {
	s.namespace(folder.Ref.Namespace)
	api, err := s.admitted(document)
	switch where := name + ", " + folder.Ref.String(); {
	case err != nil && strings.Contains(err.Error(), "must match `ingressClassName` when both are specified"):
		s.Logf("%s comes about by an update alone: %v", where, err)
	case err != nil:
		s.Errorf("%s: a folder has it, the API server says: %v", where, err)
	case folder.Object == nil:
		s.Errorf("%s: the API server takes it, a folder says: %v", where, folder.Problems)
	case folder.Object.Sum() != withoutFamily(api.Object, document).Sum():
		s.Errorf("%s is\n%s\nof a folder, and of the API server\n%s", where, text(folder.Object), text(api.Object))
	default:
		s.same++
	}
}

// namespace makes a namespace that is not there.
func (s *scenarios) namespace(name string) {
	if name == "" || s.namespaces[name] {
		return
	}
	s.namespaces[name] = true
	if err := cluster.Apply(limited(s), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		s.Fatal(err)
	}
}

// admitted is what the API server would have, as old as the document says.
func (s *scenarios) admitted(document []byte) (input.Change, error) {
	kept, err := cluster.Admitted(limited(s), document)
	if err != nil {
		return input.Change{}, err
	}
	return watcher.Reduce(typed(s, kept, age(document))), nil
}

// withoutFamily is an object without the families of addresses that the document does not name:
// which ones a cluster has, no folder knows.
func withoutFamily(o input.Object, document []byte) input.Object {
	service, ok := o.(*input.Service)
	if !ok || bytes.Contains(document, []byte("ipFamilies")) {
		return o
	}
	without := *service
	without.Family = ""
	return input.Seal(&without)
}

// age is the creationTimestamp of a document; the zero time if it has none.
func age(document []byte) time.Time {
	var o struct {
		Metadata struct{ CreationTimestamp string }
	}
	_ = yaml.Unmarshal(document, &o)                                // zero if it is none, as a folder has it
	at, _ := time.Parse(time.RFC3339, o.Metadata.CreationTimestamp) // as well
	return at
}

// typed is an object as a watch hands it out, of an age.
func typed(t testing.TB, u *unstructured.Unstructured, created time.Time) runtime.Object {
	t.Helper()
	u.SetCreationTimestamp(metav1.NewTime(created))
	o, err := scheme.Scheme.New(u.GroupVersionKind())
	if err == nil {
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func text(o input.Object) string {
	b, err := json.Marshal(o)
	return fmt.Sprint(string(b), err)
}
