package bootstrap

import (
	"bytes"
	"encoding/json"
	"fmt"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"
)

// Format is how a bootstrap is written.
type Format string

// The formats. Envoy takes a file that does not end in .json as YAML.
const (
	YAML Format = "yaml"
	JSON Format = "json"
)

// Render writes b. Equal bootstraps give equal bytes. The text contains the
// private key of the static certificate.
func Render(b *bootstrapv3.Bootstrap, f Format) ([]byte, error) { return renderMessage(b, f) }

func renderMessage(m proto.Message, f Format) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	switch f {
	case YAML:
		return yaml.JSONToYAML(text) // sorts the keys
	case JSON:
		// protojson varies its spaces on purpose; Indent sets them anew.
		var out bytes.Buffer
		if err := json.Indent(&out, text, "", "  "); err != nil {
			return nil, err
		}
		out.WriteByte('\n')
		return out.Bytes(), nil
	}
	return nil, fmt.Errorf("unknown format %q; want yaml or json", f)
}
