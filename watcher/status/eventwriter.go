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
	// clusterEvents is the namespace of Events about objects that have none. The API
	// server demands this one.
	clusterEvents = metav1.NamespaceDefault
	// noteLimit and instanceLimit are bounds of the API, in bytes.
	noteLimit, instanceLimit = 1024, 128
	// eventNameLimit leaves room for the digest in the name of an Event.
	eventNameLimit = 253 - 1 - 32
)

// resourceOf returns the API resource of a kind of object.
func resourceOf(kind object.Kind) schema.GroupVersionResource {
	r, _ := kind.Reading()
	return schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Resource}
}

// write creates an Event, or renews it if it exists. uid is the UID of the object that
// the Event is about; empty if it is not known.
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

// uid returns the UID of an object. It reads only the metadata, also of a Secret.
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

// renew increments series.count of an Event that exists. The write also makes the API
// server keep the Event for longer, as its TTL starts again.
//
// If another process wrote the Event (the earlier leader, or we before a restart),
// before.count is 0. An empty patch then returns the Event with its count: a get would
// need the RBAC verb get on Events, which Legation does not have.
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

// event builds the Event for a write. Its reason is the code of the Problem, also when
// the Event says that the Problem is mended. Its name is derived from
// name and UID of its object, its reason and its text: so the next replica that leads gives
// it the same name, and renews it instead of writing it twice. An object that is made anew
// under the same name gets Events of its own.
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

// eventName is the name of the object, shortened if need be, followed by a digest of parts.
func eventName(object string, parts ...string) string {
	digest := pmap.SumOf(parts...).String()
	return strings.TrimRight(object[:min(len(object), eventNameLimit)], ".-") + "." + digest
}

// words is the text of a Problem without its object, which the Event refers to.
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
