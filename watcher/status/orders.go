package status

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/object"
)

// Order is one that somebody gave and that was carried out. It is told by an Event of the
// IngressClass.
type Order struct {
	ID    string // the same at every replica: the Event is named by it
	Class string
	// Reason is that of the Event, and Action its verb: "RemovalApproved", "Approve".
	Reason, Action string
	Text           string // who gave it and why
	At             time.Time
}

const (
	// ordersEvery is how often it is looked for orders that are not told yet.
	ordersEvery = time.Second
	// ordersFor is how long an order may wait to be told: for as long a next leader, which does
	// not know what the last one has told, tries it again. API servers keep Events for longer.
	ordersFor = 15 * time.Minute
)

// tellOrders writes an Event for each order, until ctx ends.
func (p *eventWriter) tellOrders(ctx context.Context, orders func() []Order, wrong *trouble) {
	tick := time.NewTicker(ordersEvery)
	defer tick.Stop()
	told := map[string]bool{}
	for {
		for _, o := range orders() {
			if told[o.ID] || time.Since(o.At) > ordersFor {
				continue
			}
			err := p.tellOrder(ctx, o)
			if ctx.Err() != nil {
				return
			}
			wrong.tell(err)
			told[o.ID] = err == nil
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tellOrder writes one Event, unless the class is gone or another leader has written it.
func (p *eventWriter) tellOrder(ctx context.Context, o Order) error {
	ref := object.Ref{Kind: object.KindIngressClass, Name: o.Class}
	uid, err := p.uid(ctx, ref)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for %s: %w", ref, err)
	}
	_, err = p.client.EventsV1().Events(clusterEvents).Create(ctx, o.event(ref, uid, p.instance), metav1.CreateOptions{FieldManager: Manager})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func (o Order) event(ref object.Ref, uid types.UID, instance string) *eventsv1.Event {
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: clusterEvents, Name: eventName(ref.Name, string(uid), o.ID)},
		EventTime:  metav1.NewMicroTime(o.At), ReportingController: controller, ReportingInstance: cut(instance, instanceLimit),
		Action: o.Action, Reason: o.Reason, Type: corev1.EventTypeNormal, Note: cut(o.Text, noteLimit),
		Regarding: corev1.ObjectReference{APIVersion: resourceOf(ref.Kind).GroupVersion().String(), Kind: string(ref.Kind), Name: ref.Name, UID: uid},
	}
}
