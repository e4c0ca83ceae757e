package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"

	"google.golang.org/protobuf/encoding/protojson"
	"sigs.k8s.io/yaml"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/xds/impact"
	"legation.dev/xds/snapshot"
)

// fleetText is a fleet as `legation translate` prints it.
type fleetText struct {
	Fleet  string `json:"fleet"`
	Digest string `json:"digest"`
	// Resources by discovery service: CDS, EDS, SDS, SRDS, RDS, ECDS, LDS, VHDS.
	Resources map[string][]resourceText `json:"resources"`
}

type resourceText struct {
	Name    string          `json:"name"`
	Version string          `json:"version"`
	From    []string        `json:"from,omitempty"` // the objects it came from
	Body    json.RawMessage `json:"resource"`
}

// print writes the snapshots of all wanted fleets.
func (f *translateFlags) print(w io.Writer, r translator.Result) error {
	fleets := []fleetText{}
	for fleet := range r.Fleets() {
		if !f.wanted(fleet.Name) {
			continue
		}
		text, err := textOf(fleet)
		if err != nil {
			return err
		}
		fleets = append(fleets, text)
	}
	if f.output == formatJSON {
		return writeJSON(w, map[string]any{"fleets": fleets})
	}
	return writeYAML(w, map[string]any{"fleets": fleets})
}

func textOf(f *translator.Fleet) (fleetText, error) {
	text := fleetText{Fleet: f.Name, Digest: f.Snapshot.Digest().String(), Resources: map[string][]resourceText{}}
	for t := range snapshot.Types() {
		for name, r := range f.Snapshot.Of(t).All() {
			body, err := bodyOf(r)
			if err != nil {
				return fleetText{}, fmt.Errorf("%s %s: %w", t, name, err)
			}
			text.Resources[t.String()] = append(text.Resources[t.String()], resourceText{Name: name, Version: r.Version, From: object.Texts(r.From), Body: body})
		}
	}
	return text, nil
}

// bodyOf is the message of r as JSON, without its keys.
func bodyOf(r *snapshot.Resource) (json.RawMessage, error) {
	m, err := r.View().UnmarshalNew()
	if err != nil {
		return nil, err
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Compact(&b, text) // protojson varies its spaces on purpose
	return b.Bytes(), err
}

func writeJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

func writeYAML(w io.Writer, value any) error {
	text, err := yaml.Marshal(value)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// fleetDiff is what would change in a fleet.
type fleetDiff struct {
	Fleet string `json:"fleet"`
	// Frozen: the class is gone, so its Envoys keep what they have.
	Frozen  bool         `json:"frozen,omitempty"`
	Changes []changeText `json:"changes"`
}

type changeText struct {
	Change  impact.Kind `json:"change"`
	Type    string      `json:"type"`
	Name    string      `json:"name"`
	From    []string    `json:"from,omitempty"`
	Drains  bool        `json:"drains"`
	Effects string      `json:"connections"`
}

// mark stands out where connections are drained.
func (c changeText) mark() string {
	if c.Drains {
		return "!"
	}
	return " "
}

func diffOf(fleet string, changes iter.Seq[impact.Change]) fleetDiff {
	d := fleetDiff{Fleet: fleet, Changes: []changeText{}}
	for c := range changes {
		d.Changes = append(d.Changes, changeText{c.Kind, c.Type.String(), c.Name, object.Texts(c.From), c.Drains, c.Effect})
	}
	return d
}

// writeDiff writes a table for people.
func writeDiff(w io.Writer, fleets []fleetDiff) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range fleets {
		fmt.Fprintf(table, "fleet %s: %s\n", f.Fleet, f.summary())
		for _, c := range f.Changes {
			fmt.Fprintf(table, "%s %s\t%s\t%s\t%s\t%s\n", c.mark(), c.Change, c.Type, c.Name, strings.Join(c.From, ", "), c.Effects)
		}
	}
	return table.Flush()
}

func (f fleetDiff) summary() string {
	switch {
	case f.Frozen:
		return "the IngressClass is gone; its Envoys keep what they have"
	case len(f.Changes) == 0:
		return "nothing changes"
	}
	return fmt.Sprintf("%s, %d of them drain client connections", count(len(f.Changes), "change"), f.drains())
}

func (f fleetDiff) drains() (n int) {
	for _, c := range f.Changes {
		if c.Drains {
			n++
		}
	}
	return n
}
