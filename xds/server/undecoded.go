package server

import (
	"errors"
	"io"
	"iter"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"legation.dev/xds/delta"
)

// names is the resource_names_subscribe field of a request, left undecoded.
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

// versions is the initial_resource_versions field of a request, left undecoded. A
// repeated name is counted, and yielded by All, each time. The last entry wins, as
// in any protobuf map: All keeps the order of the request, so it yields that one last.
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

// values yields each value of a repeated field as raw bytes. The bytes are valid only
// until the next value is yielded, as their buffer may be reused. It ignores errors:
// the request was parsed when it arrived, so it is well formed.
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

// errEnough stops the parsing of a request when the caller wants no more values.
var errEnough = errors.New("enough was seen")

// plain splits a map entry in the form that every encoder writes for a short one:
// first the key, then the value, each with a length of one byte. ok reports whether
// the entry has that form.
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

// keyAndValue splits a map entry in any form. The entry must be well formed.
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

// checkEntry returns an error if a map entry is malformed or not UTF-8.
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
