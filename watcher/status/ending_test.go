package status

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestEndingNamespace: that no Event can be written where a namespace ends, or its object is
// gone, is no line of the log; any other failure is one.
func TestEndingNamespace(t *testing.T) {
	events := schema.GroupResource{Group: "events.k8s.io", Resource: "events"}
	ends := apierrors.NewForbidden(events, "x", errors.New("it is being terminated"))
	ends.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for name, c := range map[string]struct {
		err   error
		lines int
	}{"ends": {ends, 0}, "gone": {apierrors.NewNotFound(events, "x"), 0}, "no right": {apierrors.NewForbidden(events, "x", errors.New("no right")), 1}} {
		var text bytes.Buffer
		l := &leadership{w: &Writer{}, recorder: newEventRecorder(lastingTime, refreshTime), tells: trouble{what: "writing Events", log: slog.New(slog.NewTextHandler(&text, nil))}}
		l.eventWritten(pendingEvent{eventWrite: eventWrite{problem: about("a", "x")}}, record{}, c.err, start)
		if got := strings.Count(text.String(), "\n"); got != c.lines || l.w.Stats().EventFailures != 1 {
			t.Errorf("%s: %d failures, %d lines, want %d:\n%s", name, l.w.Stats().EventFailures, got, c.lines, &text)
		}
	}
}
