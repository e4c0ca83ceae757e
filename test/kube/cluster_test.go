//go:build real

package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"legation.dev/test/echo"
)

// hang bounds what never comes; a test that passes never gets near it.
const hang = time.Minute

// cluster is that of all tests of this package.
var cluster *Cluster

func TestMain(m *testing.M) {
	asAgent()
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	MainWithCluster(m, &cluster, Options{Images: map[string]Image{agentImage: {Programs: map[string]string{agentName: program}}}})
}

// limited is the test's context, bounded.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	t.Cleanup(cancel)
	return ctx
}

// awaitEndpoints waits until a Service has so many endpoints of each sort.
func awaitEndpoints(ctx context.Context, t *testing.T, namespace, service string, ready, terminating int) Endpoints {
	t.Helper()
	now, err := cluster.AwaitEndpoints(ctx, namespace, service, ready, terminating)
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// ask asks a pod and returns what it says.
func ask(ctx context.Context, address string) (a echo.Answer, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d/", address, Port), nil)
	if err != nil {
		return a, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return a, err
	}
	defer answer.Body.Close()
	return a, json.NewDecoder(answer.Body).Decode(&a)
}

// TestDeployment: a Deployment's pods become ready, are in the slice of their
// Service and answer; deleted ones are called terminating, answer on, and go.
func TestDeployment(t *testing.T) {
	ctx, namespace := limited(t), cluster.Namespace(t)
	deployment, service := Web(namespace, "web", 3, time.Second)
	if err := cluster.Apply(ctx, deployment, service); err != nil {
		t.Fatal(err)
	}
	if err := cluster.AwaitReady(ctx, deployment); err != nil {
		t.Fatal(err)
	}
	pods := map[string]bool{}
	for _, address := range awaitEndpoints(ctx, t, namespace, "web", 3, 0).Ready {
		a, err := ask(ctx, address)
		if err != nil || a.Service != "web" {
			t.Errorf("%s answers %+v, %v", address, a, err)
		}
		pods[a.Instance] = true
	}
	if len(pods) != 3 {
		t.Errorf("who answers: %v", pods)
	}
	*deployment.Spec.Replicas = 0
	if err := cluster.Apply(ctx, deployment); err != nil {
		t.Fatal(err)
	}
	for _, address := range awaitEndpoints(ctx, t, namespace, "web", 0, 3).Terminating {
		if _, err := ask(ctx, address); err != nil {
			t.Errorf("a terminating pod: %v", err)
		}
	}
	awaitEndpoints(ctx, t, namespace, "web", 0, 0)
}

// TestReadyAfter: a pod that takes its time is not ready before.
func TestReadyAfter(t *testing.T) {
	ctx, namespace := limited(t), cluster.Namespace(t)
	const delay = 300 * time.Millisecond
	deployment, service := Web(namespace, "slow", 1, time.Second)
	deployment.Spec.Template.Annotations = map[string]string{ReadyAfter: delay.String()}
	begin := time.Now()
	if err := cluster.Apply(ctx, deployment, service); err != nil {
		t.Fatal(err)
	}
	awaitEndpoints(ctx, t, namespace, "slow", 1, 0)
	if took := time.Since(begin); took < delay {
		t.Errorf("ready after %s", took)
	}
}

// TestDaemonSet: every node gets a pod, which takes a node without taint, and a
// pod on the node that it demands.
func TestDaemonSet(t *testing.T) {
	ctx, namespace := limited(t), cluster.Namespace(t)
	deployment, _ := Web(namespace, "agent", 1, time.Second)
	daemons := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "agent"},
		Spec: appsv1.DaemonSetSpec{Selector: deployment.Spec.Selector, Template: deployment.Spec.Template}}
	if err := cluster.Apply(ctx, daemons); err != nil {
		t.Fatal(err)
	}
	want := []string{NodeName(0), NodeName(1)}
	err := Await(ctx, cluster.Client().CoreV1().Pods(namespace), func(all []*corev1.Pod) error {
		var nodes []string
		for _, p := range all {
			if p.Status.PodIP != "" {
				nodes = append(nodes, p.Spec.NodeName)
			}
		}
		if slices.Sort(nodes); !slices.Equal(nodes, want) {
			return fmt.Errorf("pods run on %v, want %v", nodes, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestKill: each program is killed and comes back on its data; a watch that stood
// before goes on.
func TestKill(t *testing.T) {
	for _, p := range []*Process{cluster.APIServer, cluster.Etcd, cluster.ControllerManager} {
		t.Run(p.Name(), func(t *testing.T) {
			ctx, namespace := limited(t), cluster.Namespace(t)
			deployment, service := Web(namespace, "web", 1, time.Second)
			if err := cluster.Apply(ctx, deployment, service); err != nil {
				t.Fatal(err)
			}
			awaitEndpoints(ctx, t, namespace, "web", 1, 0)
			watched := make(chan error, 1)
			listed := make(chan struct{}, 1)
			go func() { watched <- watchUntil(ctx, namespace, 3, listed) }()
			<-listed
			killAndStart(ctx, t, p)
			*deployment.Spec.Replicas = 3
			if err := cluster.Apply(ctx, deployment); err != nil {
				t.Fatal(err)
			}
			if err := <-watched; err != nil {
				t.Error(err)
			}
		})
	}
}

// watchUntil waits until Service web has so many endpoints, and says when it has
// seen any state.
func watchUntil(ctx context.Context, namespace string, ready int, listed chan<- struct{}) error {
	return Await(ctx, cluster.Client().DiscoveryV1().EndpointSlices(namespace), func(all []*discoveryv1.EndpointSlice) error {
		select {
		case listed <- struct{}{}:
		default:
		}
		if n := len(EndpointsOf(all, "web").Ready); n != ready {
			return fmt.Errorf("%d ready", n)
		}
		return nil
	})
}

func killAndStart(ctx context.Context, t *testing.T, p *Process) {
	t.Helper()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if p.Running() {
		t.Fatal("it runs after Kill")
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestUsers: the API server knows who is who, and gives nobody more than their
// roles.
func TestUsers(t *testing.T) {
	ctx, namespace := limited(t), cluster.Namespace(t)
	user, err := cluster.User("someone", "some-group")
	if err != nil {
		t.Fatal(err)
	}
	account, err := cluster.ServiceAccount(ctx, namespace, "default")
	if err != nil {
		t.Fatal(err)
	}
	for want, config := range map[string]*rest.Config{"someone": user, "system:serviceaccount:" + namespace + ":default": account} {
		client, err := kubernetes.NewForConfig(throughFile(t, config))
		if err != nil {
			t.Fatal(err)
		}
		who, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := who.Status.UserInfo.Username; got != want {
			t.Errorf("%s is taken for %s", want, got)
		}
		if _, err := client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("%s lists Secrets: %v", want, err)
		}
	}
}

// throughFile is the configuration that a process reads from a kubeconfig.
func throughFile(t *testing.T, c *rest.Config) *rest.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := WriteKubeconfig(path, c); err != nil {
		t.Fatal(err)
	}
	read, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	return read
}
