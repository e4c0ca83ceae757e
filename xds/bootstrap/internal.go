package bootstrap

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	internalv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/bootstrap/internal_listener/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// internalListeners lets Envoy have listeners to which only it connects: the hosts of a
// large class may be spread over such, so that a new one costs a part of them. Nothing
// is sent yet that needs it; but it can be had at the start of an Envoy only, and an Envoy
// without it rejects such a listener.
func internalListeners() ([]*corev3.TypedExtensionConfig, error) {
	config, err := anypb.New(&internalv3.InternalListener{})
	if err != nil {
		return nil, err
	}
	return []*corev3.TypedExtensionConfig{{Name: "envoy.bootstrap.internal_listener", TypedConfig: config}}, nil
}
