// Package event leaves the report of a drain in the cluster, as an Event on the pod of Envoy:
// the status of the pod, where the report is too, goes with it.
//
// It makes one object of one report, and tries to write it for as long as it is given. It
// knows nothing of Envoy, and a drain does not depend on it.
//
// Start reading at Write; note.go has what people read.
package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"legation.dev/drain"
	"legation.dev/drain/api"
)

const (
	// Reason and Controller are what such Events are found by.
	Reason     = "Drained"
	Controller = "legation.dev/shutdown-manager"
	// Annotation has the report as JSON.
	Annotation = "legation.dev/drain-report"
	// Warning is the type of an Event that tells of clients who lost something, or may have.
	Warning = "Warning"

	action = "Drain"
	// normal is the type of an Event that tells of nothing lost.
	normal = "Normal"
	// maxNote, maxInstance and maxName are bounds of the API, in bytes.
	maxNote, maxInstance, maxName = 1024, 128, 253
	// pause is between two tries.
	pause = 100 * time.Millisecond
)

// Pod is what an Event is about.
type Pod struct{ Namespace, Name, UID string }

// ParsePod reads NAMESPACE/NAME/UID.
func ParsePod(text string) (Pod, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return Pod{}, fmt.Errorf("%q: want NAMESPACE/NAME/UID", text)
	}
	return Pod{parts[0], parts[1], parts[2]}, nil
}

// Event is one of events.k8s.io/v1, as far as it is written. Kubernetes says what each field is.
type Event struct {
	APIVersion          string    `json:"apiVersion"`
	Kind                string    `json:"kind"`
	Metadata            Metadata  `json:"metadata"`
	EventTime           string    `json:"eventTime"`
	ReportingController string    `json:"reportingController"`
	ReportingInstance   string    `json:"reportingInstance"`
	Action              string    `json:"action"`
	Reason              string    `json:"reason"`
	Type                string    `json:"type"`
	Note                string    `json:"note"`
	Regarding           Reference `json:"regarding"`
}

// Metadata of an Event.
type Metadata struct {
	Namespace   string            `json:"namespace"`
	Name        string            `json:"name"`
	Annotations map[string]string `json:"annotations"`
}

// Reference is the pod.
type Reference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
}

// Of is the Event on a pod whose drain ended at now. It is pure. Its name is of pod and time:
// so a second try makes no second Event, and a pod that drains twice has two.
func Of(p Pod, r drain.Report, now time.Time) (Event, error) {
	report, err := json.Marshal(r)
	if err != nil {
		return Event{}, err
	}
	kind := normal
	if cut(r) {
		kind = Warning
	}
	at := fmt.Sprintf(".drained-%x", now.UnixMicro())
	return Event{
		APIVersion: "events.k8s.io/v1", Kind: "Event",
		Metadata:  Metadata{Namespace: p.Namespace, Name: strings.TrimRight(p.Name[:min(len(p.Name), maxName-len(at))], ".-") + at, Annotations: map[string]string{Annotation: string(report)}},
		EventTime: now.UTC().Format("2006-01-02T15:04:05.000000Z"), ReportingController: Controller, ReportingInstance: p.Name[:min(len(p.Name), maxInstance)],
		Action: action, Reason: Reason, Type: kind, Note: note(r),
		Regarding: Reference{APIVersion: "v1", Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID},
	}, nil
}

// Write writes e, which needs the right to create events.events.k8s.io in the namespace of the
// pod. It tries again until ctx ends, but not after an answer that stays what it is. The error
// is the last one.
func Write(ctx context.Context, c *api.Client, e Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	for {
		err := c.Create(ctx, "/apis/events.k8s.io/v1/namespaces/"+e.Metadata.Namespace+"/events", body)
		if err == nil || final(err) || !api.Wait(ctx, pause) {
			return known(err)
		}
	}
}

// known is nil if the Event is there: by a try whose answer was lost.
func known(err error) error {
	var refused *api.Refused
	if errors.As(err, &refused) && refused.Status == http.StatusConflict {
		return nil
	}
	return err
}

// final reports whether another try is answered the same.
func final(err error) bool {
	var refused *api.Refused
	return errors.As(err, &refused) && refused.Status < http.StatusInternalServerError && refused.Status != http.StatusTooManyRequests
}
