//go:build real

package conformance

import (
	"context"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/test/kube"
)

// TestLoadBalancing: requests are spread over all pods of a Deployment, also when
// it has grown.
func TestLoadBalancing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*hang)
	defer cancel()
	namespace := k.Namespace(t)
	deployment, service := kube.Web(namespace, "web", 1, time.Second)
	apply(ctx, t, namespace, deployment, service, ingress("web", host("balance.test", prefix("/", "web"))))
	for _, pods := range []int32{1, 10} {
		deployment.Spec.Replicas = &pods
		apply(ctx, t, namespace, deployment)
		if err := k.AwaitServed(ctx, deployment); err != nil {
			t.Fatal(err)
		}
		published(ctx, t, namespace)
		if err := legation.Settle(ctx); err != nil { // more pods are no news to an Ingress
			t.Fatal(err)
		}
		spread(ctx, t, int(pods))
	}
}

// spread wants requests to reach so many pods, none of them more than three times
// its share: chance alone does not get there in the age of the universe.
func spread(ctx context.Context, t *testing.T, pods int) {
	t.Helper()
	const each = 40
	reached := map[string]int{}
	for range each * pods {
		answer, err := request{url: "http://balance.test/"}.send(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		reached[answer.Header.Get(echo.HeaderInstance)]++
	}
	if len(reached) != pods {
		t.Errorf("%d pods were reached, of %d: %v", len(reached), pods, reached)
	}
	for pod, n := range reached {
		if n > 3*each {
			t.Errorf("%s got %d of %d requests", pod, n, each*pods)
		}
	}
}
