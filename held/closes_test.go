package held

import "testing"

// TestCloses: it says of which listeners connections end, by name, whatever the order in which they
// were found.
func TestCloses(t *testing.T) {
	type found struct {
		listener string
		chain    bool
	}
	for want, list := range map[string][]found{
		"": nil,
		"every connection of listener http and of listener https would be closed":                                                       {{"https", false}, {"http", false}},
		"the connections of 2 filter chains of listener https would be closed":                                                          {{"https", true}, {"https", true}},
		"every connection of listener https would be closed":                                                                            {{"https", true}, {"https", false}, {"https", true}},
		"every connection of listener https, and the connections of 1 filter chains of listener http would be closed":                   {{"http", true}, {"https", false}},
		"the connections of 1 filter chains of listener http, and the connections of 1 filter chains of listener https would be closed": {{"https", true}, {"http", true}},
	} {
		var c Closes
		for _, f := range list {
			before := c.String()
			next := c.With(f.listener, f.chain)
			if c.String() != before {
				t.Errorf("%v is not a value", c)
			}
			c = next
		}
		if got := c.String(); got != want {
			t.Errorf("%v: %q, want %q", list, got, want)
		}
	}
}
