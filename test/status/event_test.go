//go:build real

package status

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/watcher/status"
)

// TestEvents: a Problem is one Event, whoever leads; one more when it is mended;
// when it comes back, the same counts on. A Problem of a deleted object is not
// mended.
func TestEvents(t *testing.T) {
	w, log := newSuite(t), &everything{}
	w.config.Log = log.logger()
	first := w.start()
	w.awaitLeader(first)
	second := w.start()
	w.create("shop", "doomed")
	problem := func(name, text string) finding.Problem {
		return finding.Problem{Code: finding.BadHost, Object: object.Ref{Kind: object.KindIngress, Namespace: w.namespace, Name: name}, Field: "spec.rules[0].host", Value: "a_b", Message: text}
	}
	w.problems = []finding.Problem{problem("shop", "no host; it is not served"), problem("shop", "another one"), problem("doomed", "gone soon")}
	w.report()
	w.awaitStats(first, "Events", func(s status.Stats) bool { return s.Events == 3 })
	first.end()
	w.awaitLeader(second)
	w.awaitStats(second, "Events", func(s status.Stats) bool { return s.Events == 3 })
	const host = `spec.rules[0].host="a_b": `
	lines := func(first, second string, counts ...any) string {
		return fmt.Sprintf(first+host+"another one (x%d)\n"+second+host+"no host; it is not served (x%d)", counts...)
	}
	warned := func(counts ...any) string { return lines("Warning BadHost: ", "Warning BadHost: ", counts...) }
	mended := lines("Normal BadHost: mended: ", "Normal BadHost: mended: ", 1, 1) + "\n"
	w.events(w.namespace, "shop", all(warned(1, 1)))
	w.problems = nil
	for _, r := range w.replicas {
		r.Report(status.State{Exists: func(ref object.Ref) bool { return ref.Name == "shop" }})
	}
	w.events(w.namespace, "shop", all(mended+warned(1, 1)))
	w.problems = []finding.Problem{problem("shop", "another one")}
	w.report()
	w.events(w.namespace, "shop", all(mended+warned(2, 1)))
	w.events(w.namespace, "doomed", only("Warning BadHost: "+host+"gone soon (x1)"))
	o, err := cluster.Client().NetworkingV1().Ingresses(w.namespace).Get(w.ctx, "shop", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	described, err := cluster.Client().CoreV1().Events(w.namespace).List(w.ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(o.UID)})
	if err != nil || len(described.Items) != 4 {
		t.Errorf("kubectl describe finds %d Events, %v", len(described.Items), err)
	}
	w.endingIsQuiet(second, log)
}

// endingIsQuiet: that no Event can be written where a namespace ends is counted, and no line
// of the log.
func (w *suite) endingIsQuiet(r *replica, log *everything) {
	w.Helper()
	ends, failed := cluster.Namespace(w.T), r.Stats().EventFailures
	maps := cluster.Client().CoreV1().ConfigMaps(ends)
	keeper := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "keeper", Finalizers: []string{"legation.dev/test"}}} // the namespace cannot go
	if _, err := maps.Create(w.ctx, keeper, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
	if err := cluster.Client().CoreV1().Namespaces().Delete(w.ctx, ends, metav1.DeleteOptions{}); err != nil {
		w.Fatal(err)
	}
	for { // until the API server has noticed
		_, err := maps.Create(w.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "late-"}}, metav1.CreateOptions{})
		if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			break
		}
		if err != nil {
			w.Fatal(err)
		}
	}
	w.problems = []finding.Problem{{Code: finding.BadHost, Object: object.Ref{Kind: object.KindIngress, Namespace: ends, Name: "gone"}, Message: "it goes"}}
	w.report()
	w.awaitStats(r, "failure of an Event", func(s status.Stats) bool { return s.EventFailures > failed })
	if text := log.String(); strings.Contains(text, "level=WARN") || strings.Contains(text, "level=ERROR") {
		w.Errorf("the log has\n%s", text)
	}
	if _, err := maps.Patch(w.ctx, "keeper", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		w.Fatal(err)
	}
}

// all is the look of w.events at all Events of an object, in order of their text.
func all(want string) func([]*corev1.Event) error {
	return func(list []*corev1.Event) error {
		if got := describe(list); got != want {
			return fmt.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
		return nil
	}
}
