package impact

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/object"
	"legation.dev/xds/snapshot"
)

func with(t *testing.T, s snapshot.Snapshot, ty snapshot.Type, name string, m proto.Message) snapshot.Snapshot {
	t.Helper()
	r, err := snapshot.New(ty, name, m, snapshot.Meta{From: []object.Ref{{Kind: object.KindIngress, Namespace: "shop", Name: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	return s.With(ty, s.Of(ty).Set(name, r))
}

// listener has a chain for each "name=server name", and a default chain.
func listener(backlog uint32, chains ...string) *listenerv3.Listener {
	l := &listenerv3.Listener{Name: "https", TcpBacklogSize: wrapperspb.UInt32(backlog),
		DefaultFilterChain: &listenerv3.FilterChain{Name: "default"}}
	for _, c := range chains {
		name, host, _ := strings.Cut(c, "=")
		l.FilterChains = append(l.FilterChains, &listenerv3.FilterChain{Name: name,
			FilterChainMatch: &listenerv3.FilterChainMatch{ServerNames: []string{host}}})
	}
	return l
}

func TestListener(t *testing.T) {
	var none snapshot.Snapshot
	of := func(l *listenerv3.Listener) snapshot.Snapshot {
		if l == nil {
			return none
		}
		return with(t, none, snapshot.Listener, "https", l)
	}
	moved := listener(1, "a=a")
	moved.Metadata = &corev3.Metadata{}
	for _, c := range []struct {
		name     string
		from, to *listenerv3.Listener
		want     string
	}{
		{"new", nil, listener(1, "a=a"), "added LDS https"},
		{"gone", listener(1, "a=a"), nil, "removed LDS https drains"},
		{"chain added", listener(1, "a=a"), listener(1, "a=a", "b=b"), "added chain https/b"},
		{"chain removed", listener(1, "a=a", "b=b"), listener(1, "a=a"), "removed chain https/b drains"},
		{"chain changed", listener(1, "a=a", "b=b"), listener(1, "a=a", "b=c"), "changed chain https/b drains"},
		{"chains in another order", listener(1, "a=a", "b=b"), listener(1, "b=b", "a=a"), ""},
		{"metadata", listener(1, "a=a"), moved, ""},
		{"a field of the listener", listener(1, "a=a"), listener(2, "a=a", "b=b"), "changed LDS https drains"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for change := range Of(of(c.from), of(c.to)) {
				line := fmt.Sprintf("%s %s %s", change.Kind, change.Type, change.Name)
				if change.Drains {
					line += " drains"
				}
				got = append(got, line)
				if change.Effect == "" {
					t.Errorf("%v: no effect is given", change)
				}
			}
			if strings.Join(got, "; ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestEveryType: nothing but listeners drains, and each change says its effect.
func TestEveryType(t *testing.T) {
	var none snapshot.Snapshot
	for ty := range snapshot.Types() {
		if ty == snapshot.Listener {
			continue
		}
		a := with(t, none, ty, "x", &routev3.VirtualHost{Name: "a"})
		b := with(t, none, ty, "x", &routev3.VirtualHost{Name: "b"})
		for kind, pair := range map[Kind][2]snapshot.Snapshot{Added: {none, a}, Changed: {a, b}, Removed: {b, none}} {
			got := slices.Collect(Of(pair[0], pair[1]))
			if len(got) != 1 || got[0].Kind != kind || got[0].Drains || got[0].Effect == "" || got[0].From[0].String() != "Ingress shop/a" {
				t.Errorf("%s %s: got %+v", kind, ty, got)
			}
		}
		if got := slices.Collect(Of(a, a)); got != nil {
			t.Errorf("%s: equal snapshots differ: %v", ty, got)
		}
	}
}
