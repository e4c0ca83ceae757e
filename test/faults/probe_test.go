//go:build real

package faults

import (
	"crypto/tls"
	"fmt"
	"net/http"

	"legation.dev/test/echo"
	"legation.dev/test/incluster"
	"legation.dev/test/load"
)

// answers reports whether an Envoy answers all paths of a host as it should, asked
// on a new connection.
func (w *suite) answers(e *incluster.Envoy, h *host) error {
	for path, service := range map[string]string{pathSteady: steady, pathRolled: rolled, pathMoved: h.moved} {
		got, err := w.ask(e, h, path)
		if err != nil {
			return err
		}
		if want := answerOf(service); got != want {
			return fmt.Errorf("%s: %s%s is answered %s, not %s", e.ID, h.name, path, got, want)
		}
	}
	return nil
}

// ask asks an Envoy on a new connection.
func (w *suite) ask(e *incluster.Envoy, h *host, path string) (load.Answer, error) {
	scheme, address := "http", e.HTTP
	if h.secret != "" {
		scheme, address = "https", e.HTTPS
	}
	r, err := http.NewRequestWithContext(w.ctx, http.MethodGet, scheme+"://"+address+path, nil)
	if err != nil {
		return load.Answer{}, err
	}
	r.Host = h.name
	answer, err := (&http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: w.authority.Roots(), ServerName: h.name}}).RoundTrip(r)
	if err != nil {
		return load.Answer{}, err
	}
	return load.Answer{Status: answer.StatusCode, Service: answer.Header.Get(echo.HeaderService)}, answer.Body.Close()
}
