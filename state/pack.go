package state

import (
	"fmt"
	"iter"
	"time"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
)

// Pack is a View for another replica, in the format of a file: all that Folder writes but
// Secrets. With it are the Secrets that are gone and that hosts name which leave, so it is for
// no disk and for no other eyes. read is when the View was known to be right.
func Pack(source string, v input.View, read time.Time) ([]byte, error) {
	h := header{Schema: input.EntrySchema(), Source: source, Read: read.UTC()}
	return encode(h, both(v.Entries(), v.LeftSecrets()), plain)
}

func both(a, b iter.Seq[input.Entry]) iter.Seq[input.Entry] {
	return func(yield func(input.Entry) bool) {
		for _, list := range []iter.Seq[input.Entry]{a, b} {
			for e := range list {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Unpack is the way back, for a replica that reads source. Its Stored time is when it was
// known to be right, or now if that is earlier; what is held is as old as it was then. An
// error says why it cannot be used, and quotes nothing of it.
func Unpack(text []byte, source string, now time.Time) (view input.View, err error) {
	defer func() {
		if r := recover(); r != nil { // its text could contain what the objects do
			view, err = input.View{}, fmt.Errorf("%w: an object cannot be read", errDamaged)
		}
	}()
	h, entries, err := decode(text, source, unsealed)
	if err != nil {
		return input.View{}, err
	}
	if view, err = lower.Stored(entries); err != nil {
		return input.View{}, err
	}
	return aged(view, h.Read, now), nil
}

// aged is a View that was known to be right at a moment: its Stored time is that, or now if
// the clock was set back.
func aged(v input.View, read, now time.Time) input.View {
	v = v.ByClock(read, now)
	if read.After(now) {
		read = now
	}
	return v.WithStored(read)
}
