//go:build real

package deploy

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/kube"
)

// before is what there is of ingress-nginx: a release with the class, the settings and a
// Deployment, which has no image here.
const before = `apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ingress-nginx-controller, namespace: ingress-nginx}
data: {proxy-body-size: 8m}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ingress-nginx-controller, namespace: ingress-nginx}
spec:
  replicas: 0
  selector: {matchLabels: {app: old}}
  template:
    metadata: {labels: {app: old}}
    spec: {containers: [{name: controller, image: none}]}
`

// moved is an Ingress of it, and moved's log a request.
const (
	moved = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  namespace: default
  labels: {team: a}
  annotations: {nginx.ingress.kubernetes.io/proxy-body-size: 16m}
spec:
  ingressClassName: nginx
  rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
`
	movedClass = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: default}\nspec: {ports: [{port: 80}]}\n" +
		"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}\n" +
		"addressType: IPv4\nendpoints: [{addresses: [192.0.2.80]}]\nports: [{name: '', port: 8080, protocol: TCP}]\n---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx}\nspec: {controller: k8s.io/ingress-nginx}\n"
	movedLog = `192.0.2.7 - - [28/Nov/2026:10:00:00 +0000] "GET /cart HTTP/1.1" 200 512 "-" "curl/8" 91 0.003 [default-web-80] [] 10.1.0.9:8080 512 0.003 200 0123` + "\n"
)

// mover is somebody who follows docs/migrate.md.
type mover struct {
	*testing.T
	dir string
	env []string
}

// TestMigrate runs each command of docs/migrate.md, in its order.
func TestMigrate(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("there is no kubectl")
	}
	m := &mover{T: t, dir: t.TempDir()}
	m.prepare()
	page, err := os.ReadFile(path(t, "docs", "migrate.md"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, command := range commands(string(page)) {
		m.run(command)
		ran++
	}
	if ran < 20 {
		t.Errorf("%d commands", ran)
	}
	if out := m.shell("kubectl get ingressclass nginx -o jsonpath='{.spec.controller} {.spec.parameters.name}'"); out != "k8s.io/ingress-nginx nginx" {
		t.Errorf("after all of it the class is %q", out)
	}
	if out := m.shell("helm list --all-namespaces --short"); out != "" {
		t.Errorf("releases are left: %s", out)
	}
}

// commands are those of the blocks of a page, each on one line.
func commands(page string) (list []string) {
	for i, block := range strings.Split(page, "```\n") {
		if i%2 == 0 {
			continue
		}
		for line := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(block, "\\\n", " ")), "\n") {
			list = append(list, strings.Join(strings.Fields(line), " "))
		}
	}
	return list
}

// prepare makes what the reader of the page has.
func (m *mover) prepare() {
	m.Helper()
	chart := filepath.Join(m.dir, "old")
	files := map[string]string{"old/Chart.yaml": "apiVersion: v2\nname: old\nversion: 0.0.1\n", "old/templates/all.yaml": before,
		"manifests/shop.yaml": moved + movedClass}
	for name, text := range files {
		file := filepath.Join(m.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			m.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			m.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(m.dir, ".kube"), 0o755); err != nil {
		m.Fatal(err)
	}
	if err := kube.WriteKubeconfig(filepath.Join(m.dir, ".kube", "config"), k.REST()); err != nil {
		m.Fatal(err)
	}
	if err := os.Symlink(path(m.T, "deploy"), filepath.Join(m.dir, "deploy")); err != nil {
		m.Fatal(err)
	}
	m.env = append(os.Environ(), "HOME="+m.dir, "KUBECONFIG="+filepath.Join(m.dir, ".kube", "config"),
		"PATH="+path(m.T, "bin")+":"+path(m.T, ".tools", "bin")+":"+os.Getenv("PATH"))
	m.shell("helm install ingress-nginx " + chart + " --namespace ingress-nginx --create-namespace")
	m.shell("kubectl apply -f manifests/shop.yaml")
	m.Cleanup(m.clear)
}

// clear takes away what is left, also of a page that was not followed to its end.
func (m *mover) clear() {
	m.shell("helm uninstall legation --namespace legation --ignore-not-found --wait; helm uninstall ingress-nginx --namespace ingress-nginx --ignore-not-found;" +
		"kubectl delete ingress shop; kubectl delete service web; kubectl delete endpointslice web-1; kubectl delete ingressclass nginx --ignore-not-found; kubectl delete namespace ingress-nginx --wait=false;" +
		"kubectl -n legation delete configmap nginx --ignore-not-found; kubectl -n legation delete secret --all")
	err := kube.Await(context.Background(), k.Client().CoreV1().Pods(namespace), func(all []*corev1.Pod) error {
		if len(all) > 0 {
			return fmt.Errorf("%d pods are left", len(all))
		}
		return nil
	})
	if err != nil {
		m.Error(err)
	}
}

// run runs a command of the page. Pods have no logs here that could be read, and what
// runs in them is run by the test's own kubelet.
func (m *mover) run(command string) {
	m.Helper()
	in, inPod := strings.CutPrefix(command, "kubectl -n legation exec deployment/legation -- ")
	switch {
	case strings.HasPrefix(command, "kubectl -n ingress-nginx logs "):
		if err := os.WriteFile(filepath.Join(m.dir, "access.log"), []byte(movedLog), 0o600); err != nil {
			m.Fatal(err)
		}
	case inPod:
		m.inPod(strings.Fields(in)...)
	case command == "kubectl create namespace legation":
		m.shell(command + " || kubectl get namespace legation") // another test may have made it
	case strings.HasPrefix(command, "helm install legation "):
		m.shell(command + " --set envoy.terminationGracePeriodSeconds=30") // nobody is connected for whom the usual time would be needed
	default:
		m.shell(command)
	}
	if strings.HasPrefix(command, "helm install legation ") || strings.HasPrefix(command, "helm upgrade legation ") {
		m.shell("kubectl -n legation rollout status deployment/legation --timeout=5m")
	}
}

func (m *mover) shell(command string) string {
	m.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang) // it also cleans up
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", command)
	c.Dir, c.Env = m.dir, m.env
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		m.Fatalf("%s: %v\n%s%s", command, err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// inPod runs a command in a pod of the control plane.
func (m *mover) inPod(args ...string) {
	m.Helper()
	pod := m.shell("kubectl -n legation get pods -l app.kubernetes.io/component=control-plane -o jsonpath='{.items[0].metadata.name}'")
	if out, err := k.Exec(m.Context(), namespace, pod, "legation", args...); err != nil || out == "" {
		m.Fatalf("%q in %s: %v\n%s", args, pod, err, out)
	}
}
