package reach

import (
	"context"
	"fmt"
	"slices"

	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Events are those of a reason that a controller has written, the oldest first. The API server
// keeps an Event for an hour (its --event-ttl).
func (c Cluster) Events(ctx context.Context, reason, controller string) ([]eventsv1.Event, error) {
	client, err := kubernetes.NewForConfig(c.REST)
	if err != nil {
		return nil, err
	}
	options := metav1.ListOptions{FieldSelector: "reason=" + reason}
	list, err := client.EventsV1().Events(c.Namespace).List(ctx, options)
	if apierrors.IsForbidden(err) && c.Namespace == "" { // not everybody may look everywhere
		if list, err = client.EventsV1().Events(c.Fallback).List(ctx, options); apierrors.IsForbidden(err) {
			err = fmt.Errorf("%w; -n says in which namespace to look", err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("looking for Events: %w", err)
	}
	events := slices.DeleteFunc(list.Items, func(e eventsv1.Event) bool { return e.ReportingController != controller })
	slices.SortStableFunc(events, func(a, b eventsv1.Event) int { return a.EventTime.Compare(b.EventTime.Time) })
	return events, nil
}
