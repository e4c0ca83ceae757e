package redact

import (
	"bytes"
	"strconv"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"legation.dev/authz/rule"
)

// drawn are the types of which messages are drawn, and packed into each other.
var drawn = []proto.Message{&tlsv3.Secret{}, &routev3.VirtualHost{}, &listenerv3.Listener{}, &clusterv3.Cluster{}, &hcmv3.HttpConnectionManager{},
	&tlsv3.DownstreamTlsContext{}, &corev3.TypedExtensionConfig{}, &corev3.HeaderValueOption{}, &corev3.Metadata{}}

// draw fills a message: some of its fields, down to a depth.
func draw(t *rapid.T, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for range rapid.IntRange(1, 4).Draw(t, "fields") {
		fd := fields.Get(rapid.IntRange(0, fields.Len()-1).Draw(t, "field"))
		switch {
		case fd.IsMap():
			if v, ok := value(t, m.Mutable(fd).Map().NewValue, fd.MapValue(), depth); ok {
				key, _ := value(t, nil, fd.MapKey(), depth)
				m.Mutable(fd).Map().Set(key.MapKey(), v)
			}
		case fd.IsList():
			for range rapid.IntRange(1, 2).Draw(t, "elements") {
				if v, ok := value(t, m.Mutable(fd).List().NewElement, fd, depth); ok {
					m.Mutable(fd).List().Append(v)
				}
			}
		default:
			if v, ok := value(t, func() protoreflect.Value { return m.NewField(fd) }, fd, depth); ok {
				m.Set(fd, v)
			}
		}
	}
}

// value draws what a field may have, a message from fresh; none at the depth where it ends.
func value(t *rapid.T, fresh func() protoreflect.Value, fd protoreflect.FieldDescriptor, depth int) (protoreflect.Value, bool) {
	n := rapid.Int32Range(0, 300).Draw(t, "number")
	switch fd.Kind() {
	case protoreflect.MessageKind:
		v := fresh()
		if depth == 0 {
			return v, false
		}
		fill(t, v.Message(), depth-1)
		return v, true
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(rapid.SampledFrom([]string{keyText, rule.UsersHeader, "", "x"}).Draw(t, "text")), true
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(keyText)), true
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n > 9), true
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n % 3)), true
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(n), true
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(n)), true
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(n)), true
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(n)), true
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(n)), true
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(n)), true
	}
	return protoreflect.Value{}, false
}

// fill draws a message, or for an Any one that it packs.
func fill(t *rapid.T, m protoreflect.Message, depth int) {
	a, ok := m.Interface().(*anypb.Any)
	if !ok {
		if m.Descriptor().Fields().Len() > 0 {
			draw(t, m, depth)
		}
		return
	}
	inner := proto.Clone(rapid.SampledFrom(drawn).Draw(t, "packed"))
	draw(t, inner.ProtoReflect(), depth)
	if err := a.MarshalFrom(inner); err != nil {
		t.Fatal(err)
	}
	if rapid.IntRange(0, 9).Draw(t, "unknown type") == 0 {
		a.TypeUrl = "type.googleapis.com/no.Such"
	}
}

// fataler is a test, or an example of one that is drawn.
type fataler interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

// canonical encodes what in says, packed messages included, in one form.
func canonical(t fataler, name protoreflect.FullName, in []byte) []byte {
	mt, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		t.Fatal(err)
	}
	m := mt.New()
	if err := proto.Unmarshal(in, m.Interface()); err != nil {
		t.Fatalf("what is shown cannot be decoded: %v", err)
	}
	again(t, m)
	out, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.Interface())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func again(t fataler, m protoreflect.Message) {
	if a, ok := m.Interface().(*anypb.Any); ok {
		if len(a.Value) > 0 {
			a.Value = canonical(t, a.MessageName(), a.Value)
		}
		return
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		eachMessage(fd, v, func(m protoreflect.Message) { again(t, m) })
		return true
	})
}

// sure checks that what is made of the bytes of a message is what is made of it by decoding,
// and reports whether they were enough.
func sure(t fataler, name protoreflect.FullName, in []byte) bool {
	url := "type.googleapis.com/" + string(name)
	kept := bytes.Clone(in)
	out, ok := shapeOf(url).shown(in, false)
	if !bytes.Equal(kept, in) {
		t.Fatal("redaction changed the resource")
	}
	if !ok {
		return false
	}
	want := redactPacked(&anypb.Any{TypeUrl: url, Value: bytes.Clone(in)})
	if got := canonical(t, name, out); !bytes.Equal(got, want) {
		t.Fatalf("of the bytes of %s %q people see\n%q, and by decoding\n%q", name, in, got, want)
	}
	return true
}

// TestBytesAsDecoded: random messages are seen by their bytes as they are by decoding, which
// asks Envoy's API field by field; so are those that were damaged, repeated or merged, or else
// they are decoded.
func TestBytesAsDecoded(t *testing.T) {
	were := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		m := proto.Clone(rapid.SampledFrom(drawn).Draw(t, "type"))
		draw(t, m.ProtoReflect(), 5)
		text, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		name := m.ProtoReflect().Descriptor().FullName()
		were[sure(t, name, text)]++
		switch damage := bytes.Clone(text); rapid.IntRange(0, 3).Draw(t, "damage") {
		case 0:
			damage = append(damage, text...)
			sure(t, name, damage)
		case 1:
			damage = protowire.AppendString(protowire.AppendTag(damage, 100, protowire.BytesType), keyText)
			sure(t, name, damage)
		default:
			if len(damage) > 0 {
				damage[rapid.IntRange(0, len(damage)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			}
			sure(t, name, damage)
		}
	})
	if were[true] < 2*were[false] {
		t.Errorf("of %d messages the bytes were enough, of %d they were not: this compares too little", were[true], were[false])
	}
}

// TestBytesOfSecrets: where a secret is told from others by what stands beside it.
func TestBytesOfSecrets(t *testing.T) {
	host := func(fields ...string) []byte {
		return long("1", "h", "7", string(long("1", string(long(fields...))))) // VirtualHost.request_headers_to_add
	}
	secret, err := proto.Marshal(secrets()["certificate"])
	if err != nil {
		t.Fatal(err)
	}
	const plain, secretType = "type.googleapis.com/envoy.config.core.v3.Metadata", "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
	config := func(fields ...string) []byte { return long("1", "x", "2", string(long(fields...))) } // TypedExtensionConfig
	virtual, extension := protoreflect.FullName("envoy.config.route.v3.VirtualHost"), protoreflect.FullName("envoy.config.core.v3.TypedExtensionConfig")
	for name, is := range map[string]struct {
		of   protoreflect.FullName
		in   []byte
		sure bool
	}{
		"users":                     {virtual, host("1", rule.UsersHeader, "2", keyText), true},
		"users as bytes":            {virtual, host("1", rule.UsersHeader, "3", keyText), true},
		"users before their name":   {virtual, host("2", keyText, "1", rule.UsersHeader), true},
		"another name before":       {virtual, host("1", "x", "1", rule.UsersHeader, "2", keyText), false},
		"a header in two parts":     {virtual, long("7", string(long("1", string(long("1", rule.UsersHeader)), "1", string(long("2", keyText))))), false},
		"a secret, packed":          {extension, config("1", secretType, "2", string(secret)), true},
		"packed before its type":    {extension, config("2", string(secret), "1", secretType), false},
		"two types":                 {extension, config("1", plain, "2", string(secret), "1", secretType), false},
		"packed in two parts":       {extension, long("2", string(long("1", secretType)), "2", string(long("2", string(secret)))), false},
		"unknown type":              {extension, config("1", "type.googleapis.com/no.Such", "2", keyText), false},
		"numbers":                   {virtual, long("16", string(long("7", "\x01\x96\x02"))), true}, // VirtualHost.retry_policy
		"numbers that are cut":      {virtual, long("16", string(long("7", "\x01\x96"))), false},
		"a field that is not known": {virtual, long("99", keyText), false},
	} {
		if got := sure(t, is.of, is.in); got != is.sure {
			t.Errorf("%s: the bytes are enough: %v", name, got)
		}
		if out, ok := shapeOf("type.googleapis.com/"+string(is.of)).shown(is.in, false); ok && bytes.Contains(out, []byte(keyText)) {
			t.Errorf("%s: people see %q", name, out)
		}
	}
}

// long is a message of fields with a length: their numbers and values.
func long(fields ...string) (text []byte) {
	for i := 0; i < len(fields); i += 2 {
		n, _ := strconv.Atoi(fields[i])
		text = protowire.AppendString(protowire.AppendTag(text, protowire.Number(n), protowire.BytesType), fields[i+1])
	}
	return text
}

// FuzzBytes: no bytes make it show what decoding hides, or panic.
func FuzzBytes(f *testing.F) {
	for _, s := range secrets() {
		text, err := proto.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(0), text)
	}
	f.Add(uint8(7), []byte("\n\x04\n\x01a\x12\x01b"))
	f.Fuzz(func(t *testing.T, of uint8, in []byte) {
		sure(t, drawn[int(of)%len(drawn)].ProtoReflect().Descriptor().FullName(), in)
	})
}

// TestNothingToHide: what hides nothing is shown as it is, without a copy of it; and all that
// we write is read by its bytes.
func TestNothingToHide(t *testing.T) {
	r := packed(t, &routev3.VirtualHost{Name: "ingress/a.test", Domains: []string{"a.test"},
		RequestHeadersToAdd:  []*corev3.HeaderValueOption{{Header: &corev3.HeaderValue{Key: "x-user", Value: "v"}}},
		RetryPolicy:          &routev3.RetryPolicy{RetriableStatusCodes: []uint32{502, 503}},
		TypedPerFilterConfig: map[string]*anypb.Any{"f": packed(t, &routev3.FilterConfig{Disabled: true})}})
	if got := View(r.TypeUrl, r.Value); !same(got, r.Value) || Hides(r.TypeUrl, r.Value) {
		t.Errorf("the view is a copy: %q", got)
	}
	if n := testing.AllocsPerRun(10, func() { View(r.TypeUrl, r.Value) }); n > 0 {
		t.Errorf("%v allocations for a view that hides nothing", n)
	}
	for name, s := range secrets() {
		r := packed(t, s)
		if !sure(t, r.MessageName(), r.Value) {
			t.Errorf("%s: its bytes are not enough", name)
		}
		if !Hides(r.TypeUrl, r.Value) {
			t.Errorf("%s: it hides nothing", name)
		}
	}
}
