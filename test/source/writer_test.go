//go:build real

package source

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/worlds"
	watcher "legation.dev/watcher/kube"
)

// TestWriters: each change of endpoints is told with who wrote it, by what the API server says;
// what changes no endpoint is not, nor is what was there when the source began.
func TestWriters(t *testing.T) {
	world(t)
	ctx := limited(t)
	client, err := kubernetes.NewForConfig(cluster.REST())
	if err != nil {
		t.Fatal(err)
	}
	endpoints := client.DiscoveryV1().EndpointSlices(worlds.Namespace)
	port, name, ready := int32(8080), "http", true
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: "restless-1", Labels: map[string]string{discoveryv1.LabelServiceName: "restless"}}, AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}}, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.1"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}}}
	if _, err := endpoints.Create(ctx, slice, metav1.CreateOptions{FieldManager: "first"}); err != nil {
		t.Fatal(err)
	}
	var (
		mu   sync.Mutex
		told []string // guarded by mu
	)
	r := start(t, watcher.Config{Namespaces: []string{worlds.Namespace}, Endpoints: func(service object.Ref, by string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, service.String()+" by "+by)
	}}, nil)
	has := func(address string) func(translator.Result) error {
		return func(result translator.Result) error {
			for s := range result.View().SlicesOf(worlds.Namespace + "/restless") {
				if s.Endpoints[0].Addresses[0] == address {
					return nil
				}
			}
			return fmt.Errorf("no endpoint %s", address)
		}
	}
	r.await(ctx, t, has("192.0.2.1"))
	update := func(by string, change func(*discoveryv1.EndpointSlice)) {
		t.Helper()
		now, err := endpoints.Get(ctx, slice.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		change(now)
		if _, err := endpoints.Update(ctx, now, metav1.UpdateOptions{FieldManager: by}); err != nil {
			t.Fatal(err)
		}
	}
	for i, by := range []string{"one", "other", "one"} {
		address := fmt.Sprint("192.0.2.", i+2)
		update(by, func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses[0] = address })
		update("bystander", func(s *discoveryv1.EndpointSlice) { s.Annotations = map[string]string{"at": address} })
		r.await(ctx, t, has(address))
	}
	mu.Lock()
	defer mu.Unlock()
	service := "Service " + worlds.Namespace + "/restless by "
	if want := []string{service + "one", service + "other", service + "one"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
