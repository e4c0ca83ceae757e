package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/cmd/cli"
	"legation.dev/inspect"
	"legation.dev/xds/admin/adminv1"
)

func holdsCommand() *cobra.Command {
	f := &inspectFlags{}
	c := &cobra.Command{
		Use:   "holds",
		Short: "List what is served although the objects say otherwise, and until when",
		Long: `Lists what all replicas hold: certificates whose Secrets are missing, endpoints of
Services that are missing or late, paths that move to a Service without endpoints,
classes that are gone or paused, settings that would close connections or are wrong,
hosts that stay with a namespace for a minute, and hosts that were removed. UNTIL is when
it ends by itself; without a time it waits for what is missing, or for an order. Of settings
that wait for an approval it says how many connections of clients they would close, as
Envoys have reported last (every 30 s).`,
		Example: `  legation holds
  legation holds --fleet public -o json`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return f.ask(c, inspectTime, func(ctx context.Context, admin adminv1.AdminClient) error {
				answer, err := admin.Holds(ctx, &adminv1.HoldsRequest{Fleet: f.fleet})
				if err != nil {
					return err
				}
				names := namesOf(answer.GetHolds(), func(h *adminv1.Hold) string { return argumentOf(h.GetObject()) })
				err = f.print(c.OutOrStdout(), answer, names, func() error { return f.writeHolds(c.OutOrStdout(), answer) })
				return errors.Join(err, complain(c.ErrOrStderr(), answer.GetReplicas()))
			})
		},
	}
	f.register(c)
	f.registerFleet(c)
	c.Flags().Lookup("fleet").Usage = "only of this fleet, which is the name of an IngressClass (default: of all)"
	return c
}

// hostsShown are how many hosts of a deletion are named before the others are counted.
const hostsShown = 20

func (f *outputFlags) writeHolds(w io.Writer, answer *adminv1.HoldsResponse) error {
	if len(answer.GetHolds()) == 0 {
		_, err := fmt.Fprintln(w, "nothing is held")
		return err
	}
	table := f.newTable(w, 1)
	row(table, "KIND", "FLEET", "OBJECT", "SINCE", "UNTIL", "REPLICAS", "DIGEST", "REASON", "INSTANCES")
	for _, h := range answer.GetHolds() {
		row(table, h.GetKind(), h.GetFleet(), h.GetObject(), moment(h.GetSince()), moment(h.GetUntil()),
			fmt.Sprintf("%d/%d", len(h.GetInstances()), len(answer.GetReplicas())), shortDigest(h.GetDigest()), h.GetReason(), strings.Join(h.GetInstances(), " "))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, h := range answer.GetHolds() {
		writeHosts(w, h)
		if closes := inspect.Closes(h.GetCloses(), time.Now()); closes != "" {
			fmt.Fprintf(w, "\n%s, if it is approved: %s\n", h.GetObject(), closes)
		}
	}
	return nil
}

func writeHosts(w io.Writer, h *adminv1.Hold) {
	if len(h.GetHosts()) == 0 {
		return
	}
	fmt.Fprintf(w, "\nremoved from fleet %s:\n", h.GetFleet())
	for _, host := range h.GetHosts()[:min(hostsShown, len(h.GetHosts()))] {
		fmt.Fprintf(w, "  %s\n", host)
	}
	if more := len(h.GetHosts()) - hostsShown; more > 0 {
		fmt.Fprintf(w, "  and %d more (-o json has all)\n", more)
	}
}

// moment is a time for people; none is empty.
func moment(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Local().Format(time.DateTime)
}

// orderFlags are those of the commands that change what is served.
type orderFlags struct {
	inspectFlags
	by, reason string
}

// command is one that gives an order. do gives it and tells which replicas did it.
func (f *orderFlags) command(use, short, long string, do func(context.Context, *cobra.Command, grpc.ClientConnInterface, *adminv1.Order) ([]*adminv1.Replica, error)) *cobra.Command {
	c := &cobra.Command{Use: use + " FLEET --reason TEXT", Short: short,
		Long: long + `

It wants a certificate with the name spiffe://legation.dev/approver, where there are
certificates: 'legation certs' makes one (RELEASE-xds-approver). Who did it, and why, is in
the log and in 'legation history' of each replica.`,
		Example: "  legation " + use + " public --reason \"as agreed in INC-4711\" --tls approver",
		Args:    cli.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if f.reason == "" {
				return cli.Usage(c, errors.New("--reason: say why"))
			}
			return f.dial(c, inspectTime, func(ctx context.Context, conn grpc.ClientConnInterface) error {
				replicas, err := do(ctx, c, conn, &adminv1.Order{Fleet: args[0], By: cmp.Or(f.by, userName()), Reason: f.reason})
				if err != nil {
					return err
				}
				done := slices.DeleteFunc(slices.Clone(replicas), func(r *adminv1.Replica) bool { return r.GetError() != "" })
				fmt.Fprintf(c.OutOrStdout(), "done by %d of %d replicas\n", len(done), len(replicas))
				return complain(c.ErrOrStderr(), replicas)
			})
		}}
	f.registerWhere(c)
	f.role, f.output = "approver", formatTable
	c.ValidArgsFunction = f.completer(knownFleets)
	c.Flags().Lookup("tls").Usage = "folder with tls.crt, tls.key and ca.crt of an approver (default: $" + tlsVariable + "; in the cluster, the Secret RELEASE-xds-approver)"
	c.Flags().StringVar(&f.reason, "reason", "", "why, for the log and the history")
	c.Flags().StringVar(&f.by, "by", "", "who, for the log and the history (default: the user of this machine)")
	return c
}

// userName is who runs this; empty if that is not known.
func userName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

func approveCommand() *cobra.Command {
	digest := ""
	c := new(orderFlags).command("approve", "Let hosts go, or settings be in force, that are held",
		`Shows what of the fleet is held and waits for somebody to say that it is meant: hosts,
because so many were removed together, or settings of the class, because they would close
connections, and how many. Hosts go, and settings are in force, at all replicas. What is
changed in the same moment is not approved with it: what is held must still be what was
shown.`,
		func(ctx context.Context, c *cobra.Command, conn grpc.ClientConnInterface, order *adminv1.Order) ([]*adminv1.Replica, error) {
			held, err := adminv1.NewAdminClient(conn).Holds(ctx, &adminv1.HoldsRequest{Fleet: order.GetFleet()})
			if err != nil {
				return nil, err
			}
			one, err := toApprove(held.GetHolds(), order.GetFleet(), digest)
			if err != nil {
				return nil, err
			}
			writeApproved(c.OutOrStdout(), one)
			answer, err := adminv1.NewOrdersClient(conn).Approve(ctx, &adminv1.ApproveRequest{Order: order, Digest: one.GetDigest()})
			return answer.GetReplicas(), err
		})
	c.Flags().StringVar(&digest, "digest", "", "which hold is approved, as 'legation holds' shows it (default: the only one)")
	return c
}

// toApprove is the one hold that is to be approved.
func toApprove(list []*adminv1.Hold, fleet, digest string) (*adminv1.Hold, error) {
	list = slices.DeleteFunc(list, func(h *adminv1.Hold) bool { return !h.GetApprovable() || !strings.HasPrefix(h.GetDigest(), digest) })
	switch {
	case len(list) == 0 && digest != "":
		return nil, fmt.Errorf("nothing of fleet %s is held under %s that waits for an approval", fleet, digest)
	case len(list) == 0:
		return nil, fmt.Errorf("nothing of fleet %s is held that waits for an approval", fleet)
	case len(list) == 1:
		return list[0], nil
	}
	for _, h := range list[1:] {
		if h.GetKind() == list[0].GetKind() {
			return nil, errors.New("replicas hold different things, since one has not read what the other has: try again in a moment")
		}
	}
	return nil, fmt.Errorf("both a change of settings and a removal of hosts are held: say which by --digest, from 'legation holds --fleet %s'", fleet)
}

// writeApproved shows what is approved, and how many connections or Envoys it concerns.
func writeApproved(w io.Writer, h *adminv1.Hold) {
	if len(h.GetHosts()) > 0 {
		writeHosts(w, h)
		return
	}
	concerns := cmp.Or(inspect.Closes(h.GetCloses(), time.Now()), fmt.Sprintf("on %d Envoys", h.GetCloses().GetEnvoys()))
	fmt.Fprintf(w, "settings of fleet %s, in %s: %s; %s\n", h.GetFleet(), h.GetObject(), h.GetReason(), concerns)
}

func pauseCommand() *cobra.Command {
	return new(orderFlags).command("pause", "Keep routes, clusters and listeners of a fleet as they are",
		`Pauses a fleet, at all replicas: no change of an Ingress, a class or its settings is
served until 'legation resume'. Services, endpoints and certificates stay live. Each
Ingress that is kept back has a Problem (KeptBack), and the class another (FleetPaused). A
replica that starts asks the others (--peers), and else goes on with what it has kept (--state).`,
		func(ctx context.Context, _ *cobra.Command, conn grpc.ClientConnInterface, order *adminv1.Order) ([]*adminv1.Replica, error) {
			answer, err := adminv1.NewOrdersClient(conn).Pause(ctx, &adminv1.PauseRequest{Order: order})
			return answer.GetReplicas(), err
		})
}

func resumeCommand() *cobra.Command {
	return new(orderFlags).command("resume", "Serve a fleet again as its objects are now",
		`Ends 'legation pause'. If more than deletion-share of the hosts were removed meanwhile,
their removal is held, as always.`,
		func(ctx context.Context, _ *cobra.Command, conn grpc.ClientConnInterface, order *adminv1.Order) ([]*adminv1.Replica, error) {
			answer, err := adminv1.NewOrdersClient(conn).Resume(ctx, &adminv1.ResumeRequest{Order: order})
			return answer.GetReplicas(), err
		})
}
