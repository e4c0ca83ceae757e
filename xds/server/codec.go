package server

import (
	"fmt"

	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"legation.dev/xds/delta"
)

// frame is a message that is encoded already.
type frame mem.BufferSlice

// codec is the codec of the whole gRPC server. The delta stream sends a frame
// and receives a *request, which never become generated messages;
// every other message goes to the standard codec. It is safe for concurrent use.
type codec struct{ standard encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(protocodec.Name)} }

// Name is that of the standard codec: on the wire nothing differs.
func (c codec) Name() string { return protocodec.Name }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(frame); ok {
		return mem.BufferSlice(f), nil
	}
	return c.standard.Marshal(v)
}

// Unmarshal never fails for a *request: gRPC would turn the error into status
// Internal, but it is the client's fault; request.err keeps it. All other requests are
// small; decoded, a name of one byte takes ten times what it took on the wire.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*request)
	if n, most := data.Len(), mostOf(v); !ok && n > most {
		return fmt.Errorf("it has %d bytes; the limit is %d for this method", n, most)
	}
	if !ok {
		return c.standard.Unmarshal(data, v)
	}
	*r = request{}
	if err := r.decode(data); err != nil {
		r.err = fmt.Errorf("undecodable DeltaDiscoveryRequest of %d bytes: %w", data.Len(), err)
	}
	return nil
}

// mostOf bounds a request that is decoded into v, in bytes.
func mostOf(v any) int {
	if _, ok := v.(*metricsv1.MetricsData); ok {
		return maxReport
	}
	return maxOther
}

// Field numbers of envoy.service.discovery.v3.DeltaDiscoveryResponse. Those of
// its resources are in the bytes of each snapshot.Resource already.
const (
	fieldResponseURL     = 4
	fieldResponseNonce   = 5
	fieldResponseRemoved = 6
)

// encodeResponse puts the shared bytes of the resources in a row and adds the
// few that belong to this stream alone. Nothing is copied.
func encodeResponse(r *delta.Response) mem.BufferSlice {
	out := make(mem.BufferSlice, 0, len(r.Resources)+1)
	for _, res := range r.Resources {
		out = append(out, mem.SliceBuffer(res.Wire()))
	}
	const room = 128 // the type URL and a nonce
	own := appendString(make([]byte, 0, room), fieldResponseURL, r.Type.URL())
	own = appendString(own, fieldResponseNonce, r.Nonce)
	for _, name := range r.Removed {
		own = appendString(own, fieldResponseRemoved, name)
	}
	return append(out, mem.SliceBuffer(own))
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}
