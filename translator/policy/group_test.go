package policy

import (
	"reflect"
	"slices"
	"testing"
)

// TestGroups: a setting changes its own field and those that its row says it
// gives, and no other. What a group gives may stand wherever the group may, and is
// no group.
func TestGroups(t *testing.T) {
	groups := 0
	for _, s := range table {
		before := filled()
		after := before
		standard, err := s.Type.parse(s.Default)
		if err != nil {
			t.Fatal(err)
		}
		standard.apply(&after)
		for _, other := range table {
			gives := slices.Contains(s.Gives, other.Name)
			if changed := other.Type.print(&before) != other.Type.print(&after); changed != gives && other.Name != s.Name {
				t.Errorf("%s changes %s: %v, and says it: %v", s.Name, other.Name, changed, gives)
			}
			if gives && (len(other.Gives) > 0 || other.Scopes&s.Scopes != s.Scopes || other.Upstream != s.Upstream) {
				t.Errorf("%s cannot be given by %s", other.Name, s.Name)
			}
		}
		if len(s.Gives) > 0 {
			groups++
		}
	}
	if groups == 0 {
		t.Error("there is no group")
	}
}

// filled are values that are no setting's default.
func filled() Values {
	var v Values
	eachField(reflect.TypeFor[Values](), "", nil, func(_ string, index []int) {
		fill(reflect.ValueOf(&v).Elem().FieldByIndex(index))
	})
	return v
}
