package server

import (
	"errors"
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
		for name := range s.of.values(fieldSubscribe) {
			if !yield(string(name)) {
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
		for entry := range v.of.values(fieldInitial) {
			if !yield(keyAndValue(entry)) {
				return
			}
		}
	}
}

// values yields the values of a field, each until the next. The request was read
// once, so it is known to be well formed.
func (r *request) values(of protowire.Number) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		_ = pieces(r.data, func(b []byte) (n int, err error) { // errEnough
			for n < len(b) {
				num, value, size, err := field(b[n:])
				if err != nil || size == 0 {
					return n, err
				}
				n += size
				if num == of && value != nil && !yield(value) {
					return n, errEnough
				}
			}
			return n, nil
		})
	}
}

// errEnough ends a look at a request.
var errEnough = errors.New("enough was seen")

// plain takes a map entry apart that is as every encoder writes a short one: a
// key and a value, the length of each in one byte.
func plain(entry []byte) (key, value []byte, ok bool) {
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
func keyAndValue(entry []byte) (key, value string) {
	if key, value, ok := plain(entry); ok {
		return string(key), string(value)
	}
	_ = entryFields(entry, func(num protowire.Number, b []byte) error {
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
