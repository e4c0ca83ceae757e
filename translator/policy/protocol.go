package policy

// Speaks is what is spoken to the endpoints of a Service.
type Speaks struct{ Protocol Protocol }

// Protocol is a protocol of endpoints.
type Protocol string

// The protocols.
const (
	ByPort Protocol = "auto"  // as the appProtocol of the Service port has it
	HTTP   Protocol = "http"  // HTTP/1.1
	HTTPS  Protocol = "https" // HTTP/1.1 by TLS
	H2C    Protocol = "h2c"   // HTTP/2, and so gRPC
	H2     Protocol = "h2"    // HTTP/2 by TLS
)

// protocolRows are the settings of Speaks.
var protocolRows = []Setting{
	{
		Name: "upstream-protocol", Type: oneOf(func(v *Values) *Protocol { return &v.Protocol }, ByPort, HTTP, HTTPS, H2C, H2),
		Default: "auto", Why: "Who writes the Service knows what it speaks.",
		Envoy: "Cluster.transport_socket, HttpProtocolOptions.explicit_http_config",
		Doc:   "What is spoken to endpoints: HTTP/1.1, with TLS (`https`), HTTP/2 (`h2c`, also for gRPC), with TLS (`h2`), or what the appProtocol of the Service port says (`auto`). Certificates of endpoints are not verified.",
	},
}
