package wire

import (
	"iter"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of envoy.service.discovery.v3.
const (
	requestNode      = 1 // of DeltaDiscoveryRequest
	requestURL       = 2
	requestSubscribe = 3
	requestVersions  = 5
	requestNonce     = 6

	responseResources = 2 // of DeltaDiscoveryResponse
	responseURL       = 4
	responseNonce     = 5
	responseRemoved   = 6

	resourceVersion = 1 // of Resource
	resourceName    = 3

	mapKey   = 1 // of an entry of a map
	mapValue = 2
)

func appendBytes[B []byte | string](b []byte, field protowire.Number, value B) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(value)))
	return append(b, value...)
}

// Node is the part of a request that says who asks: an encoded core.v3.Node.
func Node(node []byte) []byte { return appendBytes(nil, requestNode, node) }

// Ask is a request of a type that subscribes to names. In front of the first
// request of a stream goes a Node; messages in Protobuf may be put in a row.
func Ask(url string, names iter.Seq[string]) []byte {
	b := appendBytes(nil, requestURL, url)
	for n := range names {
		b = appendBytes(b, requestSubscribe, n)
	}
	return b
}

// Report adds to a first request a version that the client has.
func Report(b []byte, name, version string) []byte {
	entry := appendBytes(appendBytes(nil, mapKey, name), mapValue, version)
	return appendBytes(b, requestVersions, entry)
}

// ACK is the acceptance of a response.
func ACK(r *Response) []byte {
	b := make([]byte, 0, len(r.URL)+len(r.Nonce)+8)
	return appendBytes(appendBytes(b, requestURL, r.URL), requestNonce, r.Nonce)
}

// Response is what a client needs of a DeltaDiscoveryResponse. It refers to the
// message that it was read from.
type Response struct {
	URL, Nonce []byte
	Resources  [][]byte // encoded Resources; see NameOf and VersionOf
	Removed    [][]byte // names
}

// Read fills r, whose slices are used again. Bytes that are no message end it.
func (r *Response) Read(message []byte) {
	*r = Response{Resources: r.Resources[:0], Removed: r.Removed[:0]}
	for field, value := range fields(message) {
		switch field {
		case responseResources:
			r.Resources = append(r.Resources, value)
		case responseURL:
			r.URL = value
		case responseNonce:
			r.Nonce = value
		case responseRemoved:
			r.Removed = append(r.Removed, value)
		}
	}
}

// NameOf is the name of an encoded Resource.
func NameOf(resource []byte) []byte { return field(resource, resourceName) }

// VersionOf is the version of an encoded Resource.
func VersionOf(resource []byte) []byte { return field(resource, resourceVersion) }

func field(message []byte, number protowire.Number) []byte {
	for n, value := range fields(message) {
		if n == number {
			return value
		}
	}
	return nil
}

// fields yields the length-delimited fields of a message.
func fields(b []byte) iter.Seq2[protowire.Number, []byte] {
	return func(yield func(protowire.Number, []byte) bool) {
		for len(b) > 0 {
			num, typ, n := protowire.ConsumeTag(b)
			if n < 0 {
				return
			}
			b = b[n:]
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return
			}
			if typ == protowire.BytesType {
				if value, _ := protowire.ConsumeBytes(b); !yield(num, value) {
					return
				}
			}
			b = b[n:]
		}
	}
}
