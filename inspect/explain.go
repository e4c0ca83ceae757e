// Package inspect answers what people and Prometheus ask of a Legation: what is wrong
// now, which settings are effective and what sets them, what is served, and how far
// Envoys are. It looks at results of translation and at the Envoys' own words, and
// changes neither.
package inspect

import (
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// Fleet is what one fleet does with the Service.
type Fleet struct {
	Fleet string `json:"fleet"`
	Parts []Part `json:"parts"`
}

// Part is a cluster, or the routes of an Ingress if Cluster is empty.
type Part struct {
	Cluster   string   `json:"cluster,omitempty"`
	Ingresses []string `json:"ingresses,omitempty"`
	// Endpoints are those of the cluster; nil for routes.
	Endpoints *Endpoints `json:"endpoints,omitempty"`
	Settings  []Setting  `json:"settings"`
}

// Endpoints counts those of a cluster by their condition.
type Endpoints struct {
	Ready    int `json:"ready"`
	Draining int `json:"draining"` // they terminate, and still serve
	NotReady int `json:"not_ready"`
}

// Setting is one that is effective.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Object string `json:"object,omitempty"` // that says so; empty: the default
	Field  string `json:"field,omitempty"`
	Preset string `json:"preset,omitempty"` // that the field names and that gives the value
	Reason string `json:"reason,omitempty"` // of the default
	Envoy  string `json:"envoy"`
}

// Explain says which settings are in force for a Service ("namespace/name") in each
// fleet that leads to it, or only in that of class, and who says so.
func Explain(r translator.Result, service, class string) (fleets []Fleet) {
	for fleet := range r.Fleets() {
		if class != "" && class != fleet.Name {
			continue
		}
		one := Fleet{Fleet: fleet.Name}
		for _, e := range fleet.Explain(service) {
			part := Part{Cluster: e.Cluster, Ingresses: e.Ingresses}
			if e.Cluster != "" {
				part.Endpoints = &Endpoints{Ready: e.Ready, Draining: e.Draining, NotReady: e.NotReady}
			}
			for _, s := range e.Settings {
				part.Settings = append(part.Settings, settingOf(s))
			}
			one.Parts = append(one.Parts, part)
		}
		if len(one.Parts) > 0 {
			fleets = append(fleets, one)
		}
	}
	return fleets
}

func settingOf(e policy.Explained) Setting {
	s := Setting{Name: e.Setting.Name, Value: e.Value, Preset: string(e.Preset), Envoy: e.Setting.Envoy}
	if e.From == (policy.Origin{}) {
		s.Reason = e.Setting.Why
		return s
	}
	s.Object, s.Field = e.From.Object.String(), e.From.Field
	return s
}

// From is who says so, for people.
func (s Setting) From() string {
	switch {
	case s.Object == "":
		return "default: " + s.Reason
	case s.Preset != "":
		return "preset " + s.Preset + ": " + s.Object + ", " + s.Field
	}
	return s.Object + ", " + s.Field
}

// Concerned are the Problems, at now, of the Service and of the Ingresses that lead to
// it, as fleets have them.
func Concerned(r translator.Result, service string, fleets []Fleet, now time.Time) (list []finding.Problem) {
	ingresses := map[string]bool{}
	for _, fleet := range fleets {
		for _, part := range fleet.Parts {
			for _, key := range part.Ingresses {
				ingresses[key] = true
			}
		}
	}
	for _, p := range r.Problems(now) {
		key := p.Object.Key()
		if p.Object.Kind == object.KindService && key == service || p.Object.Kind == object.KindIngress && ingresses[key] {
			list = append(list, p)
		}
	}
	return list
}
