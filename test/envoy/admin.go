package envoy

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// pollEvery is the pause between two looks at a counter that is waited for.
const pollEvery = 20 * time.Millisecond

// ErrNoStat says that Envoy has no statistic of that name, which is not the
// same as one that is zero.
var ErrNoStat = errors.New("Envoy has no such statistic")

// errStopped is why waiting ends when Stop was called meanwhile.
var errStopped = errors.New("Envoy was stopped")

// Get asks the admin interface for path ("/clusters?format=json").
func (e *Envoy) Get(ctx context.Context, path string) ([]byte, error) {
	return e.ask(ctx, http.MethodGet, path)
}

// Post sends an order to the admin interface ("/logging?level=debug").
func (e *Envoy) Post(ctx context.Context, path string) ([]byte, error) {
	return e.ask(ctx, http.MethodPost, path)
}

// Ready reports whether /ready answers 200: the first configuration is loaded and
// Envoy is not draining.
func (e *Envoy) Ready(ctx context.Context) bool {
	_, err := e.Get(ctx, "/ready")
	return err == nil
}

// WaitReady waits until Ready. It fails when ctx or Envoy ends before.
func (e *Envoy) WaitReady(ctx context.Context) error {
	return e.wait(ctx, "Envoy to be ready", func() (bool, string, error) {
		_, err := e.Get(ctx, "/ready")
		return err == nil, fmt.Sprint(err), nil
	})
}

// Stats returns the counters and gauges whose names match the regular
// expression filter (empty: all).
func (e *Envoy) Stats(ctx context.Context, filter string) (map[string]uint64, error) {
	text, err := e.Get(ctx, "/stats?filter="+url.QueryEscape(filter))
	if err != nil {
		return nil, err
	}
	return parseStats(text), nil
}

// parseStats reads lines of "name: number" and leaves out the others, which
// are histograms and texts.
func parseStats(text []byte) map[string]uint64 {
	stats := make(map[string]uint64)
	for scan := bufio.NewScanner(bytes.NewReader(text)); scan.Scan(); {
		name, value, _ := strings.Cut(scan.Text(), ": ")
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			stats[name] = n
		}
	}
	return stats
}

// Stat returns one counter or gauge by its full name; ErrNoStat if there is
// none.
func (e *Envoy) Stat(ctx context.Context, name string) (uint64, error) {
	stats, err := e.Stats(ctx, "^"+regexp.QuoteMeta(name)+"$")
	if err != nil {
		return 0, err
	}
	n, ok := stats[name]
	if !ok {
		return 0, fmt.Errorf("%w: %s", ErrNoStat, name)
	}
	return n, nil
}

// WaitStat waits until the statistic is there and ok holds for it. It fails
// when ctx or Envoy ends before, with the last value seen.
func (e *Envoy) WaitStat(ctx context.Context, name string, ok func(uint64) bool) error {
	return e.wait(ctx, name, func() (bool, string, error) {
		n, err := e.Stat(ctx, name)
		if errors.Is(err, ErrNoStat) {
			return false, "not there", nil
		}
		return err == nil && ok(n), strconv.FormatUint(n, 10), err
	})
}

// AtLeast is a condition for WaitStat.
func AtLeast(least uint64) func(uint64) bool {
	return func(n uint64) bool { return n >= least }
}

// ConfigDump returns /config_dump with that query ("resource=dynamic_listeners",
// "include_eds"), as JSON.
func (e *Envoy) ConfigDump(ctx context.Context, query string) ([]byte, error) {
	return e.Get(ctx, "/config_dump?"+query)
}

// wait looks until done. state is what an error tells of the last look.
func (e *Envoy) wait(ctx context.Context, what string, look func() (done bool, state string, err error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	last := "never seen"
	for {
		done, state, err := look()
		if done {
			return nil
		}
		if err == nil {
			last = state
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s (last: %s): %w; Envoy's last lines:\n%s", what, last, ctx.Err(), e.log.last(lastLines))
		case <-e.done:
			return fmt.Errorf("waiting for %s: %w", what, cmp.Or(e.err, errStopped))
		}
	}
}

func (e *Envoy) ask(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://envoy"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking Envoy: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("asking Envoy for %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking Envoy for %s: %s: %.200s", path, resp.Status, body)
	}
	return body, nil
}

// Address is where a listener of that name listens, "127.0.0.1:10080"; its port
// may be 0 in the configuration.
func (e *Envoy) Address(ctx context.Context, listener string) (string, error) {
	text, err := e.Get(ctx, "/listeners")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, address, _ := strings.Cut(strings.TrimSpace(line), "::"); name == listener {
			return address, nil
		}
	}
	return "", fmt.Errorf("Envoy has no listener %q", listener)
}
