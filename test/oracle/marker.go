//go:build real

package oracle

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/fixture"
	"legation.dev/test/nginx"
)

// marker is the last of what is set together: an Ingress with a Service and a certificate,
// none of which was there before, and a header of the ConfigMap. Who serves all of it has
// read each kind of object to its end, and has told nginx's Lua of endpoints and certificates,
// which comes after the configuration.
//
// There are two in a round: with the objects that Ingresses name, and then with these. An
// Ingress that is read before its Secret is closed until ingress-nginx looks at it again.
type marker struct {
	round int
	part  string
}

const markerHeader = "X-Oracle-Round"

func (m marker) name() string { return fmt.Sprint("marker-", m.round, "-", m.part) }
func (m marker) host() string { return m.name() + ".oracle.test" }

// header is what the ConfigMap adds to all answers.
func (m marker) header() string { return fmt.Sprint(markerHeader, ": ", m.round) }

// objects are those of the marker. Nothing that the ConfigMap says keeps clients out of it.
func (m marker) objects(class string) ([]nginx.Manifest, error) {
	authority, err := fixture.NewAuthority()
	if err != nil {
		return nil, err
	}
	secret, err := fixture.New("", 0).Secret(authority, "", m.host())
	if err != nil {
		return nil, err
	}
	path := map[string]any{"path": "/", "pathType": "Prefix", "backend": map[string]any{"service": map[string]any{"name": m.name(), "port": map[string]any{"number": 80}}}}
	open := map[string]any{prefix + "enable-global-auth": "false", prefix + "whitelist-source-range": "127.0.0.0/8", prefix + "denylist-source-range": "192.0.2.1"}
	return []nginx.Manifest{
		{"kind": "Secret", "apiVersion": "v1", "metadata": m.meta(nil), "type": "kubernetes.io/tls",
			"data": map[string]any{corev1.TLSCertKey: secret.Data[corev1.TLSCertKey], corev1.TLSPrivateKeyKey: secret.Data[corev1.TLSPrivateKeyKey]}},
		{"kind": "Service", "apiVersion": "v1", "metadata": m.meta(nil), "spec": map[string]any{"ports": []any{map[string]any{"port": 80, "targetPort": 80}}}},
		m.endpoints(0),
		{"kind": "Ingress", "apiVersion": "networking.k8s.io/v1", "metadata": m.meta(map[string]any{"annotations": open}), "spec": map[string]any{
			"ingressClassName": class, "tls": []any{map[string]any{"hosts": []any{m.host()}, "secretName": m.name()}},
			"rules": []any{map[string]any{"host": m.host(), "http": map[string]any{"paths": []any{path}}}}}}}, nil
}

func (m marker) meta(more map[string]any) map[string]any {
	all := map[string]any{"namespace": "oracle", "name": m.name(), "creationTimestamp": "2020-01-01T00:00:00Z"}
	maps.Copy(all, more)
	return all
}

// endpoints are those of the marker, other ones each time that nginx is told of them, in what
// ingress-nginx looks at, which are not ports.
func (m marker) endpoints(time int) nginx.Manifest {
	return nginx.Manifest{"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "metadata": m.meta(map[string]any{"labels": map[string]any{"kubernetes.io/service-name": m.name()}}),
		"addressType": "IPv4", "ports": []any{map[string]any{"name": "", "port": 18001 + time%2}},
		"endpoints": []any{map[string]any{"addresses": []any{nginx.BackendOf(1)}, "hostname": fmt.Sprint("time-", time), "conditions": map[string]any{"ready": true}}}}
}

// serving reports whether the newest nginx serves the marker, and no older one takes
// connections any more.
func (o *oracle) serving(m marker) error {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{ServerName: m.host(), InsecureSkipVerify: true}}} // whose it is counts, not who issued it
	r, err := http.NewRequest(http.MethodGet, "https://"+listening+"/", nil)
	if err != nil {
		return err
	}
	r.Host = m.host()
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	answer.Body.Close()
	switch {
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", answer.StatusCode)
	case answer.TLS.PeerCertificates[0].VerifyHostname(m.host()) != nil:
		return errors.New("the certificate is another one")
	case answer.Header.Get(markerHeader) != fmt.Sprint(m.round):
		return errors.New("the ConfigMap is an older one")
	}
	workers, err := o.workers()
	if err == nil && workers != 1 {
		err = fmt.Errorf("%d workers", workers)
	}
	return err
}

// workers counts those of the controller that take connections: who shuts down says so in
// its title.
func (o *oracle) workers() (n int, err error) {
	at := func(process string) string { name, _ := os.Readlink(process + "/ns/mnt"); return name } // it may have ended
	own := at(fmt.Sprint("/proc/", o.cmd.Process.Pid))
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		text, _ := os.ReadFile(f)
		if strings.TrimRight(string(text), "\x00 ") == "nginx: worker process" && at(filepath.Dir(f)) == own {
			n++
		}
	}
	return n, err
}

// client asks nginx what a case asks.
func (o *oracle) client(c *nginx.Case) *nginx.Client {
	return &nginx.Client{HTTP: net.JoinHostPort(listening, httpPort), HTTPS: net.JoinHostPort(listening, httpsPort), Of: c}
}
