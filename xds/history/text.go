package history

import (
	"encoding/json"
	"fmt"
	"strings"

	"legation.dev/object"
	"legation.dev/xds/impact"
	"legation.dev/xds/snapshot"
)

// Changes are changes that have a form as JSON.
type Changes []impact.Change

// Outline is an outline that has a form as JSON.
type Outline impact.Outline

// changeText is a Change as JSON.
type changeText struct {
	Kind   impact.Kind `json:"kind"`
	Type   string      `json:"type"`
	Name   string      `json:"name"`
	From   []string    `json:"from,omitempty"`
	Drains bool        `json:"drains,omitempty"`
	Effect string      `json:"effect"`
	Before string      `json:"before,omitempty"`
	After  string      `json:"after,omitempty"`
	Hidden bool        `json:"hidden,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (list Changes) MarshalJSON() ([]byte, error) {
	texts := make([]changeText, len(list))
	for i, c := range list {
		texts[i] = changeText{c.Kind, c.Type.String(), c.Name, object.Texts(c.From), c.Drains, c.Effect, c.Before, c.After, c.Hidden}
	}
	return json.Marshal(texts)
}

// UnmarshalJSON implements json.Unmarshaler.
func (list *Changes) UnmarshalJSON(text []byte) error {
	var texts []changeText
	if err := json.Unmarshal(text, &texts); err != nil {
		return err
	}
	for _, c := range texts {
		t, ok := typeOf(c.Type)
		if !ok || c.Kind != impact.Added && c.Kind != impact.Changed && c.Kind != impact.Removed {
			return fmt.Errorf("%s of type %s is no change", c.Kind, c.Type)
		}
		one := impact.Change{Kind: c.Kind, Type: t, Name: c.Name, Drains: c.Drains, Effect: c.Effect, Before: c.Before, After: c.After, Hidden: c.Hidden}
		for _, from := range c.From {
			ref, ok := object.Parse(from)
			if !ok {
				return fmt.Errorf("a change is of no object")
			}
			one.From = append(one.From, ref)
		}
		*list = append(*list, one)
	}
	return nil
}

// typeOf is the type with a short name.
func typeOf(short string) (snapshot.Type, bool) {
	for t := range snapshot.Types() {
		if t.String() == short {
			return t, true
		}
	}
	return snapshot.Chain, short == snapshot.Chain.String()
}

// MarshalJSON implements json.Marshaler.
func (o Outline) MarshalJSON() ([]byte, error) {
	texts := make(map[string]string, len(o))
	for ref, version := range o {
		texts[ref.String()] = version
	}
	return json.Marshal(texts)
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *Outline) UnmarshalJSON(text []byte) error {
	var texts map[string]string
	if err := json.Unmarshal(text, &texts); err != nil {
		return err
	}
	*o = make(Outline, len(texts))
	for ref, version := range texts {
		short, name, _ := strings.Cut(ref, " ")
		t, ok := typeOf(short)
		if !ok {
			return fmt.Errorf("%s is no type", short)
		}
		(*o)[snapshot.Ref{Type: t, Name: name}] = version
	}
	return nil
}
