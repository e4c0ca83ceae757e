package state

import (
	"fmt"
	"iter"
	"time"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
)

// Pack is a View for another replica, in the format of a file: all that Folder writes but
// Secrets. With it are the Secrets that are gone and what is served of them on, so it is for no
// disk and for no other eyes. read is when the View was known to be right.
func Pack(source string, v input.View, read, now time.Time) ([]byte, error) {
	h, v := told(source, v, read, now)
	return encode(h, both(v.Entries(), v.KeptSecrets()), plain)
}

// told is a View as it is written now, and its header: since when it holds something is said by
// the clock of now, which may have been set since then.
func told(source string, v input.View, read, now time.Time) (header, input.View) {
	return header{Schema: input.EntrySchema(), Source: source, Read: read.UTC(), Told: now.UTC()}, v.ByClock(now, now)
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
// known to be right, or now if that is earlier; what is held is as old as it was there. An
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
	return aged(view, h, now), nil
}

// aged is a View with a header: its Stored time is when it was known to be right, or now if the
// clock was set back.
func aged(v input.View, h header, now time.Time) input.View {
	v = v.ByClock(h.Told, now)
	if h.Read.After(now) {
		return v.WithStored(now)
	}
	return v.WithStored(h.Read)
}
