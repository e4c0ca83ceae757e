package redact

import (
	"google.golang.org/protobuf/encoding/protojson"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
)

// Dump is what Envoy says at /config_dump, as people may see it: it leaves out private keys
// itself, and here goes what only we know to be secret. A field that is not known is left
// out, and a dump that cannot be decoded is an error: it is not shown.
func Dump(text []byte) ([]byte, error) {
	dump := &adminv3.ConfigDump{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, dump); err != nil {
		return nil, err
	}
	redactMessage(dump.ProtoReflect())
	return protojson.MarshalOptions{UseProtoNames: true}.Marshal(dump)
}
