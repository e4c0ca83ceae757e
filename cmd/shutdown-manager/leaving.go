package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"legation.dev/cmd/cli"
	"legation.dev/drain"
	"legation.dev/drain/admin"
	"legation.dev/drain/node"
)

// nodeFlags say whether, and how, the node of Envoy is followed.
type nodeFlags struct {
	name     string
	taints   []string
	onCordon bool
}

func (n *nodeFlags) addNode(f *pflag.FlagSet) {
	f.StringVar(&n.name, "node", "", "`name` of the node: Envoy leaves its clients as soon as the node is about to go, which the\nAPI server is asked for (it wants the rights to get and to watch nodes); empty: nobody is asked")
	f.StringSliceVar(&n.taints, "leaving-taints", node.DefaultTaints, "`keys` of the taints by which a node is about to go")
	f.BoolVar(&n.onCordon, "drain-on-cordon", false, "whether a node that is cordoned is about to go, too")
}

// config is nil if no node is followed.
func (n *nodeFlags) config(c *cobra.Command, of *apiFlags, log *slog.Logger) (*node.Config, error) {
	if n.name == "" {
		for _, name := range []string{"leaving-taints", "drain-on-cordon"} {
			if c.Flags().Changed(name) {
				return nil, cli.Usage(c, fmt.Errorf("--%s needs --node", name))
			}
		}
		return nil, nil
	}
	client, err := of.apiClient("node")
	if err != nil {
		return nil, cli.Usage(c, err)
	}
	return &node.Config{Name: n.name, API: client, Taints: n.taints, OnCordon: n.onCordon, Log: log}, nil
}

// leaveEvery is the pause between two looks at what is due, while a node leaves.
const leaveEvery = 100 * time.Millisecond

// leaving makes Envoy's clients leave while its node is about to go, and takes that back as
// long as it can be.
type leaving struct {
	envoy *admin.Client
	log   *slog.Logger
	renew func() // ends Envoy, after a drain

	cancel context.CancelFunc
	done   sync.WaitGroup
	told   chan string // the newest reason that was not looked at
	state  drain.Leaver
	failed string // the last error that was logged
}

// follow begins. Who calls it calls end.
func (l *leaving) follow(ctx context.Context, c node.Config) {
	ctx, l.cancel = context.WithCancel(ctx)
	l.told = make(chan string, 1)
	c.Tell = func(why string) {
		select {
		case <-l.told: // it is out of date
		default:
		}
		l.told <- why
	}
	l.done.Go(func() { node.Follow(ctx, c) })
	l.done.Go(func() { l.run(ctx) })
}

// end stops it, and says since when the health checks fail; zero if they do not. An order that
// is under way is carried out first.
func (l *leaving) end() time.Time {
	if l == nil {
		return time.Time{}
	}
	l.cancel()
	l.done.Wait()
	return l.state.Failing()
}

func (l *leaving) run(ctx context.Context) {
	tick := time.NewTicker(leaveEvery)
	defer tick.Stop()
	why := ""
	for {
		select {
		case <-ctx.Done():
			return
		case why = <-l.told:
			if why != "" {
				l.log.Info("the node is about to go: clients are told to leave", "because", why)
			} else {
				l.log.Info("the node stays")
			}
		case <-tick.C:
		}
		if order := l.state.Next(time.Now(), why != ""); order == drain.Quit {
			l.log.Info("Envoy drains already, so it is ended, for a new one to take its place")
			l.renew()
			return
		} else if order != drain.Wait {
			l.obey(context.WithoutCancel(ctx), order)
		}
	}
}

// obey carries an order out. One that fails is given again: Envoy may not have begun yet.
func (l *leaving) obey(ctx context.Context, order drain.Order) {
	do := l.envoy.FailHealth
	switch order {
	case drain.PassHealth:
		do = l.envoy.PassHealth
	case drain.DrainListeners:
		do = l.envoy.DrainListeners
	}
	if err := do(ctx); err != nil {
		if text := order.String() + err.Error(); text != l.failed {
			l.failed = text
			l.log.Warn("order failed, will be repeated", "order", order.String(), "error", err)
		}
		return
	}
	l.state.Did(order, time.Now())
	l.log.Info(order.String(), "because", "the node")
}
