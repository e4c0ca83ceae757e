//go:build real

package source

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"legation.dev/controller"
	"legation.dev/inspect"
	"legation.dev/test/kube"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/watcher/dir"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/snapshot"

	watcher "legation.dev/watcher/kube"
)

var update = flag.Bool("update", false, "rewrite what testdata/rows says of requests and objects")

// Whose objects are in rows: those of the owner, then those of the neighbour, and the settings. Of
// what is made in one second the order of names decides, and so is the same as that of ages.
var rowSpaces = []string{"apples", "pears", "infra"}

// TestRows plays testdata/rows/*.txtar twice, of a folder and of an API server. Each begins with
// the objects of base.yaml. A file "ask" has requests, one on a line, a file x.yaml objects that
// come or change, a file x.delete some that go ("Service apples/web"). The file x.says after it
// is what becomes of the requests then, and what is wrong with which object. A file x.fresh says
// the same of processes that start then, and so remember nothing.
//
// After each step both sources lead to the same resources, to the byte, and to the same Problems.
func TestRows(t *testing.T) {
	base, err := os.ReadFile("testdata/rows/base.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/rows/*.txtar")
	if err != nil || len(files) < 18 {
		t.Fatalf("%d rows: %v", len(files), err)
	}
	for _, n := range rowSpaces {
		if err := cluster.Apply(limited(t), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := &rows{T: t, path: filepath.Join(t.TempDir(), "all.yaml"), documents: map[string]string{}, objects: map[string]kube.Object{}}
			t.Cleanup(r.empty)
			r.apply(base)
			r.play(archive)
			if *update && !t.Failed() {
				if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// rows are the objects of one row, in the API server and in a folder.
type rows struct {
	*testing.T
	path        string // the only file of the folder: what is written at once is read at once
	documents   map[string]string
	objects     map[string]kube.Object // both by "KIND NAMESPACE/NAME"
	ask         []string
	folder, api *replica
	said        string
}

// play plays all steps.
func (r *rows) play(a *txtar.Archive) {
	for i := range a.Files {
		f := &a.Files[i]
		switch filepath.Ext(f.Name) {
		case ".yaml":
			r.apply(f.Data)
		case ".delete":
			r.remove(strings.Split(strings.TrimSpace(string(f.Data)), "\n"))
		case ".says":
			r.settle()
			f.Data = r.expect(f)
		case ".fresh":
			r.folder, r.api, r.said = nil, nil, "" // what ran goes on, and nobody looks at it
			r.settle()
			f.Data = r.expect(f)
		default:
			if f.Name != "ask" {
				r.Fatalf("%s: want ask, .yaml, .delete, .says or .fresh", f.Name)
			}
			r.ask = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
		}
	}
}

// expect compares what is said with what a file wants, and returns what it is to want.
func (r *rows) expect(f *txtar.File) []byte {
	if !*update && string(f.Data) != r.said {
		r.Errorf("%s: run with -update and review the difference; said is:\n%s\nwanted:\n%s", f.Name, r.said, f.Data)
	}
	return []byte(r.said)
}

// apply writes the objects of manifests to both.
func (r *rows) apply(manifests []byte) {
	r.Helper()
	documents, err := kube.Documents(manifests)
	if err != nil {
		r.Fatal(err)
	}
	for _, d := range documents {
		decoded, kind, err := scheme.Codecs.UniversalDeserializer().Decode(d, nil, nil)
		if err != nil {
			r.Fatal(err)
		}
		o, _ := decoded.(kube.Object)
		if err := cluster.Apply(limited(r), o); err != nil {
			r.Fatal(err)
		}
		key := kind.Kind + " " + strings.TrimPrefix(o.GetNamespace()+"/"+o.GetName(), "/")
		created := fmt.Sprintf("metadata: {creationTimestamp: %q, ", o.GetCreationTimestamp().UTC().Format(time.RFC3339))
		r.objects[key], r.documents[key] = o, string(bytes.Replace(d, []byte("metadata: {"), []byte(created), 1))
	}
	r.write()
}

// remove deletes objects of both.
func (r *rows) remove(keys []string) {
	r.Helper()
	for _, key := range keys {
		o, ok := r.objects[key]
		if !ok {
			r.Fatalf("there is no %s", key)
		}
		if err := cluster.Delete(limited(r), o); err != nil {
			r.Fatal(err)
		}
		delete(r.objects, key)
		delete(r.documents, key)
	}
	r.write()
}

// write writes the folder, whole.
func (r *rows) write() {
	r.Helper()
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(r.documents)) {
		text.WriteString("---\n" + r.documents[key] + "\n")
	}
	next := filepath.Join(filepath.Dir(r.path), ".next")
	if err := os.WriteFile(next, []byte(text.String()), 0o600); err != nil {
		r.Fatal(err)
	}
	if err := os.Rename(next, r.path); err != nil {
		r.Fatal(err)
	}
}

// empty deletes what is left of the row.
func (r *rows) empty() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := cluster.Delete(ctx, slices.Collect(maps.Values(r.objects))...); err != nil {
		r.Error(err)
	}
}

// settle waits until both sources have been read, and lead to the same. What is said is not what
// was said before: else nobody could tell whether the step was read yet.
func (r *rows) settle() {
	r.Helper()
	if r.folder == nil {
		r.start()
	}
	ctx := limited(r)
	r.folder.await(ctx, r, func(of translator.Result) error {
		if r.says(of) == r.said {
			return fmt.Errorf("nothing else is said than before:\n%s", r.said)
		}
		return nil
	})
	r.api.await(ctx, r, func(of translator.Result) error {
		r.folder.mu.Lock()
		folder := r.folder.result
		r.folder.mu.Unlock()
		r.said = r.says(folder)
		return r.same(folder, of)
	})
}

// start starts a process for each source.
func (r *rows) start() {
	r.Helper()
	folder, err := dir.Open(filepath.Dir(r.path), dir.Config{})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { folder.Close() })
	r.folder = &replica{}
	r.folder.run(r, &controller.Loop{Source: folder}, nil)
	source := newSource(r, watcher.Config{Namespaces: rowSpaces})
	r.api = &replica{source: source}
	r.api.run(r, &controller.Loop{Source: source, Used: source.Used}, nil, source.Run)
}

// same reports what differs between what the sources led to.
func (r *rows) same(folder, api translator.Result) error {
	fleets := 0
	for f := range folder.Fleets() {
		fleets++
		other, ok := api.Fleet(f.Name)
		if !ok {
			return fmt.Errorf("the API server has no class %s", f.Name)
		}
		if f.Snapshot.Digest() != other.Snapshot.Digest() {
			return fmt.Errorf("class %s is served otherwise of the API server; by which\n%s", f.Name, r.says(api))
		}
	}
	for range api.Fleets() {
		fleets--
	}
	if fleets != 0 {
		return fmt.Errorf("the folder has %d classes more", fleets)
	}
	now := time.Now()
	if a, b := texts(folder.Problems(now)), texts(api.Problems(now)); !slices.Equal(a, b) {
		return fmt.Errorf("the folder tells\n%s\nthe API server\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	return nil
}

// texts are Problems as people read them, wherever the object stands.
func texts(list []finding.Problem) (texts []string) {
	for _, p := range list {
		p.File = ""
		texts = append(texts, fmt.Sprintf("%s: %s", p.Code, p.Error()))
	}
	slices.Sort(texts)
	return texts
}

// says is what becomes of the requests, and what is wrong. Left out is what depends on when a second
// begins, since an object is older than another then, or as old: texts, and one Problem.
func (r *rows) says(of translator.Result) string {
	var b strings.Builder
	for _, ask := range r.ask {
		if name, ok := strings.CutPrefix(ask, "limits of "); ok {
			fmt.Fprintf(&b, "%s: %s\n", ask, limitsOf(r, of, name))
			continue
		}
		q, err := inspect.ParseQuestion(&adminv1.WhyRequest{Url: ask})
		if err != nil {
			r.Fatal(err)
		}
		for _, w := range inspect.Asks(of, q, "", time.Now()) {
			fmt.Fprintf(&b, "%s -> %s\n", ask, answer(w))
		}
	}
	for _, p := range of.Problems(time.Now()) {
		if p.Code == finding.HostRemembered { // told of an owner that is younger by now
			continue
		}
		fmt.Fprintln(&b, strings.Join(strings.Fields(fmt.Sprint(p.Code, " ", p.Object, " ", p.Field, " ", p.Value)), " "))
	}
	return b.String()
}

// answer is what a fleet does with a request.
func answer(w inspect.Why) string {
	var list []string
	if c := w.Certificate; c != nil {
		list = append(list, "certificate of "+cmp.Or(c.Secret, "nobody"))
	}
	if len(w.Answers) == 0 {
		list = append(list, w.Guards...)
	}
	for _, a := range w.Answers {
		text := strings.TrimSpace(fmt.Sprintf("%s %s%s", a.Cluster, a.Name, a.Location))
		switch {
		case a.Status != 0:
			text = strings.TrimSpace(fmt.Sprint(a.Status, " ", text))
		case len(a.Endpoints) == 0 && a.Name == "":
			text += " without endpoints"
		}
		for _, e := range a.Endpoints {
			text += " " + e.Address
		}
		for _, no := range a.Refusals {
			if no.Guard == "body" { // the limit that every route has
				continue
			}
			text += fmt.Sprintf(", or %d by %s", no.Status, no.Guard)
		}
		list = append(list, strings.TrimSpace(text))
	}
	return strings.Join(list, "; ")
}

// limitsOf are the circuit breakers of a cluster.
func limitsOf(t testing.TB, of translator.Result, name string) string {
	t.Helper()
	for f := range of.Fleets() {
		r, ok := f.Snapshot.Of(snapshot.Cluster).Get(name)
		if !ok {
			continue
		}
		m, err := r.View().UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := m.(*clusterv3.Cluster); ok {
			return fmt.Sprint(c.GetCircuitBreakers().GetThresholds()[0].GetMaxConnections().GetValue(), " connections")
		}
	}
	return "no such cluster"
}
