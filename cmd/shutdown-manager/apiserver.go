package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/pflag"

	"legation.dev/drain/api"
)

// apiFlags say where the API server is, and with what it is asked.
type apiFlags struct{ url, credentials string }

func (a *apiFlags) addAPI(f *pflag.FlagSet) {
	f.StringVar(&a.url, "api-server", "", "`URL` of the API server; empty: as Kubernetes tells each pod")
	f.StringVar(&a.credentials, "api-credentials", "/var/run/secrets/kubernetes.io/serviceaccount", "`folder` with token and ca.crt that the API server is asked with")
}

// apiClient is a new one, for the flag that wants it.
func (a *apiFlags) apiClient(flag string) (*api.Client, error) {
	address := a.url
	if address == "" {
		var ok bool
		if address, ok = api.FromPod(); !ok {
			return nil, fmt.Errorf("--%s: this is no pod, so --api-server has to say where the API server is", flag)
		}
	}
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("--api-server %q: want https://HOST:PORT", address)
	}
	return &api.Client{URL: address, Credentials: a.credentials}, nil
}
