//go:build real

package e2e

import (
	"strings"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"legation.dev/xds/bootstrap"
)

// TestInternalListeners: Envoy takes a listener that only it connects to, and does not
// without what the bootstrap has for it.
func TestInternalListeners(t *testing.T) {
	b := routed(t, "/")
	l := b.StaticResources.Listeners[0]
	l.Address, l.IgnoreGlobalConnLimit, l.BypassOverloadManager = nil, false, false
	l.ListenerSpecifier = &listenerv3.Listener_InternalListener{InternalListener: &listenerv3.Listener_InternalListenerConfig{}}
	if out, err := validated(t, b, bootstrap.JSON); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	b.BootstrapExtensions = nil
	if out, err := validated(t, b, bootstrap.JSON); err == nil || !strings.Contains(out, "InternalListener bootstrap extension is mandatory") {
		t.Errorf("without the extension: %v\n%s", err, out)
	}
}
