package dir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"legation.dev/object"
	"legation.dev/translator/input"
)

// folder is a folder of manifests that a test changes, and its Source.
type folder struct {
	*testing.T
	path   string
	source *Source
}

// watch makes a folder with files in it and reads it for the first time.
func watch(t *testing.T, files map[string]string) (*folder, []string) {
	t.Helper()
	return watchBy(t, Config{}, files)
}

func watchBy(t *testing.T, c Config, files map[string]string) (*folder, []string) {
	t.Helper()
	f := &folder{T: t, path: t.TempDir()}
	for name, text := range files {
		f.write(name, text)
	}
	var err error
	if f.source, err = Open(f.path, c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.source.Close() })
	return f, f.take()
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

// write writes a file as deployments do: whole, under another name, then renamed.
func (f *folder) write(name, text string) {
	f.Helper()
	temporary := f.file(".new")
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
	if err := os.Rename(temporary, f.file(name)); err != nil {
		f.Fatal(err)
	}
}

func (f *folder) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// take takes the next changes: "put Service shop/a", "delete ...", "clear ..." or
// the text of a Problem, without the folder's path.
func (f *folder) take() (list []string) {
	f.Helper()
	changes, err := f.source.Take(f.Context())
	f.must(err)
	return describe(f.path, changes)
}

func describe(path string, changes []input.Change) (list []string) {
	for _, c := range changes {
		switch {
		case c.Deleted:
			list = append(list, "delete "+c.Ref.String())
		case c.Object != nil:
			list = append(list, "put "+c.Ref.String())
		case len(c.Problems) == 0:
			list = append(list, "clear "+c.Ref.String())
		}
		for _, p := range c.Problems {
			list = append(list, p.Error())
		}
	}
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], path+string(filepath.Separator), "")
	}
	return list
}

func (f *folder) expect(got []string, want ...string) {
	f.Helper()
	if !slices.Equal(got, want) {
		f.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func config(name, value string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {key: \"" + value + "\"}\n"
}

const class = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: edge}\nspec: {controller: legation.dev/ingress-controller}\n"

func TestFirstReading(t *testing.T) {
	f, got := watch(t, map[string]string{"a.yaml": config("a", "1"), "b.json": `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}}`,
		"class.yml": class, "notes.txt": "x", ".hidden.yaml": config("c", "1"), "a.yaml~": config("d", "1"), "#a.yaml": config("e", "1")})
	f.expect(got, "put ConfigMap default/a", "put ConfigMap default/b", "put IngressClass edge")
	once, err := Read(f.path)
	f.must(err)
	f.expect(describe(f.path, once), got...)
}

// TestDefaultClass: a folder without any IngressClass is served as class
// legation; one whose class went away is not.
func TestDefaultClass(t *testing.T) {
	f, got := watchBy(t, Config{AllowEmpty: true}, nil)
	f.expect(got, "put IngressClass legation")
	f.write("class.yaml", class)
	f.expect(f.take(), "put IngressClass edge", "delete IngressClass legation")
	f.must(os.Remove(f.file("class.yaml")))
	f.expect(f.take(), "delete IngressClass edge")
}

func TestChanges(t *testing.T) {
	f, _ := watch(t, map[string]string{"class.yaml": class, "a.yaml": config("a", "1") + "---\n" + config("b", "1")})
	f.write("a.yaml", config("a", "2")+"---\n"+config("c", "1"))
	f.expect(f.take(), "put ConfigMap default/a", "put ConfigMap default/c", "delete ConfigMap default/b")
	f.must(os.MkdirAll(f.file("below/it"), 0o700))
	f.write("below/it/d.yaml", config("d", "1"))
	f.expect(f.take(), "put ConfigMap default/d")
	f.write("below/it/d.yaml", config("d", "2"))
	f.expect(f.take(), "put ConfigMap default/d")
	f.must(os.RemoveAll(f.file("below")))
	f.expect(f.take(), "delete ConfigMap default/d")
}

// TestBroken: what cannot be read keeps what it last was, and harms nothing else.
func TestBroken(t *testing.T) {
	f, _ := watch(t, map[string]string{"class.yaml": class, "a.yaml": config("a", "1") + "---\n" + config("b", "1")})
	f.write("a.yaml", config("a", "1")+"---\nkind: [\n")
	f.expect(f.take(), "a.yaml:6: File a.yaml: yaml: line 6: did not find expected node content; the document is not used")
	f.write("a.yaml", config("a", "1")+"---\n"+strings.Replace(config("b", "2"), "\ndata", "\ndaat", 1))
	f.expect(f.take(), "put ConfigMap default/b", "a.yaml:9: ConfigMap default/b: daat: unknown field; the document is not used", "clear File a.yaml")
	if o := f.source.taken[object.Ref{Kind: object.KindConfigMap, Namespace: "default", Name: "b"}].object; o.(*input.ConfigMap).Data["key"] != "1" {
		t.Errorf("the last good state was lost: %+v", o)
	}
	f.write("a.yaml", config("a", "1")+"---\n"+config("b", "1"))
	f.expect(f.take(), "put ConfigMap default/b")
	f.must(os.Remove(f.file("a.yaml")))
	f.must(os.Symlink("a.yaml", f.file("a.yaml"))) // a circle
	f.expect(f.take(), "a.yaml: File a.yaml: stat a.yaml: too many levels of symbolic links; what it last said stays")
	f.must(os.Remove(f.file("a.yaml")))
	f.write("a.yaml", config("a", "2"))
	f.expect(f.take(), "put ConfigMap default/a", "delete ConfigMap default/b", "clear File a.yaml")
}

func TestTwoFiles(t *testing.T) {
	f, got := watch(t, map[string]string{"class.yaml": class, "a.yaml": config("a", "1"), "b.yaml": config("a", "2")})
	f.expect(got, "put ConfigMap default/a", "b.yaml: ConfigMap default/a: the object is also in another file, whose name comes first; that one counts", "put IngressClass edge")
	f.must(os.Remove(f.file("a.yaml")))
	f.expect(f.take(), "put ConfigMap default/a")
}

// TestSlowWrite: a file that somebody is writing is read when it is complete,
// and holds nothing up until then.
func TestSlowWrite(t *testing.T) {
	f, _ := watch(t, map[string]string{"class.yaml": class, "a.yaml": config("a", "1") + "---\n" + config("b", "1")})
	slow, err := os.OpenFile(f.file("a.yaml"), os.O_WRONLY|os.O_TRUNC, 0)
	f.must(err)
	_, err = slow.WriteString(config("a", "2"))
	f.must(err)
	f.write("other.yaml", config("c", "1"))
	f.expect(f.take(), "put ConfigMap default/c")
	_, err = slow.WriteString("---\n" + config("b", "2"))
	f.must(err)
	f.must(slow.Close())
	f.expect(f.take(), "put ConfigMap default/a", "put ConfigMap default/b")
}

// TestEditor: an editor that moves the old file away first deletes nothing, even
// if it takes its time over the new one.
func TestEditor(t *testing.T) {
	f, _ := watch(t, map[string]string{"class.yaml": class, "a.yaml": config("a", "1")})
	f.must(os.Rename(f.file("a.yaml"), f.file("a.yaml~")))
	slow, err := os.Create(f.file("a.yaml"))
	f.must(err)
	f.write("other.yaml", config("c", "1"))
	f.expect(f.take(), "put ConfigMap default/c")
	_, err = slow.WriteString(config("a", "2"))
	f.must(err)
	f.must(slow.Close())
	f.expect(f.take(), "put ConfigMap default/a")
}

// TestMountedConfigMap: a kubelet swaps a link to a folder.
func TestMountedConfigMap(t *testing.T) {
	f, _ := watch(t, map[string]string{"class.yaml": class})
	for _, version := range []string{"..1", "..2"} {
		f.must(os.Mkdir(f.file(version), 0o700))
		f.must(os.WriteFile(f.file(version+"/a.yaml"), []byte(config("a", version)), 0o600))
		f.must(os.Symlink(version, f.file("..tmp")))
		f.must(os.Rename(f.file("..tmp"), f.file("..data")))
		if version == "..1" {
			f.must(os.Symlink("..data/a.yaml", f.file("a.yaml")))
		}
		f.expect(f.take(), "put ConfigMap default/a")
	}
}

// TestRootGone: a folder that is unmounted deletes nothing.
func TestRootGone(t *testing.T) {
	f, _ := watch(t, map[string]string{"class.yaml": class, "a.yaml": config("a", "1")})
	moved := f.path + ".moved"
	f.must(os.Rename(f.path, moved))
	t.Cleanup(func() { os.RemoveAll(moved) })
	if got := f.take(); len(got) != 1 || !strings.Contains(got[0], "no such file or directory; what it last said stays") {
		t.Errorf("got %q", got)
	}
}

// TestContext: a Take that is given up loses nothing.
func TestContext(t *testing.T) {
	f, _ := watch(t, map[string]string{"class.yaml": class})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.write("a.yaml", config("a", "1"))
	if _, err := f.source.Take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	f.expect(f.take(), "put ConfigMap default/a")
}

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	if _, err := Open(path, Config{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Config{}); err == nil || !strings.Contains(err.Error(), "is not a folder") {
		t.Errorf("got %v", err)
	}
}

// TestClaim: the classes of a controller whose place we take are ours, and say whose they
// were; those of others are not.
func TestClaim(t *testing.T) {
	root := t.TempDir()
	text := "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: theirs}\nspec: {controller: example.com/theirs}\n---\n" +
		"apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: other}\nspec: {controller: example.com/other}\n"
	if err := os.WriteFile(filepath.Join(root, "classes.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := Read(root, "example.com/theirs")
	if err != nil || len(list) != 2 {
		t.Fatalf("read %v, %v", list, err)
	}
	for _, c := range list {
		o := c.Object.(*input.IngressClass)
		ours := o.Controller == input.Controller && o.Claimed == "example.com/theirs"
		if ours != (o.Name == "theirs") {
			t.Errorf("class %s is of %s, claimed from %q", o.Name, o.Controller, o.Claimed)
		}
	}
}

const nothingLeft = "File : there is not one manifest in the folder, which --allow-empty believes; what it last said stays"

// withoutRoot is a list of take without the path of the folder itself.
func (f *folder) withoutRoot(list []string) []string {
	for i := range list {
		list[i] = strings.TrimPrefix(strings.ReplaceAll(list[i], f.path, ""), ": ")
	}
	return list
}

// TestEmpty: a folder without a single manifest says nothing, at the start or later, but
// that it is empty.
func TestEmpty(t *testing.T) {
	f, got := watch(t, nil)
	f.expect(f.withoutRoot(got), nothingLeft)
	f.write("a.yaml", config("a", "1"))
	f.expect(f.withoutRoot(f.take()), "put ConfigMap default/a", "put IngressClass legation", "clear File ")
	f.write("b.yaml", config("b", "1"))
	f.expect(f.take(), "put ConfigMap default/b")
	f.must(os.Remove(f.file("a.yaml")))
	f.expect(f.take(), "delete ConfigMap default/a")
	f.must(os.Remove(f.file("b.yaml")))
	f.expect(f.withoutRoot(f.take()), nothingLeft)
	f.write("a.yaml", config("a", "2"))
	f.expect(f.withoutRoot(f.take()), "put ConfigMap default/a", "delete ConfigMap default/b", "clear File ")

	f, _ = watchBy(t, Config{AllowEmpty: true}, map[string]string{"class.yaml": class})
	f.must(os.Remove(f.file("class.yaml")))
	f.expect(f.take(), "delete IngressClass edge")
}

// TestDangling: a link that leads nowhere deletes nothing, as when a kubelet has swapped
// the folder behind it for an empty one.
func TestDangling(t *testing.T) {
	f, _ := watch(t, map[string]string{"class.yaml": class})
	f.must(os.Mkdir(f.file("..1"), 0o700))
	f.must(os.Mkdir(f.file("..2"), 0o700))
	f.must(os.WriteFile(f.file("..1/a.yaml"), []byte(config("a", "1")), 0o600))
	f.must(os.Symlink("..1", f.file("..data")))
	f.must(os.Symlink("..data/a.yaml", f.file("a.yaml")))
	f.expect(f.take(), "put ConfigMap default/a")
	f.must(os.Symlink("..2", f.file("..tmp")))
	f.must(os.Rename(f.file("..tmp"), f.file("..data")))
	f.write("other.yaml", config("c", "1")) // which is noticed: what is behind a link is not
	f.expect(f.take(), "put ConfigMap default/c", "a.yaml: File a.yaml: the link leads nowhere; what it last said stays")
	f.must(os.Remove(f.file("a.yaml")))
	f.expect(f.take(), "clear File a.yaml")
	f.expect(f.take(), "delete ConfigMap default/a")
}

// TestLargeFile: a file above the limit is not read, and what it last said stays.
func TestLargeFile(t *testing.T) {
	f, _ := watchBy(t, Config{MaxFile: 1000}, map[string]string{"class.yaml": class, "a.yaml": config("a", "1")})
	f.write("a.yaml", config("a", strings.Repeat("x", 1000)))
	f.expect(f.take(), "a.yaml: File a.yaml: the file has 1067 bytes, and at most 1000 are read (--max-file-size); what it last said stays")
	f.write("a.yaml", config("a", strings.Repeat("x", 900)))
	f.expect(f.take(), "put ConfigMap default/a", "clear File a.yaml")
}

// TestMemoryOfFile: what is kept of a file of Ingresses of 1.3 kB is at most three times the
// file: about 3 kB each, of which what is lowered is most. While it is read, there is one
// document beside that.
func TestMemoryOfFile(t *testing.T) {
	const ingress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {namespace: shop, name: NAME, annotations: {example.com/note: "NOTE"}}
spec: {rules: [{host: NAME.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
---
`
	var text strings.Builder
	for i := 0; text.Len() < 4<<20; i++ {
		text.WriteString(strings.NewReplacer("NAME", fmt.Sprintf("i%d", i), "NOTE", strings.Repeat("x", 1000)).Replace(ingress))
	}
	path, size := t.TempDir(), uint64(text.Len())
	if err := os.WriteFile(filepath.Join(path, "a.yaml"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	text.Reset()
	before := live()
	list, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if kept := live() - before; kept > 3*size {
		t.Errorf("%d bytes are kept of a file of %d, more than three times as much", kept, size)
	}
	runtime.KeepAlive(list)
}

// live is what is in use, in bytes.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestEndpointsAreTold: each change of an EndpointSlice is told with its Service, and nothing of
// what stays as it is, or of other objects.
func TestEndpointsAreTold(t *testing.T) {
	var told []string
	slice := func(ready string) string {
		return "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a-1, namespace: shop, labels: {kubernetes.io/service-name: a}}\naddressType: IPv4\nports: [{port: 80}]\nendpoints: [{addresses: [192.0.2.1], conditions: {ready: " + ready + "}}]\n"
	}
	f, _ := watchBy(t, Config{Endpoints: func(service object.Ref, by string) { told = append(told, service.String()+by) }}, map[string]string{"slice.yaml": slice("true")})
	f.write("slice.yaml", slice("false"))
	f.take()
	f.write("service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\nspec: {ports: [{port: 80}]}\n")
	f.take()
	f.write("slice.yaml", slice("true"))
	f.take()
	if want := []string{"Service shop/a", "Service shop/a", "Service shop/a"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
