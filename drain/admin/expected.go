package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// keeper is the name of a listener that no client reaches. The control plane gives it one
// filter chain for each HTTP configuration there is to be, by the name of the listener
// that uses it; what is behind a slash says which of several of that listener it is.
const keeper = "routes"

// keeperDefault is the one chain of keeper that stands for nothing.
const keeperDefault = "default"

// Missing are the data listeners and HTTP configurations that Envoy is to have and does
// not have: not yet, or because it rejected them. It knows from what Envoy runs which there
// are to be, so it is right while there is no control plane. An Envoy that was never told
// of any lacks nothing.
func (c *Client) Missing(ctx context.Context) (missing []string, err error) {
	expected, err := c.expected(ctx)
	if len(expected) == 0 || err != nil {
		return nil, err
	}
	listeners, err := c.Listeners(ctx)
	if err != nil {
		return nil, err
	}
	configs, err := c.dumped(ctx, "/config_dump?resource=ecds_filters")
	if err != nil {
		return nil, err
	}
	for _, name := range expected {
		listener, _, _ := strings.Cut(name, "/")
		if !slices.ContainsFunc(listeners, func(l Listener) bool { return l.Name == listener }) && !slices.Contains(missing, "listener "+listener) {
			missing = append(missing, "listener "+listener)
		}
		if !slices.ContainsFunc(configs, func(d dumped) bool { return d.ECDS.Name == name }) {
			missing = append(missing, "HTTP configuration "+name)
		}
	}
	return missing, nil
}

// expected are the names of the HTTP configurations that there are to be.
func (c *Client) expected(ctx context.Context) (names []string, err error) {
	list, err := c.dumped(ctx, "/config_dump?resource=dynamic_listeners&name_regex=%5E"+keeper+"%24")
	for _, d := range list {
		for _, chain := range d.Active.Listener.Chains {
			if chain.Name != keeperDefault {
				names = append(names, chain.Name)
			}
		}
	}
	return names, err
}

// dumped is a part of an entry of /config_dump, of a listener or an HTTP configuration.
type dumped struct {
	Active struct {
		Listener struct {
			Chains []struct {
				Name string `json:"name"`
			} `json:"filter_chains"`
		} `json:"listener"`
	} `json:"active_state"`
	ECDS struct {
		Name string `json:"name"`
	} `json:"ecds_filter"`
}

// dumped asks for entries of one kind. That Envoy has none of the kind is no error.
func (c *Client) dumped(ctx context.Context, path string) ([]dumped, error) {
	body, err := c.ask(ctx, http.MethodGet, path)
	var status *StatusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var answer struct {
		Configs []dumped `json:"configs"`
	}
	return answer.Configs, json.Unmarshal(body, &answer)
}
