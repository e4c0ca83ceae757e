package status

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
)

// eventWriter writes Events. Client-go's recorder is not used: it makes one Event of two
// different messages, another one after each change of the leader, and a goroutine
// for each.
type eventWriter struct {
	client   kubernetes.Interface
	metadata metadata.Interface
	instance string // who reports: this replica
}

const (
	controller = input.Controller // reportingController
	action     = "Translate"
	// clusterEvents is where Events of objects without a namespace are, as the API
	// server demands.
	clusterEvents = metav1.NamespaceDefault
	// noteLimit and instanceLimit are bounds of the API, in bytes.
	noteLimit, instanceLimit = 1024, 128
	// eventNameLimit leaves room for the digest in the name of an Event.
	eventNameLimit = 253 - 1 - 32
)

// resourceOf is the resource of a kind that Events are about.
func resourceOf(kind object.Kind) schema.GroupVersionResource {
	r, _ := kind.Reading()
	return schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Resource}
}

// write writes or renews an Event. uid is that of its object, if it is known.
func (p *eventWriter) write(ctx context.Context, o eventWrite, uid types.UID) (record, error) {
	if uid == "" {
		var err error
		if uid, err = p.uid(ctx, o.problem.Object); err != nil {
			return record{}, fmt.Errorf("looking for %s: %w", o.problem.Object, err)
		}
	}
	e := event(o, uid, p.instance, time.Now())
	if o.before.name == e.Name {
		r, err := p.renew(ctx, e, o.before)
		if !apierrors.IsNotFound(err) {
			return r, err
		}
	}
	_, err := p.client.EventsV1().Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{FieldManager: Manager})
	switch {
	case apierrors.IsAlreadyExists(err):
		return record{name: e.Name}, nil
	case err != nil:
		return record{}, err
	}
	return record{name: e.Name, count: 1}, nil
}

// uid looks an object up. Of a Secret, too, only the metadata is read.
func (p *eventWriter) uid(ctx context.Context, ref object.Ref) (types.UID, error) {
	resource := p.metadata.Resource(resourceOf(ref.Kind))
	var o *metav1.PartialObjectMetadata
	var err error
	if ref.Namespace == "" {
		o, err = resource.Get(ctx, ref.Name, metav1.GetOptions{})
	} else {
		o, err = resource.Namespace(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	}
	if err != nil {
		return "", err
	}
	return o.UID, nil
}

// renew counts an Event on, which also makes the API server keep it for longer.
// The count of another process's is read by a patch that changes nothing: no right
// to read Events is needed for that.
func (p *eventWriter) renew(ctx context.Context, e *eventsv1.Event, before record) (record, error) {
	patch := func(body []byte) (*eventsv1.Event, error) {
		return p.client.EventsV1().Events(e.Namespace).Patch(ctx, e.Name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: Manager})
	}
	count := before.count
	if count == 0 {
		now, err := patch([]byte("{}"))
		if err != nil {
			return record{}, err
		}
		if count = 1; now.Series != nil {
			count = now.Series.Count
		}
	}
	series := eventsv1.EventSeries{Count: count + 1, LastObservedTime: e.EventTime}
	body, err := json.Marshal(map[string]any{"series": series})
	if err != nil {
		return record{}, err
	}
	if _, err = patch(body); err != nil {
		return record{}, err
	}
	return record{name: e.Name, count: series.Count}, nil
}

// event is the Event of a write: its reason is the code of the Problem, also once
// that is mended. Its name follows from what it says and of which
// object, so that nobody of ours writes it twice.
func event(o eventWrite, uid types.UID, instance string, now time.Time) *eventsv1.Event {
	ref, reason, kind := o.problem.Object, string(o.problem.Code), corev1.EventTypeWarning
	text := words(o.problem)
	if o.problem.Code.Row().Severity == finding.Info {
		kind = corev1.EventTypeNormal
	}
	if o.mended {
		kind, text = corev1.EventTypeNormal, "mended: "+text
	}
	namespace := ref.Namespace
	if namespace == "" {
		namespace = clusterEvents
	}
	gv := resourceOf(ref.Kind).GroupVersion()
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: eventName(ref.Name, string(uid), reason, text)},
		EventTime:  metav1.NewMicroTime(now), ReportingController: controller, ReportingInstance: cut(instance, instanceLimit),
		Action: action, Reason: reason, Type: kind, Note: cut(text, noteLimit),
		Regarding: corev1.ObjectReference{APIVersion: gv.String(), Kind: string(ref.Kind), Namespace: ref.Namespace, Name: ref.Name, UID: uid},
	}
}

// eventName is the name of the object, as far as there is room, and a digest.
func eventName(object string, parts ...string) string {
	digest := pmap.SumOf(parts...).String()
	return strings.TrimRight(object[:min(len(object), eventNameLimit)], ".-") + "." + digest
}

// words is what a Problem says, without the object, which the Event names.
func words(p finding.Problem) string {
	switch {
	case p.Field == "":
		return p.Message
	case p.Value == "":
		return p.Field + ": " + p.Message
	}
	return fmt.Sprintf("%s=%q: %s", p.Field, p.Value, p.Message)
}

const ellipsis = "…"

// cut shortens text to at most limit bytes, between two characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}
