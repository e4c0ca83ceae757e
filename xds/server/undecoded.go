package server

import (
	"io"
	"iter"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"legation.dev/xds/delta"
)

// names are the resource_names_subscribe of a request, left undecoded.
type names struct {
	of  *request
	len int
	sum delta.VersionSum // made while the request was read
}

var _ delta.Names = (*names)(nil)

func (s *names) add(name []byte, ascii bool) error {
	if !ascii && !utf8.Valid(name) {
		return errUTF8
	}
	s.len++
	s.sum.AddName(name)
	return nil
}

// Len is the number of names.
func (s *names) Len() int { return s.len }

// Sum is the sum of all names.
func (s *names) Sum() delta.VersionSum { return s.sum }

// All yields each name, in the order of the request.
func (s *names) All() iter.Seq[string] {
	return func(yield func(string) bool) {
		for at, end := range s.of.values(fieldSubscribe) {
			if !yield(s.of.whole()[at:end]) {
				return
			}
		}
	}
}

// versions are the initial_resource_versions of a request, left undecoded. A
// name that comes twice counts twice; its last version is the one that counts
// for protobuf, and All yields it last.
type versions struct {
	of  *request
	len int
	sum delta.VersionSum // made while the request was read
}

var _ delta.Versions = (*versions)(nil)

func (v *versions) add(entry []byte, ascii bool) error {
	if _, _, ok := plain(entry); !ok || !ascii {
		if err := checkEntry(entry); err != nil {
			return err
		}
	}
	v.len++
	v.sum.AddEntry(entry)
	return nil
}

// Len is the number of entries.
func (v *versions) Len() int { return v.len }

// Sum is the sum of all entries.
func (v *versions) Sum() delta.VersionSum { return v.sum }

// All yields name and version of each entry, in the order of the request.
func (v *versions) All() iter.Seq2[string, string] {
	return func(yield func(name, version string) bool) {
		for at, end := range v.of.values(fieldInitial) {
			if !yield(keyAndValue(v.of.whole()[at:end])) {
				return
			}
		}
	}
}

// values yields where in the whole request the values of a field lie. The
// request was read once, so it is known to be well formed.
func (r *request) values(of protowire.Number) iter.Seq2[int, int] {
	return func(yield func(at, end int) bool) {
		b := []byte(r.whole())
		for at := 0; at < len(b); {
			num, value, size, _ := field(b[at:])
			at += size
			if num == of && value != nil && !yield(at-len(value), at) {
				return
			}
		}
	}
}

// plain takes a map entry apart that is as every encoder writes a short one: a
// key and a value, the length of each in one byte.
func plain[T string | []byte](entry T) (key, value T, ok bool) {
	const keyTag, valueTag = fieldKey<<3 | byte(protowire.BytesType), fieldValue<<3 | byte(protowire.BytesType)
	if len(entry) < 4 || entry[0] != keyTag || entry[1] >= 0x80 {
		return key, value, false
	}
	end := 2 + int(entry[1])
	from := end + 2
	if from > len(entry) || entry[end] != valueTag || entry[end+1] >= 0x80 || from+int(entry[end+1]) != len(entry) {
		return key, value, false
	}
	return entry[2:end], entry[from:], true
}

// keyAndValue takes any map entry apart that is known to be well formed.
func keyAndValue(entry string) (key, value string) {
	if key, value, ok := plain(entry); ok {
		return key, value
	}
	_ = entryFields([]byte(entry), func(num protowire.Number, b []byte) error {
		switch num {
		case fieldKey:
			key = string(b)
		case fieldValue:
			value = string(b)
		}
		return nil
	})
	return key, value
}

// checkEntry says what is wrong with a map entry.
func checkEntry(entry []byte) error {
	return entryFields(entry, func(num protowire.Number, b []byte) error {
		if num <= fieldValue && !utf8.Valid(b) {
			return errUTF8
		}
		return nil
	})
}

func entryFields(b []byte, yield func(num protowire.Number, value []byte) error) error {
	for len(b) > 0 {
		num, value, size, err := field(b)
		if err != nil {
			return err
		}
		if size == 0 {
			return io.ErrUnexpectedEOF
		}
		if value != nil {
			if err := yield(num, value); err != nil {
				return err
			}
		}
		b = b[size:]
	}
	return nil
}
