package main

import (
	"context"
	"log/slog"
	"time"

	"legation.dev/drain/admin"
	"legation.dev/drain/limits"
)

// readyEvery is the pause between two looks whether Envoy has its configuration.
const readyEvery = time.Second

// checkAtStart warns of limits of the node that are too small for what Envoy is
// configured to take, once it has its configuration. It returns then, or when ctx
// ends. What cannot be read is a warning, too: nothing depends on it.
func checkAtStart(ctx context.Context, client *admin.Client, log *slog.Logger) {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		if ready, err := client.Ready(ctx); err == nil && ready {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	o := checkOptions{demand: limits.Demand{Backlog: defaultBacklog, Upstream: defaultUpstream, PerEndpoint: defaultUpstream / 2}}
	findings, err := o.findings(ctx, client)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.Warn("the limits of the node cannot be compared with what Envoy may take", "error", err)
	case o.demand.Downstream == 0:
		log.Warn("Envoy has no limit of connections, so that its file descriptors are the only one")
	}
	for _, f := range findings {
		if !f.OK {
			log.Warn("a limit of the node is too small", "limit", f.Limit, "value", f.Value, "needed", f.Needed, "why", f.Why)
		}
	}
}
