package real

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"legation.dev/test/bench/world"
)

// HostLength is how many letters the names of hosts have.
const HostLength = 30

// Host is the name of the i-th TLS host.
func Host(i int) string {
	name := fmt.Sprintf("host-%05d.", i)
	const domain = ".example.com"
	return name + strings.Repeat("x", HostLength-len(name)-len(domain)) + domain
}

// classManifest: requests of all builds are tried again for the same reasons. By default,
// idempotent ones are tried again when their connection ends since 0.2, which has a price of its
// own (Features).
const classManifest = `apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: legation}
spec:
  controller: legation.dev/ingress-controller
  parameters: {kind: ConfigMap, name: legation, namespace: bench, scope: Namespace}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: legation, namespace: bench}
data: {deletion-window: "off", bind-addresses: 127.0.0.1, http-port: "%d", https-port: "%d", access-log: /dev/null, namespace-hosts: "0", namespace-routes: "0", namespace-tls-hosts: "0", namespace-bytes: "0", namespace-changes: "0", namespace-connections: "0", loopback-external-names: "true", retry-idempotent: "false"%[5]s}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: bench}
spec:
  ports: [{name: http, port: 80, targetPort: %[3]d}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web, namespace: bench, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: %[3]d}]
endpoints: [{addresses: ["%[4]s"], conditions: {ready: true}}]
`

const hostManifest = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: host-%[1]d, namespace: bench, annotations: {legation.dev/ssl-redirect: "false"}}
spec:
  ingressClassName: legation
  tls: [{hosts: [%[2]s], secretName: host-%[1]d}]
  rules:
  - host: %[2]s
    http:
      paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]
---
apiVersion: v1
kind: Secret
metadata: {name: host-%[1]d, namespace: bench}
type: kubernetes.io/tls
data: {tls.crt: %[3]s, tls.key: %[4]s}
`

// Compatible are the settings of a class that takes the place of ingress-nginx's.
const Compatible = ", compatibility: ingress-nginx"

// writeClass writes the class, with more settings, and the Service that all hosts lead to.
func writeClass(folder string, http, https int, backend *net.TCPAddr, more string) error {
	text := fmt.Sprintf(classManifest, http, https, backend.Port, backend.IP, more)
	return os.WriteFile(filepath.Join(folder, "class.yaml"), []byte(text), 0o600)
}

func hostFile(folder string, i int) string {
	return filepath.Join(folder, fmt.Sprintf("host-%05d.yaml", i))
}

// writeHost writes the i-th host with its certificate, in one step.
func writeHost(folder string, i int, p world.Pair) error {
	encode := base64.StdEncoding.EncodeToString
	text := fmt.Sprintf(hostManifest, i, Host(i), encode(p.Certificate), encode(p.Key))
	next := hostFile(folder, i) + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(next, hostFile(folder, i))
}
