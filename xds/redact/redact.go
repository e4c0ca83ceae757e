// Package redact hides private keys from people: what it returns goes into
// inspection answers, files and logs, never to an Envoy.
//
// It is pure. It knows what is secret from Envoy's API itself, which marks its
// sensitive fields.
//
// Start reading at View.
package redact

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	udpa "github.com/cncf/xds/go/udpa/annotations"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"legation.dev/authz/rule"
)

// Text is put where a secret value was. Envoy's own config_dump uses the same.
const Text = "[redacted]"

// View is the body of a message of a type as people may see it: every field that
// Envoy's API marks as sensitive (udpa.annotations.sensitive: private keys and
// their passwords, session ticket keys, generic secrets) is overwritten, at any
// depth, packed messages included; and so are passwords that a
// route has the authorization server told. What cannot be decoded might hide a key, so
// of that nothing is shown.
//
// It is body itself if that hides nothing: nobody may write to it.
func View(typeURL string, body []byte) []byte {
	if value, ok := shapeOf(typeURL).shown(body, false); ok {
		return value
	}
	return redactPacked(&anypb.Any{TypeUrl: typeURL, Value: body})
}

// Hides reports whether View may be anything but body itself. What it costs is no more than
// to serialise the message did.
func Hides(typeURL string, body []byte) bool {
	value, ok := shapeOf(typeURL).shown(body, false)
	return !ok || !same(value, body)
}

// redactPacked is the value of a, redacted; nil if a cannot be decoded.
func redactPacked(a *anypb.Any) []byte {
	m, err := a.UnmarshalNew()
	if err != nil {
		return nil
	}
	redactMessage(m.ProtoReflect())
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil
	}
	return value
}

func redactMessage(m protoreflect.Message) {
	if a, ok := m.Interface().(*anypb.Any); ok {
		a.Value = redactPacked(a)
		return
	}
	if h, ok := m.Interface().(*corev3.HeaderValue); ok && h.Key == rule.UsersHeader {
		h.Value, h.RawValue = Text, nil
		m.SetUnknown(nil)
		return
	}
	m.SetUnknown(nil)
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if sensitive, _ := proto.GetExtension(fd.Options(), udpa.E_Sensitive).(bool); sensitive {
			scrub(m, fd, v)
		} else {
			eachMessage(fd, v, redactMessage)
		}
		return true
	})
}

// scrub overwrites a sensitive field: texts and bytes in it, at any depth;
// numbers, and lists and maps of scalars, which are rare there, go altogether.
func scrub(m protoreflect.Message, fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch {
	case fd.IsMap() && fd.MapValue().Message() == nil:
		m.Clear(fd)
	case fd.Message() != nil:
		eachMessage(fd, v, scrubMessage)
	case fd.Cardinality() == protoreflect.Repeated:
		m.Clear(fd)
	case fd.Kind() == protoreflect.StringKind:
		m.Set(fd, protoreflect.ValueOfString(Text))
	case fd.Kind() == protoreflect.BytesKind:
		m.Set(fd, protoreflect.ValueOfBytes([]byte(Text)))
	default:
		m.Clear(fd)
	}
}

func scrubMessage(m protoreflect.Message) {
	if a, ok := m.Interface().(*anypb.Any); ok {
		a.Value = nil
		return
	}
	m.SetUnknown(nil)
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		scrub(m, fd, v)
		return true
	})
}

// eachMessage calls do for the messages in field fd, whose value is v: itself,
// the elements of a list, the values of a map. Other fields have none.
func eachMessage(fd protoreflect.FieldDescriptor, v protoreflect.Value, do func(protoreflect.Message)) {
	switch {
	case fd.IsMap():
		if fd.MapValue().Message() == nil {
			return
		}
		v.Map().Range(func(_ protoreflect.MapKey, e protoreflect.Value) bool {
			do(e.Message())
			return true
		})
	case fd.Message() == nil:
	case fd.IsList():
		for i := range v.List().Len() {
			do(v.List().Get(i).Message())
		}
	default:
		do(v.Message())
	}
}
