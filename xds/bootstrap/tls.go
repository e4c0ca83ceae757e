package bootstrap

import (
	"fmt"
	"path/filepath"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/xds/identity"
)

// TLS is mutual TLS to the control plane. Envoy reads the files by itself, and again
// when a file is moved into Folder, as a kubelet and cert-manager do it: its stream
// stays, the next one uses the new ones. Both paths must be absolute, and are those
// that Envoy sees.
type TLS struct {
	// Folder has identity.CertificateFile, KeyFile and CAFile.
	Folder string
	// Secrets is a folder that has what Secrets makes.
	Secrets string
}

// Names of the secrets of Envoy's own TLS, and of the files that hold them.
const (
	pairName, pairFile   = "xds-pair", "xds-pair.json"
	rootsName, rootsFile = "xds-ca", "xds-ca.json"
)

// socket is Envoy's side of the TLS. It accepts the control plane by its name, at
// whatever address it answers.
func (t TLS) socket() (*corev3.TransportSocket, error) {
	for _, path := range []string{t.Folder, t.Secrets} {
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("the path of the folder must be absolute: %q", path)
		}
	}
	context := &tlsv3.UpstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
		TlsParams:                      &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_3, TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3},
		AlpnProtocols:                  []string{"h2"}, // gRPC's server insists
		TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{t.fromFile(pairName, pairFile)},
		ValidationContextType: &tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig{
			ValidationContextSdsSecretConfig: t.fromFile(rootsName, rootsFile)},
	}}
	config, err := anypb.New(context)
	if err != nil {
		return nil, err
	}
	return &corev3.TransportSocket{Name: "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: config}}, nil
}

func (t TLS) fromFile(name, file string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: &corev3.ConfigSource{
		ResourceApiVersion: corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{
			PathConfigSource: &corev3.PathConfigSource{Path: filepath.Join(t.Secrets, file)}}}}
}

// File is a file that Envoy reads.
type File struct {
	Name string
	Text []byte
}

// Files are those of the folder TLS.Secrets. They name the files of TLS.Folder, and
// contain no key: Envoy reads only secrets that come by SDS again, hence these.
func (t TLS) Files() ([]File, error) {
	in := func(file string) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: filepath.Join(t.Folder, file)}}
	}
	watched := &corev3.WatchedDirectory{Path: t.Folder}
	pair := &tlsv3.Secret{Name: pairName, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: in(identity.CertificateFile), PrivateKey: in(identity.KeyFile), WatchedDirectory: watched}}}
	roots := &tlsv3.Secret{Name: rootsName, Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
		TrustedCa: in(identity.CAFile), WatchedDirectory: watched,
		MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{SanType: tlsv3.SubjectAltNameMatcher_URI,
			Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: identity.ControlPlane.String()}}}},
	}}}
	var files []File
	for _, f := range []struct {
		name   string
		secret proto.Message
	}{{pairFile, pair}, {rootsFile, roots}} {
		resource, err := anypb.New(f.secret)
		if err != nil {
			return nil, err
		}
		text, err := renderMessage(&discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{resource}}, JSON)
		if err != nil {
			return nil, err
		}
		files = append(files, File{f.name, text})
	}
	return files, nil
}
