package redact

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	udpa "github.com/cncf/xds/go/udpa/annotations"
)

// Fields of the two messages that a reader knows by name.
const (
	anyURL, anyValue       protowire.Number = 1, 2 // google.protobuf.Any
	headerKey, headerValue protowire.Number = 1, 2 // envoy.config.core.v3.HeaderValue
)

// shape is what redaction has to know of a type of message to go through its bytes. The
// zero one knows no field, and so is sure of nothing but of what is empty.
type shape struct {
	of     protoreflect.MessageDescriptor
	once   sync.Once
	fields []field // by number, filled once
	packs  bool    // it is google.protobuf.Any
	header bool    // it is HeaderValue
}

// field is one field of a shape; the zero one, that there is none.
type field struct {
	kind      protoreflect.Kind
	wire      protowire.Type // of one number
	many      bool           // a list, or a map
	name      bool           // the key of a map, or the type of an Any, which are no secret
	sensitive bool
	message   *shape
}

// shapes remembers those of linked types. It is a memo: what it has follows from the
// program alone.
var shapes = memo{byURL: map[string]*shape{}, byType: map[protoreflect.FullName]*shape{}}

type memo struct {
	sync.RWMutex
	byURL  map[string]*shape
	byType map[protoreflect.FullName]*shape
}

// shapeOf is the shape of the type of a URL. One that is not linked in knows no field, and is
// not remembered.
func shapeOf[text string | []byte](url text) *shape {
	shapes.RLock()
	s := shapes.byURL[string(url)]
	shapes.RUnlock()
	if s != nil {
		return s
	}
	t, err := protoregistry.GlobalTypes.FindMessageByURL(string(url))
	if err != nil {
		return &shape{}
	}
	s = shapes.typed(t.Descriptor())
	shapes.Lock()
	defer shapes.Unlock()
	shapes.byURL[string(url)] = s
	return s
}

// typed is the shape of a type, which is filled when it is read.
func (m *memo) typed(d protoreflect.MessageDescriptor) *shape {
	m.Lock()
	defer m.Unlock()
	s := m.byType[d.FullName()]
	if s == nil {
		s = &shape{of: d}
		m.byType[d.FullName()] = s
	}
	return s
}

// highest is above all numbers of fields of Envoy's API; the few messages with a higher one
// are decoded.
const highest = 128

// compile fills s. Of a type whose bytes have other rules (required fields, groups,
// extensions) it is left empty.
func (s *shape) compile() {
	if s.of == nil || s.of.Syntax() != protoreflect.Proto3 {
		return
	}
	s.packs, s.header = s.of.FullName() == "google.protobuf.Any", s.of.FullName() == "envoy.config.core.v3.HeaderValue"
	fields := s.of.Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		for int(fd.Number()) >= len(s.fields) && fd.Number() < highest {
			s.fields = append(s.fields, field{})
		}
		if fd.Number() < highest {
			s.fields[fd.Number()] = fieldOf(fd)
		}
	}
	if s.packs {
		s.fields[anyURL].name = true
	}
	if s.of.IsMapEntry() {
		s.fields[s.of.Fields().ByName("key").Number()].name = true
	}
}

func fieldOf(fd protoreflect.FieldDescriptor) field {
	sensitive, _ := proto.GetExtension(fd.Options(), udpa.E_Sensitive).(bool)
	f := field{kind: fd.Kind(), wire: wireOf(fd.Kind()), many: fd.Cardinality() == protoreflect.Repeated, sensitive: sensitive}
	if fd.Message() != nil {
		f.message = shapes.typed(fd.Message())
	}
	return f
}

// wireOf is how one value of a kind is written.
func wireOf(kind protoreflect.Kind) protowire.Type {
	switch kind {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}
