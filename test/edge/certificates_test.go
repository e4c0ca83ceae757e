//go:build real

package edge

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/test/envoy"
	"legation.dev/translator/input"
	"legation.dev/translator/lower/secret"
)

// TestOddCertificates: certificates as no library writes them, and as old and strange ones
// do. What is refused here, Envoy refuses; what is not, Envoy serves.
func TestOddCertificates(t *testing.T) {
	key := p256Key()
	list := slices.Concat(oddNumbers(), oddTimes(), oddNames(), oddKeys(), oddUsages(), oddWholes(), oddContents(), oddTypes(), oddChains())
	asked := make([]*tlsv3.Secret, len(list))
	for i, o := range list {
		d := newDraft(key, fmt.Sprintf("c%d.example.com", i))
		o.write(d)
		certificate, private := d.secret()
		c := secret.Lower(input.Seal(&input.Secret{Meta: meta("odd"), Certificate: []byte(certificate), Key: []byte(private)}))
		asked[i] = pair([]byte(certificate), []byte(private)) // what is refused, as it was written
		switch err := c.PairErr; {
		case err == nil:
			asked[i] = pair(c.Pair.Chain, c.Pair.Key) // what is served, as it is sent
			if o.refused != "" {
				t.Errorf("%s: taken; want refused: %s", o.name, o.refused)
			}
		case o.refused == "" || !strings.Contains(err.Error(), o.refused):
			t.Errorf("%s: %v; want %q", o.name, err, o.refused)
		}
	}
	if len(list) < 100 {
		t.Errorf("%d certificates", len(list))
	}
	for i, refusal := range refusals(t, "tls_certificate_sds_secret_configs", asked) {
		if (refusal == "") != (list[i].refused == "") {
			t.Errorf("%s: Envoy says %q; it is said that it is refused for %q", list[i].name, refusal, list[i].refused)
		}
	}
}

// TestOddAuthorities: the same certificates as those that clients are checked by. Only their
// form counts there.
func TestOddAuthorities(t *testing.T) {
	key := p256Key()
	list := slices.Concat(oddNumbers(), oddTimes(), oddNames(), oddKeys(), oddUsages(), oddWholes(), oddContents(), oddTypes(), oddChains())
	asked, ours := make([]*tlsv3.Secret, len(list)), make([]error, len(list))
	for i, o := range list {
		d := newDraft(key, "authority")
		o.write(d)
		text, _ := d.secret()
		c := secret.Lower(input.Seal(&input.Secret{Meta: meta("odd"), Authorities: []byte(text)}))
		if ours[i] = c.AuthorityErr; ours[i] == nil {
			text = string(c.Authorities.Certificates)
		}
		asked[i] = &tlsv3.Secret{Type: &tlsv3.Secret_ValidationContext{
			ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: inline([]byte(text))}}}
	}
	for i, refusal := range refusals(t, "validation_context_sds_secret_config", asked) {
		if (refusal == "") != (ours[i] == nil) {
			t.Errorf("%s: Envoy says %q, and here it is %v", list[i].name, refusal, ours[i])
		}
	}
}

func pair(certificate, key []byte) *tlsv3.Secret {
	return &tlsv3.Secret{Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: inline(certificate), PrivateKey: inline(key)}}}
}

func inline(b []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
}

// secretADS gives out each secret alone, and hears what Envoy says of it: of
// several in one answer, Envoy names none.
type secretADS struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	secrets map[string]*tlsv3.Secret
	heard   chan verdict
}

type verdict struct{ name, refusal string }

// DeltaAggregatedResources answers each name that Envoy asks for; the nonce is the name.
func (s *secretADS) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	for {
		req, err := stream.Recv()
		if err != nil {
			return err
		}
		if req.ResponseNonce != "" {
			s.heard <- verdict{req.ResponseNonce, req.GetErrorDetail().GetMessage()}
		}
		for _, name := range req.ResourceNamesSubscribe {
			secret, err := anypb.New(s.secrets[name])
			if err != nil {
				return err
			}
			err = stream.Send(&discoveryv3.DeltaDiscoveryResponse{TypeUrl: req.TypeUrl, Nonce: name,
				Resources: []*discoveryv3.Resource{{Name: name, Version: "1", Resource: secret}}})
			if err != nil {
				return err
			}
		}
	}
}

// refusals are what one Envoy says of each, which has a filter chain that asks for it in a
// field; empty where it serves it.
func refusals(t *testing.T, field string, list []*tlsv3.Secret) []string {
	ads := &secretADS{secrets: map[string]*tlsv3.Secret{}, heard: make(chan verdict, len(list))}
	var chains []any
	for i, s := range list {
		s.Name = fmt.Sprintf("c%d", i)
		ads.secrets[s.Name] = s
		chains = append(chains, chainOf(s.Name, field))
	}
	e, err := envoy.Start(t.Context(), envoy.Options{Bootstrap: certificateBootstrap(t, serveADS(t, ads), chains), LogLevel: "error"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Stop() })
	said := make([]string, len(list))
	for range list {
		select {
		case v := <-ads.heard:
			i, err := strconv.Atoi(strings.TrimPrefix(v.name, "c"))
			if err != nil {
				t.Fatal(err)
			}
			said[i] = v.refusal
		case <-e.Done():
			t.Fatalf("Envoy ended: %v", e.Err())
		}
	}
	return said
}

func certificateBootstrap(t *testing.T, port int, chains []any) []byte {
	address := func(port int) any {
		return map[string]any{"socket_address": map[string]any{"address": "127.0.0.1", "port_value": port}}
	}
	endpoint := map[string]any{"endpoint": map[string]any{"address": address(port)}}
	config := map[string]any{
		"node": map[string]any{"id": "odd", "cluster": "odd"}, "admin": map[string]any{},
		"dynamic_resources": map[string]any{"ads_config": map[string]any{"api_type": "DELTA_GRPC", "transport_api_version": "V3",
			"grpc_services": []any{map[string]any{"envoy_grpc": map[string]any{"cluster_name": "xds"}}}}},
		"static_resources": map[string]any{
			"clusters": []any{map[string]any{"name": "xds", "type": "STATIC", "connect_timeout": "5s",
				"typed_extension_protocol_options": map[string]any{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": map[string]any{
					"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": map[string]any{"http2_protocol_options": map[string]any{}}}},
				"load_assignment": map[string]any{"cluster_name": "xds", "endpoints": []any{map[string]any{"lb_endpoints": []any{endpoint}}}}}},
			"listeners": []any{map[string]any{"name": "odd", "address": address(0), "filter_chains": chains,
				"listener_filters": []any{map[string]any{"name": "sni", "typed_config": map[string]any{"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}}}},
		},
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func chainOf(name, field string) any {
	ask := map[string]any{"name": name, "sds_config": map[string]any{"resource_api_version": "V3", "ads": map[string]any{}}}
	tls := map[string]any{field: ask}
	if field == "tls_certificate_sds_secret_configs" {
		tls[field] = []any{ask}
	} else {
		certificate, key := selfSigned(name)
		tls["tls_certificates"] = []any{map[string]any{"certificate_chain": map[string]any{"inline_bytes": certificate}, "private_key": map[string]any{"inline_bytes": key}}}
	}
	return map[string]any{
		"name": name, "filter_chain_match": map[string]any{"server_names": []string{name + ".example.com"}},
		"filters": []any{map[string]any{"name": "echo", "typed_config": map[string]any{"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}}},
		"transport_socket": map[string]any{"name": "tls", "typed_config": map[string]any{
			"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": tls}},
	}
}
