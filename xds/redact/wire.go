package redact

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"legation.dev/authz/rule"
)

// Decoding a message, to overwrite some of it and to encode it again, costs twenty times
// what it costs to go through its bytes. Most resources hide nothing, and are shown as they
// are.

// reader goes through the bytes of one message, and makes of them what people may see. It
// reads exactly the form that we write: each singular field once, nothing that is unknown. Of
// anything else it says that it is not sure, and then the message is decoded. So it is, too,
// for what no secret of Envoy's API is: numbers, and lists and maps of texts.
type reader struct {
	*shape
	in    []byte
	at    int    // in has been read so far
	out   []byte // what people may see of in[:kept], once that is something else
	kept  int
	cover bool // the message is in a sensitive field: its texts are overwritten
	last  protowire.Number
	seen  [highest / 64]uint64 // a bit for each number
	url   []byte               // of an Any: its type
	users bool                 // it is the header that has users with their passwords
}

// shown is what people may see of in, a message of shape s: in itself, if it hides nothing.
// Not ok means that it must be decoded to know.
func (s *shape) shown(in []byte, cover bool) (out []byte, ok bool) {
	s.once.Do(s.compile)
	r := reader{shape: s, in: in, cover: cover}
	for r.at < len(in) {
		if !r.field() {
			return nil, false
		}
	}
	switch {
	case r.users:
		return usersHeader(), true
	case r.kept == 0:
		return in, true
	}
	return append(r.out, in[r.kept:]...), true
}

// usersHeader is what people see of the header that has users with their passwords.
func usersHeader() []byte {
	out := protowire.AppendString(protowire.AppendTag(nil, headerKey, protowire.BytesType), rule.UsersHeader)
	return protowire.AppendString(protowire.AppendTag(out, headerValue, protowire.BytesType), Text)
}

// field reads the next field, and reports whether it is in the form that we write.
func (r *reader) field() bool {
	from := r.at
	number, wire, n := protowire.ConsumeTag(r.in[from:])
	if n < 0 || int(number) >= len(r.fields) {
		return false
	}
	f := &r.fields[number]
	if f.kind == 0 || !f.many && r.again(number) {
		return false
	}
	r.at, r.last = from+n, number
	if wire != protowire.BytesType {
		if n = protowire.ConsumeFieldValue(number, wire, r.in[r.at:]); n < 0 || wire != f.wire {
			return false
		}
		r.at += n
		return !r.covers(f)
	}
	value, n := protowire.ConsumeBytes(r.in[r.at:])
	if n < 0 {
		return false
	}
	r.at += n
	return r.long(f, from, value)
}

// again reports whether a field was there before.
func (r *reader) again(number protowire.Number) bool {
	bits, bit := &r.seen[number/64], uint64(1)<<(number%64)
	was := *bits&bit != 0
	*bits |= bit
	return was
}

// covers reports whether people may not see what is in field f.
func (r *reader) covers(f *field) bool { return f.sensitive || r.cover && !f.name }

// long reads the value of a field with a length, which begins at from.
func (r *reader) long(f *field, from int, value []byte) bool {
	switch {
	case f.kind == protoreflect.MessageKind:
		out, ok := f.message.shown(value, r.covers(f))
		return ok && (same(out, value) || r.replace(from, out))
	case f.kind == protoreflect.StringKind && !utf8.Valid(value):
		return false
	case f.kind == protoreflect.StringKind || f.kind == protoreflect.BytesKind:
		return r.text(f, from, value)
	}
	return f.many && !r.covers(f) && numbers(f.wire, value)
}

// text reads a text or bytes, which begin at from.
func (r *reader) text(f *field, from int, value []byte) bool {
	switch {
	case r.packs && r.last == anyURL:
		r.url = value
	case r.packs && r.cover:
		return r.replace(from, nil)
	case r.packs:
		out, ok := shapeOf(r.url).shown(value, false)
		return ok && (same(out, value) || r.replace(from, out))
	case r.covers(f):
		return !f.many && len(value) > 0 && r.replace(from, []byte(Text))
	case r.header && r.last == headerKey:
		r.users = string(value) == rule.UsersHeader
	}
	return true
}

// replace has people see value in place of the field that was read from there on; no such
// field, if value is nil.
func (r *reader) replace(from int, value []byte) bool {
	if r.kept == 0 {
		r.out = make([]byte, 0, len(r.in)+len(value))
	}
	r.out = append(r.out, r.in[r.kept:from]...)
	if value != nil {
		r.out = protowire.AppendBytes(protowire.AppendTag(r.out, r.last, protowire.BytesType), value)
	}
	r.kept = r.at
	return true
}

// same reports whether a and b are the same memory.
func same(a, b []byte) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// numbers reports whether value is a list of numbers, and nothing else.
func numbers(wire protowire.Type, value []byte) bool {
	for len(value) > 0 {
		n := protowire.ConsumeFieldValue(1, wire, value)
		if n < 0 {
			return false
		}
		value = value[n:]
	}
	return true
}
