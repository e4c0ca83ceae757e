package server

import (
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

// Field numbers of envoy.service.discovery.v3.DeltaDiscoveryRequest.
const (
	fieldNode                = 1
	fieldURL                 = 2
	fieldSubscribe           = 3
	fieldUnsubscribe         = 4
	fieldInitial             = 5
	fieldNonce               = 6
	fieldErrorDetail         = 7
	fieldLocatorsSubscribe   = 8
	fieldLocatorsUnsubscribe = 9

	fieldKey, fieldValue = 1, 2 // of a map entry
)

// request is one DeltaDiscoveryRequest, read in the buffers in which gRPC
// received it. What an Envoy with 10,000 names says when it reconnects is only
// added up: no name of it becomes a string unless something differs. For that
// case the request holds the buffers until release.
type request struct {
	delta.Request
	node *corev3.Node // nil if the request carries none
	err  error        // why the bytes are no DeltaDiscoveryRequest

	data     mem.BufferSlice // the whole request; nil if no name is left in it, and after release
	names    names           // what Request.Subscribe holds, once there is a name
	versions versions        // what Request.Initial holds, once there is an entry
	detail   *statuspb.Status
	sizes    sizes
}

// decode reads data. It accepts exactly what proto.Unmarshal accepts.
func (r *request) decode(data mem.BufferSlice) error {
	err := r.read(data)
	if r.names.len > 0 {
		r.names.of = r
		r.Subscribe = &r.names
	}
	if r.versions.len > 0 {
		r.versions.of = r
		r.Initial = &r.versions
	}
	if r.detail != nil {
		r.Error = &delta.Error{Code: r.detail.Code, Message: strings.TrimSpace(r.detail.Message)} // which Envoy ends by a newline
	}
	if err == nil && r.names.len+r.versions.len > 0 {
		data.Ref()
		r.data = data
	}
	return err
}

func (r *request) read(data mem.BufferSlice) error {
	if len(data) != 1 {
		return pieces(data, r.take)
	}
	b := data[0].ReadOnlyData() // an ACK, for example
	n, err := r.take(b)
	if err == nil && n < len(b) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// release gives the buffers back to gRPC. Names cannot be asked for any more.
func (r *request) release() {
	r.data.Free()
	r.data = nil
}

// take takes in the fields at the beginning of b that are whole. It says where
// the first begins that is cut short.
func (r *request) take(b []byte) (n int, err error) {
	ascii := isASCII(b)
	for n < len(b) {
		num, value, size, err := field(b[n:])
		if err != nil || size == 0 {
			return n, err
		}
		if value != nil {
			if err := r.field(num, value, ascii); err != nil {
				return n, err
			}
		}
		n += size
	}
	return n, nil
}

// field takes in one field; ascii says that no byte of value is above 127.
func (r *request) field(num protowire.Number, value []byte, ascii bool) (err error) {
	if err := r.sizes.add(num, len(value)); err != nil {
		return err
	}
	switch num {
	case fieldInitial:
		return r.versions.add(value, ascii)
	case fieldSubscribe:
		return r.names.add(value, ascii)
	case fieldURL:
		r.URL, err = urlOf(value)
	case fieldNonce:
		r.Nonce, err = text(value)
	case fieldUnsubscribe:
		var name string
		name, err = text(value)
		r.Unsubscribe = append(r.Unsubscribe, name)
	case fieldNode:
		if r.node == nil {
			r.node = new(corev3.Node)
		}
		return merge(value, r.node)
	case fieldErrorDetail:
		if r.detail == nil {
			r.detail = new(statuspb.Status)
		}
		return merge(value, r.detail)
	case fieldLocatorsSubscribe, fieldLocatorsUnsubscribe:
		return merge(value, new(discoveryv3.ResourceLocator)) // not used here, but must be well formed
	}
	return err
}

// merge decodes what may come in several pieces.
func merge(b []byte, m proto.Message) error {
	return proto.UnmarshalOptions{Merge: true}.Unmarshal(b, m)
}

var errUTF8 = errors.New("string field contains invalid UTF-8")

func text(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return "", errUTF8
	}
	return string(b), nil
}

// urlOf is text for a type URL. Each ACK has one, so those that are served cost
// no memory.
func urlOf(b []byte) (string, error) {
	if t, ok := snapshot.TypeOf(string(b)); ok {
		return t.URL(), nil
	}
	return text(b)
}

var errField = errors.New("invalid field number")

// field is the first field of b: its number, its value if it is
// length-delimited, which all fields are that are known here, else nil; and its
// size, which is 0 if b ends within it. What is skipped must be well formed, too.
func field(b []byte) (num protowire.Number, value []byte, size int, err error) {
	if len(b) >= 2 && b[0]&0x87 == 2 && b[0] >= 8 && b[1] < 0x80 { // number and length are one byte each
		if size = 2 + int(b[1]); size > len(b) {
			return 0, nil, 0, nil
		}
		return protowire.Number(b[0] >> 3), b[2:size], size, nil
	}
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return 0, nil, 0, unlessCut(n)
	}
	if num > protowire.MaxValidNumber {
		return 0, nil, 0, errField
	}
	size = protowire.ConsumeFieldValue(num, typ, b[n:])
	if size < 0 {
		return 0, nil, 0, unlessCut(size)
	}
	if typ == protowire.BytesType {
		_, head := protowire.ConsumeVarint(b[n:])
		value = b[n+head : n+size]
	}
	return num, value, n + size, nil
}

// unlessCut is the error that protowire means by n; none if all that is wrong
// is that the bytes end too early.
func unlessCut(n int) error {
	if err := protowire.ParseError(n); !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return nil
}
