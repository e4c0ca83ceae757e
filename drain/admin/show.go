package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// shown are the paths that people may look at. Envoy has others that change something, and
// those that it answers with private keys are none of them.
var shown = map[string]string{
	"stats":    "/stats?usedonly",
	"clusters": "/clusters?format=json",
	"certs":    "/certs",
	"config":   "/config_dump",
}

// Shown are the names of what Show answers.
func Shown() []string { return []string{"stats", "clusters", "certs", "config"} }

// Show is what Envoy says of itself, by one of the names of Shown.
func (c *Client) Show(ctx context.Context, what string) ([]byte, error) {
	path, ok := shown[what]
	if !ok {
		return nil, fmt.Errorf("%q: want one of %s", what, strings.Join(Shown(), ", "))
	}
	return c.ask(ctx, http.MethodGet, path)
}

// levels are those of Envoy's log.
var levels = []string{"trace", "debug", "info", "warning", "error", "critical", "off"}

// SetLevel sets the level of all of Envoy's loggers, and answers with all that there are.
func (c *Client) SetLevel(ctx context.Context, level string) ([]byte, error) {
	if !slices.Contains(levels, level) {
		return nil, fmt.Errorf("level %q: want one of %s", level, strings.Join(levels, ", "))
	}
	return c.ask(ctx, http.MethodPost, "/logging?level="+level)
}
