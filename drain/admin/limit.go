package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// ErrNoLimit says that Envoy takes connections without a limit.
var ErrNoLimit = errors.New("Envoy has no global limit of connections")

// limitMonitor is the name of the monitor of Envoy's overload manager that holds
// the limit.
const limitMonitor = "envoy.resource_monitors.global_downstream_max_connections"

// ConnectionLimit is how many connections Envoy accepts at most on all listeners
// that do not ignore the limit; ErrNoLimit if it has none.
func (c *Client) ConnectionLimit(ctx context.Context) (int, error) {
	var answer struct {
		Configs []struct {
			Bootstrap struct {
				Overload struct {
					Monitors []struct {
						Name   string `json:"name"`
						Config struct {
							Max string `json:"max_active_downstream_connections"` // an int64 is a string in JSON
						} `json:"typed_config"`
					} `json:"resource_monitors"`
				} `json:"overload_manager"`
			} `json:"bootstrap"`
		} `json:"configs"`
	}
	// The expression matches no name, so that nothing but the bootstrap is told.
	if err := c.read(ctx, "/config_dump?mask=bootstrap.overload_manager&name_regex=%5E%24", &answer); err != nil {
		return 0, err
	}
	for _, config := range answer.Configs {
		for _, m := range config.Bootstrap.Overload.Monitors {
			if m.Name != limitMonitor {
				continue
			}
			n, err := strconv.Atoi(m.Config.Max)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", limitMonitor, err)
			}
			return n, nil
		}
	}
	return 0, ErrNoLimit
}
