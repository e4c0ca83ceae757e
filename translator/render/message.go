package render

import (
	"errors"
	"fmt"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/xds/snapshot"
)

// validated is a generated message that knows Envoy's constraints on itself.
type validated interface {
	proto.Message
	ValidateAll() error
}

// newResource makes a resource of m if Envoy's constraints hold for it.
func newResource(t snapshot.Type, name string, m validated, meta snapshot.Meta) (*snapshot.Resource, error) {
	if err := m.ValidateAll(); err != nil {
		return nil, err
	}
	return snapshot.New(t, name, m, meta)
}

// packed is m in an Any, with equal bytes each time. It panics if m breaks Envoy's
// constraints, with what rescue makes an error of: what of an object reaches a message is
// checked before, and where it is not, only what is made of that object must be missing.
func packed(m validated) *anypb.Any {
	packed := new(anypb.Any)
	err := errors.Join(m.ValidateAll(), anypb.MarshalFrom(packed, m, proto.MarshalOptions{Deterministic: true}))
	if err != nil {
		panic(invalid{fmt.Errorf("%s: %w", m.ProtoReflect().Descriptor().FullName(), err)})
	}
	return packed
}

// invalid is why a message is none that Envoy would take.
type invalid struct{ error }

// rescue, deferred, makes an error of what packed panicked with.
func rescue(err *error) {
	switch r := recover().(type) {
	case nil:
	case invalid:
		*err = r.error
	default:
		panic(r)
	}
}

// ads is the ConfigSource of everything that Envoy asks us for. Its bytes are
// part of the identity of a subscription and must never change: with other
// bytes for a secret that it has, Envoy asks for nothing and cuts off TLS
// (envoyproxy/envoy#47309). initial_fetch_timeout stays Envoy's 15 s.
func ads() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
	}
}

func seconds(d time.Duration) *durationpb.Duration { return durationpb.New(d) }

func number(n uint32) *wrapperspb.UInt32Value { return wrapperspb.UInt32(n) }

func yes() *wrapperspb.BoolValue { return wrapperspb.Bool(true) }

func no() *wrapperspb.BoolValue { return wrapperspb.Bool(false) }

func socketAddress(ip string, port uint32) *corev3.Address { return new(socketAddressOf).of(ip, port) }

// socketAddressOf is the address of a socket in one piece.
type socketAddressOf struct {
	corev3.Address
	is     corev3.Address_SocketAddress
	socket corev3.SocketAddress
	port   corev3.SocketAddress_PortValue
}

func (a *socketAddressOf) of(ip string, port uint32) *corev3.Address {
	a.port.PortValue = port
	a.socket.Address, a.socket.PortSpecifier = ip, &a.port
	a.is.SocketAddress, a.Address.Address = &a.socket, &a.is
	return &a.Address
}

func inline(text string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: text}}
}
