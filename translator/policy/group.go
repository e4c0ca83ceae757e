package policy

import (
	"cmp"
	"strings"
)

// group is a Type t whose values stand for those of several settings: give sets
// what the row's Gives names, once t has set its own field. Who knows the group
// need not know these, and who knows better says one of them beside it.
func group(t Type, give func(*Values)) Type {
	own := t.parse
	t.parse = func(text string) (given, error) {
		one, err := own(text)
		if err != nil {
			return given{}, err
		}
		return given{func(v *Values) {
			one.apply(v)
			give(v)
		}, one.text}, nil
	}
	return t
}

// groupsFirst orders what one object says: a group is applied before the other
// settings, which correct it.
func groupsFirst(a, b Override) int {
	rank := func(o Override) int {
		if len(o.setting.Gives) > 0 {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.setting.Name, b.setting.Name))
}
