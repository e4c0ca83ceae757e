package held

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Closes is which connections of clients would be closed if a fleet ran something else: of these
// listeners, each once, by name. It is a value; empty: none would be.
type Closes []Listener

// Listener is one of Closes.
type Listener struct {
	Name string
	// Chains is how many of its filter chains it concerns; 0: all connections of the listener.
	Chains int `json:",omitempty"`
}

// With is c with a listener, or with one more filter chain of it.
func (c Closes) With(listener string, chain bool) Closes {
	c = slices.Clone(c)
	i, there := slices.BinarySearchFunc(c, listener, func(l Listener, name string) int { return cmp.Compare(l.Name, name) })
	switch {
	case !there && chain:
		c = slices.Insert(c, i, Listener{listener, 1})
	case !there:
		c = slices.Insert(c, i, Listener{Name: listener})
	case !chain:
		c[i].Chains = 0
	case c[i].Chains > 0:
		c[i].Chains++
	}
	return c
}

// String says it for people; empty if no connection would be closed.
func (c Closes) String() string {
	var whole, parts []string
	for _, l := range c {
		if l.Chains == 0 {
			whole = append(whole, l.Name)
		} else {
			parts = append(parts, fmt.Sprintf("the connections of %d filter chains of listener %s", l.Chains, l.Name))
		}
	}
	if len(whole) > 0 {
		parts = slices.Insert(parts, 0, "every connection of listener "+strings.Join(whole, " and of listener "))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", and ") + " would be closed"
}
