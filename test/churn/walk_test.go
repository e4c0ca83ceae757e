//go:build real

package churn

import (
	"context"
	"maps"
	"net/netip"
	"testing"
	"time"

	"legation.dev/test/inprocess"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// TestWalk: what random changes of everything lead to is accepted by Envoy.
func TestWalk(t *testing.T) {
	const step = 5
	n := seed(t)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := inprocess.Start(ctx, inprocess.Options{Log: warnings(t)})
	if err != nil {
		t.Fatal(err)
	}
	w := &suite{Stack: s, t: t, ctx: ctx}
	t.Cleanup(func() {
		cancel()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	random := worlds.New(n, worlds.Size{Services: 20, Endpoints: 3, Ingresses: 30, TLS: 0.4, Traced: true})
	w.Change(w.here(random.All()...)...)
	w.settle()
	begin := time.Now()
	for i := range *walked {
		w.Change(w.here(random.Random())...)
		if i%step == step-1 {
			w.settle()
		}
	}
	w.settle()
	published, _ := s.Published()
	t.Logf("%d changes in %s; %d clusters, %d virtual hosts at the end", *walked, time.Since(begin).Round(time.Millisecond),
		published.Of(snapshot.Cluster).Len(), published.Of(snapshot.VirtualHost).Len())
	w.noneRejected()
	w.noTimeouts()
	if n := s.Server().Total().Resources; n < uint64(*walked/2) {
		t.Errorf("only %d resources were sent", n)
	}
}

// here makes the settings of the class those of this Stack, and leads endpoints to
// where nobody listens on this machine: active health checks dial them.
func (w *suite) here(changes ...input.Change) []input.Change {
	for i, c := range changes {
		switch o := c.Object.(type) {
		case *input.ConfigMap:
			data := maps.Clone(o.Data)
			maps.Copy(data, w.Base())
			changes[i] = lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: o.Namespace, Name: o.Name}, Data: data}))
		case *input.Slice:
			local := *o
			local.Endpoints = nil
			for _, e := range o.Endpoints {
				e.Addresses = onLoopback(o.AddressType, e.Addresses)
				local.Endpoints = append(local.Endpoints, e)
			}
			changes[i] = lower.Put(input.Seal(&local))
		}
	}
	return changes
}

// onLoopback are as many addresses of this machine as there are kinds of them:
// 127.0.0.0/8 for IPv4, ::1 for IPv6. Names stay.
func onLoopback(kind string, addresses []string) (list []string) {
	for _, text := range addresses {
		ip, err := netip.ParseAddr(text)
		switch {
		case err != nil || kind == "FQDN":
		case ip.Is4():
			parts := ip.As4()
			parts[0] = 127
			text = netip.AddrFrom4(parts).String()
		default:
			text = netip.IPv6Loopback().String()
		}
		list = append(list, text)
	}
	return list
}
