package node

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxObject bounds what is read of an answer, or of one event of a watch, in bytes. etcd takes
// no object above 1.5 MiB; a Node with 50 images has 30 kB.
const maxObject = 4 << 20

// Node is what is read of one.
type Node struct {
	Name, Version string
	Taints        []string // keys
	Cordoned      bool     // spec.unschedulable: it takes no new pods
}

// wire is a Node as the API server writes it, as far as it is read.
type wire struct {
	Kind     string
	Metadata struct{ Name, ResourceVersion string }
	Spec     struct {
		Unschedulable bool
		Taints        []struct{ Key string }
	}
}

func (w wire) node() (Node, error) {
	if w.Kind != "Node" || w.Metadata.Name == "" || w.Metadata.ResourceVersion == "" {
		return Node{}, errors.New("the answer is no Node")
	}
	n := Node{Name: w.Metadata.Name, Version: w.Metadata.ResourceVersion, Cordoned: w.Spec.Unschedulable}
	for _, t := range w.Spec.Taints {
		n.Taints = append(n.Taints, t.Key)
	}
	return n, nil
}

// Decode reads a Node.
func Decode(text []byte) (Node, error) {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		return Node{}, fmt.Errorf("the answer is no Node: %w", err)
	}
	return w.node()
}

// Event is one of a watch: what the Node is now, or that it is deleted.
type Event struct {
	Deleted bool
	Node    Node
}

// DecodeEvent reads an event. One that is an error, as of a version that is too old, is
// an error.
func DecodeEvent(text []byte) (Event, error) {
	var e struct {
		Type   string
		Object json.RawMessage
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return Event{}, fmt.Errorf("not an event of a watch: %w", err)
	}
	switch e.Type {
	case "ADDED", "MODIFIED":
		n, err := Decode(e.Object)
		return Event{Node: n}, err
	case "DELETED":
		return Event{Deleted: true}, nil
	case "ERROR":
		var status struct {
			Code    int
			Message string
		}
		_ = json.Unmarshal(e.Object, &status) // it is an error whatever it says
		return Event{}, fmt.Errorf("the API server ends the watch: %d %.200s", status.Code, status.Message)
	}
	return Event{}, fmt.Errorf("an event of type %.20q", e.Type)
}

// Leaving says why a node is about to leave; empty if it stays. To take no new pods is no
// leaving: people do that to look at a node, and undo it.
func (n Node) Leaving(taints []string, onCordon bool) string {
	for _, t := range n.Taints {
		if slices.Contains(taints, t) {
			return "taint " + t
		}
	}
	if onCordon && n.Cordoned {
		return "it is cordoned"
	}
	return ""
}

// errTooLong is an answer above maxObject.
var errTooLong = fmt.Errorf("the answer has more than %d bytes", maxObject)

// whole reads an answer, but not endlessly.
func whole(body io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(body, maxObject+1))
	if err == nil && len(text) > maxObject {
		err = errTooLong
	}
	return text, err
}

// lines are the events of a watch, one in each line; one that is too long is an error.
func lines(body io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(body)
	s.Buffer(nil, maxObject)
	return s
}
