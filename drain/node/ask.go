package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// credentials reads the token, and makes a client that trusts the CA, a new one if that
// was replaced.
func (f *follower) credentials() (token string, err error) {
	text, err := os.ReadFile(filepath.Join(f.Credentials, "token"))
	if err != nil {
		return "", err
	}
	roots, err := os.ReadFile(filepath.Join(f.Credentials, "ca.crt"))
	if err != nil {
		return "", err
	}
	if f.client == nil || string(roots) != f.roots {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(roots) {
			return "", errors.New("ca.crt has no certificate")
		}
		if f.client != nil {
			f.client.CloseIdleConnections()
		}
		f.client, f.roots = newClient(pool), string(roots)
	}
	return strings.TrimSpace(string(text)), nil
}

// newClient makes one that takes no proxy and follows no redirect: the token is for the API
// server alone.
func newClient(roots *x509.CertPool) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   askTime,
			ResponseHeaderTimeout: askTime,
			ForceAttemptHTTP2:     true,
			HTTP2:                 &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: pingTime},
		}}
}

// ask asks the API server. Who calls it closes the answer.
func (f *follower) ask(ctx context.Context, token, path string, query map[string]string) (io.ReadCloser, error) {
	values := url.Values{}
	for name, value := range query {
		values.Set(name, value)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(f.URL, "/")+path+"?"+values.Encode(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "shutdown-manager")
	answer, err := f.client.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 200))
		return nil, fmt.Errorf("the API server answers %s: %s", answer.Status, text)
	}
	return answer.Body, nil
}

// FromPod is where the API server is, as Kubernetes tells each pod.
func FromPod() (address string, ok bool) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return "https://" + host + ":" + port, host != "" && port != ""
}
