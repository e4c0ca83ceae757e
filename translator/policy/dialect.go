package policy

import "strings"

// Dialect is the annotations of another prefix that say settings of ours. What
// one says is the same Override as if it were said in our words, with the same
// canonical text and hash; only its Origin and its FieldErrors name the annotation
// as it was written.
//
// An annotation of the prefix that is not among the Words is not looked at.
type Dialect struct {
	Prefix string // "example.com/"
	// Words are the annotations, by what follows the prefix. One may say several
	// settings.
	Words map[string][]Word
}

// Word is an annotation of a Dialect.
type Word struct {
	// Setting is the name of ours that it says, which may be a group. If there is
	// none of that name, an object with the annotation gets ErrUnknown.
	Setting string
	// Ours makes our text of one in the dialect, or says what is wrong with it. An empty
	// text says nothing.
	Ours func(text string) (string, error)
	// Yields: it counts only where nothing else says the setting, and nobody is told.
	Yields bool
}

// wordsOf are what an annotation says in the first of the dialects that has it.
func wordsOf(key string, dialects []*Dialect) (w []Word, dialect int) {
	for i, d := range dialects {
		if name, is := strings.CutPrefix(key, d.Prefix); is && len(d.Words[name]) > 0 {
			return d.Words[name], i
		}
	}
	return nil, 0
}
