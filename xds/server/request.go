package server

import (
	"errors"
	"iter"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"legation.dev/xds/delta"
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

// request is one DeltaDiscoveryRequest, read without building maps: its names
// are substrings of one string, text, which lives as long as any of them.
type request struct {
	delta.Request
	node *corev3.Node // nil if the request carries none
	err  error        // why the bytes are no DeltaDiscoveryRequest

	text    string    // the whole request
	initial *versions // what Request.Initial holds, once there is an entry
	detail  *statuspb.Status
}

// decode reads b, which it does not keep. It accepts exactly what
// proto.Unmarshal accepts.
func (r *request) decode(b []byte) error {
	r.text = string(b)
	err := fields(b, func(num protowire.Number, at, end int) error { return r.field(num, b, at, end) })
	if r.initial != nil {
		r.Initial = r.initial
	}
	if r.detail != nil {
		r.Error = &delta.Error{Code: r.detail.Code, Message: r.detail.Message}
	}
	return err
}

// field takes in the field whose value is b[at:end].
func (r *request) field(num protowire.Number, b []byte, at, end int) (err error) {
	switch num {
	case fieldNode:
		if r.node == nil {
			r.node = new(corev3.Node)
		}
		return merge(b[at:end], r.node)
	case fieldURL:
		r.URL, err = r.string(at, end)
	case fieldSubscribe:
		r.Subscribe, err = r.append(r.Subscribe, at, end)
	case fieldUnsubscribe:
		r.Unsubscribe, err = r.append(r.Unsubscribe, at, end)
	case fieldInitial:
		return r.addVersion(b, at, end)
	case fieldNonce:
		r.Nonce, err = r.string(at, end)
	case fieldErrorDetail:
		if r.detail == nil {
			r.detail = new(statuspb.Status)
		}
		return merge(b[at:end], r.detail)
	case fieldLocatorsSubscribe, fieldLocatorsUnsubscribe:
		return merge(b[at:end], new(discoveryv3.ResourceLocator)) // not used here, but must be well formed
	}
	return err
}

// merge decodes what may come in several pieces.
func merge(b []byte, m proto.Message) error {
	return proto.UnmarshalOptions{Merge: true}.Unmarshal(b, m)
}

var errUTF8 = errors.New("string field contains invalid UTF-8")

func (r *request) string(at, end int) (string, error) {
	s := r.text[at:end]
	if !utf8.ValidString(s) {
		return "", errUTF8
	}
	return s, nil
}

func (r *request) append(names []string, at, end int) ([]string, error) {
	name, err := r.string(at, end)
	return append(names, name), err
}

func (r *request) addVersion(b []byte, at, end int) error {
	key, value, err := entry(r.text, b, at, end)
	if err != nil {
		return err
	}
	if !utf8.ValidString(key) || !utf8.ValidString(value) {
		return errUTF8
	}
	if r.initial == nil {
		r.initial = &versions{text: r.text}
	}
	r.initial.len++
	r.initial.sum.Add(key, value)
	return nil
}

// entry is the map entry in b[at:end], as substrings of text, whose bytes are b.
func entry(text string, b []byte, at, end int) (key, value string, err error) {
	err = fields(b[at:end], func(num protowire.Number, from, to int) error {
		switch num {
		case fieldKey:
			key = text[at+from : at+to]
		case fieldValue:
			value = text[at+from : at+to]
		}
		return nil
	})
	return key, value, err
}

var errField = errors.New("invalid field number")

// fields calls yield for each length-delimited field of the message b: its
// number, and where its value begins and ends. All fields that are known here
// are of that kind; others are skipped, but must be well formed.
func fields(b []byte, yield func(num protowire.Number, at, end int) error) error {
	for at := 0; at < len(b); {
		num, typ, n := protowire.ConsumeTag(b[at:])
		if n < 0 {
			return protowire.ParseError(n)
		}
		if num > protowire.MaxValidNumber {
			return errField
		}
		at += n
		if n = protowire.ConsumeFieldValue(num, typ, b[at:]); n < 0 {
			return protowire.ParseError(n)
		}
		end := at + n
		if typ == protowire.BytesType {
			_, n = protowire.ConsumeVarint(b[at:])
			if err := yield(num, at+n, end); err != nil {
				return err
			}
		}
		at = end
	}
	return nil
}

// versions are the initial_resource_versions of a request, left undecoded. A
// name that comes twice counts twice; its last version is the one that counts
// for protobuf, and All yields it last.
type versions struct {
	text string // the whole request, known to be well formed
	len  int
	sum  delta.VersionSum // of all entries, made while the request was read
}

var _ delta.Versions = (*versions)(nil)

// Len is the number of entries.
func (v *versions) Len() int { return v.len }

// Sum is the sum of all entries.
func (v *versions) Sum() delta.VersionSum { return v.sum }

var errStop = errors.New("the caller has seen enough")

// All yields name and version of each entry, in the order of the request.
func (v *versions) All() iter.Seq2[string, string] {
	return func(yield func(name, version string) bool) {
		b := []byte(v.text)
		// The bytes were accepted once, so the only error left is errStop.
		_ = fields(b, func(num protowire.Number, at, end int) error {
			if num != fieldInitial {
				return nil
			}
			name, version, _ := entry(v.text, b, at, end)
			if !yield(name, version) {
				return errStop
			}
			return nil
		})
	}
}
