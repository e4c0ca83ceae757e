package policy

import "slices"

// Explained is one setting as it is in force, and who says so.
type Explained struct {
	Setting Setting
	Value   string
	// From is where it stands; zero if it is the default.
	From Origin
	// Preset is the one at From that gives the value; empty if From itself does.
	Preset Preset
}

// Explain lays what objects say over the defaults, the widest object first, and
// tells of each setting who was the last to say it. Rows are those of the table.
func Explain(layers ...Overrides) []Explained {
	v := Defaults()
	rows := make([]Explained, len(table))
	for _, one := range slices.Concat(layers...) {
		one.apply(&v)
		rows[rowOf(one.setting.Name)].From, rows[rowOf(one.setting.Name)].Preset = one.at, ""
		if one.setting.Name != presetName {
			continue
		}
		for _, name := range presetGives {
			rows[rowOf(name)].From, rows[rowOf(name)].Preset = one.at, v.UpstreamPreset
		}
	}
	for i := range table {
		rows[i].Setting, rows[i].Value = table[i], table[i].Type.print(&v)
	}
	return rows
}

// rowOf is the row of a setting; -1 if there is none.
func rowOf(name string) int {
	return slices.IndexFunc(table, func(s Setting) bool { return s.Name == name })
}
