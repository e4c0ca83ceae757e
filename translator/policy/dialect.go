package policy

import (
	"maps"
	"slices"
	"strings"
)

// Dialect is a way to say settings by annotations of another prefix. What it says
// is the same as if our own annotation had said it: equal values print equally, and
// name one cluster.
type Dialect struct {
	Prefix string
	// Words are those that say a setting, by their names without the prefix; all
	// others are passed over.
	Words map[string]Word
}

// Word is one annotation of a dialect.
type Word struct {
	// Setting is the name of ours.
	Setting string
	// Text turns what stands there into what would stand in ours; nil if it is the
	// same. An error is told at the annotation.
	Text func(string) (string, error)
}

// own is our dialect: it knows every setting.
var own = Dialect{Prefix: Prefix}

// spoken are the statements of dialects.
func spoken(annotations map[string]string, dialects []Dialect) (list []statement) {
	for _, d := range dialects {
		list = append(list, ofAnnotations(annotations, d)...)
	}
	return list
}

// ofAnnotations are the statements of one dialect, in order of their names.
func ofAnnotations(annotations map[string]string, d Dialect) (list []statement) {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		name, ok := strings.CutPrefix(key, d.Prefix)
		if !ok {
			continue
		}
		s := statement{name: name, text: annotations[key], field: "metadata.annotations." + key, value: annotations[key]}
		if d.Words != nil {
			word, known := d.Words[name]
			if !known {
				continue
			}
			if s.name = word.Setting; word.Text != nil {
				s.text, s.err = word.Text(s.value)
			}
		}
		list = append(list, s)
	}
	return list
}
