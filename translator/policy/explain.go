package policy

import (
	"slices"
	"strings"
)

// Explained is one setting with its effective value, and what sets it.
type Explained struct {
	Setting Setting
	Value   string
	// From is where it is set; zero if it is the default.
	From Origin
	// Preset is what the group at From says that gives the value, such as
	// "tomcat"; empty if the setting itself is there.
	Preset string
}

// Explain lays what objects say over the defaults, the widest object first, and
// tells of each setting who was the last to say it. Rows are those of the table.
func Explain(layers ...Overrides) []Explained {
	v := Defaults()
	rows := make([]Explained, len(table))
	for _, one := range slices.Concat(layers...) {
		one.apply(&v)
		rows[rowOf(one.setting.Name)].From, rows[rowOf(one.setting.Name)].Preset = one.at, ""
		for _, name := range one.setting.Gives {
			rows[rowOf(name)].From, rows[rowOf(name)].Preset = one.at, one.text
		}
	}
	for i := range table {
		rows[i].Setting, rows[i].Value = table[i], table[i].Type.print(&v)
	}
	return rows
}

// rowOf is the row of a setting.
func rowOf(name string) int {
	i, _ := slices.BinarySearchFunc(table, name, func(s Setting, name string) int { return strings.Compare(s.Name, name) })
	return i
}
