package policy

import (
	"errors"
	"strings"
)

// Ignored is what is wrong with a text that the controller of a dialect takes no notice
// of either: so it means the same here as there, nothing.
type Ignored struct{ Err error }

// Error says what is wrong.
func (e Ignored) Error() string { return e.Err.Error() }

// Beside is what is wrong with an annotation that counts for nothing, since another one of the
// same object says the same setting.
type Beside struct{ Field string }

func (e Beside) Error() string {
	return "counts for nothing: " + e.Field + " beside it says the same setting"
}

// IgnoredThere reports whether the text is one that the controller of its dialect ignores,
// too.
func IgnoredThere(e *FieldError) bool {
	var there Ignored
	return errors.As(e.Err, &there)
}

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
	// text says nothing. With an InPart the text counts all the same.
	Ours func(text string) (string, error)
	// Yields: it counts only where no other annotation of the object says the setting.
	Yields bool
}

// InPart is what is wrong with a part of a text, where the rest of it counts.
type InPart struct{ Err error }

func (e InPart) Error() string { return e.Err.Error() }

// wordsOf are what an annotation says in the first of the dialects that has it.
func wordsOf(key string, dialects []*Dialect) (w []Word, dialect int) {
	for i, d := range dialects {
		if name, is := strings.CutPrefix(key, d.Prefix); is && len(d.Words[name]) > 0 {
			return d.Words[name], i
		}
	}
	return nil, 0
}
