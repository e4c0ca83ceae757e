// Package api asks the API server of Kubernetes, by plain HTTP and the token of the pod, for
// the few things that shutdown-manager asks it: client-go is larger than all else of that
// program together.
//
// It reads the token anew for each question, follows no redirect and uses no proxy: the token
// goes to the API server alone. It knows nothing of what is asked, and never asks by itself.
//
// Start reading at Client.
package api

import (
	"bytes"
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
	"time"
)

const (
	// AskTime bounds how long the head of an answer may take to come.
	AskTime = 5 * time.Second
	// silence is after how long without a byte the API server is asked whether it is there,
	// and pingTime how long it has to answer.
	silence, pingTime = 10 * time.Second, 5 * time.Second
	// maxReason is how much of a refusal is told, in bytes.
	maxReason = 200
)

// Client asks one API server. URL and Credentials are required. One goroutine owns it.
type Client struct {
	URL string // https://10.0.0.1:443
	// Credentials is a folder with token and ca.crt, as Kubernetes mounts them. They are read
	// again for each question, since both are replaced.
	Credentials string

	roots string // ca.crt that client trusts
	http  *http.Client
}

// Refused is an answer that is none of success.
type Refused struct {
	Status int    // of HTTP
	Reason string // the status in words, and the beginning of what was said
}

func (r *Refused) Error() string { return "the API server answers " + r.Reason }

// Get asks for what is at a path. Who calls it closes the answer. An answer that is not 200 is
// a *Refused.
func (c *Client) Get(ctx context.Context, path string, query map[string]string) (io.ReadCloser, error) {
	values := url.Values{}
	for name, value := range query {
		values.Set(name, value)
	}
	return c.ask(ctx, http.MethodGet, path+"?"+values.Encode(), nil, http.StatusOK)
}

// Create makes an object, which is JSON, in the collection at a path. An answer that is not
// 201 is a *Refused.
func (c *Client) Create(ctx context.Context, path string, object []byte) error {
	answer, err := c.ask(ctx, http.MethodPost, path, object, http.StatusCreated)
	if err != nil {
		return err
	}
	return answer.Close()
}

func (c *Client) ask(ctx context.Context, method, path string, body []byte, want int) (io.ReadCloser, error) {
	token, err := c.credentials()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "shutdown-manager")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != want {
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, maxReason))
		return nil, &Refused{Status: answer.StatusCode, Reason: fmt.Sprintf("%s: %s", answer.Status, text)}
	}
	return answer.Body, nil
}

// credentials reads the token, and makes a client that trusts the CA, a new one if that
// was replaced.
func (c *Client) credentials() (token string, err error) {
	text, err := os.ReadFile(filepath.Join(c.Credentials, "token"))
	if err != nil {
		return "", err
	}
	roots, err := os.ReadFile(filepath.Join(c.Credentials, "ca.crt"))
	if err != nil {
		return "", err
	}
	if c.http == nil || string(roots) != c.roots {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(roots) {
			return "", errors.New("ca.crt has no certificate")
		}
		c.Close()
		c.http, c.roots = newClient(pool), string(roots)
	}
	return strings.TrimSpace(string(text)), nil
}

// Close closes the connections on which nothing is asked.
func (c *Client) Close() {
	if c.http != nil {
		c.http.CloseIdleConnections()
	}
}

// newClient makes one that takes no proxy and follows no redirect.
func newClient(roots *x509.CertPool) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   AskTime,
			ResponseHeaderTimeout: AskTime,
			ForceAttemptHTTP2:     true,
			HTTP2:                 &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: pingTime},
		}}
}

// FromPod is where the API server is, as Kubernetes tells each pod.
func FromPod() (address string, ok bool) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return "https://" + host + ":" + port, host != "" && port != ""
}

// Wait waits so long between two questions; false if ctx has ended before.
func Wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
