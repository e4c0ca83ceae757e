package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"legation.dev/cmd/cli"
	"legation.dev/xds/admin/adminv1"
)

func historyCommand() *cobra.Command {
	f := &inspectFlags{}
	c := &cobra.Command{
		Use:   "history",
		Short: "List the versions of a fleet, with the cause of each",
		Long: `Lists the versions of a fleet that the replica asked still keeps (--history of
'legation serve'), oldest first. Each replica numbers them for itself; what is equal
on all is the digest. 'legation diff' says what leads from one to another.`,
		Example: `  legation history
  legation history --fleet public -o json`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return f.ask(c, inspectTime, func(ctx context.Context, admin adminv1.AdminClient) error {
				answer, err := admin.History(ctx, &adminv1.HistoryRequest{Fleet: f.fleet})
				if err != nil {
					return err
				}
				if f.output == formatJSON {
					return writeMessage(c.OutOrStdout(), answer)
				}
				table := newTable(c.OutOrStdout())
				row(table, "VERSION", "TIME", "RESOURCES", "DIGEST", "CAUSE")
				for _, v := range answer.GetVersions() {
					writeVersion(table, v)
				}
				return table.Flush()
			})
		},
	}
	f.register(c)
	f.registerFleet(c)
	return c
}

func writeVersion(w io.Writer, v *adminv1.Version) {
	row(w, fmt.Sprint(v.GetNumber()), v.GetTime().AsTime().Local().Format(time.DateTime), fmt.Sprint(v.GetResources()),
		shortDigest(v.GetDigest()), v.GetCause())
}

func watchCommand() *cobra.Command {
	f := &inspectFlags{}
	c := &cobra.Command{
		Use:   "watch",
		Short: "Print each new version of a fleet, with its cause, until Ctrl-C",
		Long: `Prints the current version of a fleet and each newer one as it is published. Of versions
that follow each other within milliseconds some may be left out.`,
		Example: `  legation watch
  legation watch --fleet public -o json`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			err := f.ask(c, 0, func(ctx context.Context, admin adminv1.AdminClient) error {
				return f.watch(ctx, admin, c.OutOrStdout())
			})
			return unlessEnded(c.Context(), err)
		},
	}
	f.register(c)
	f.registerFleet(c)
	return c
}

// watch prints versions until ctx ends. A connection that ends, as each does at its
// age, is followed by the next, to whichever replica: what is equal there is no news.
func (f *inspectFlags) watch(ctx context.Context, admin adminv1.AdminClient, w io.Writer) error {
	for digest := ""; ; {
		heard, err := f.follow(ctx, admin, w, &digest)
		if status.Code(err) != codes.Unavailable || !heard {
			return err
		}
	}
}

// follow is watch for one stream. digest is that of the version that was printed last;
// heard reports whether anything came.
func (f *inspectFlags) follow(ctx context.Context, admin adminv1.AdminClient, w io.Writer, digest *string) (heard bool, err error) {
	stream, err := admin.Watch(ctx, &adminv1.WatchRequest{Fleet: f.fleet})
	if err != nil {
		return false, err
	}
	for {
		answer, err := stream.Recv()
		if err != nil {
			return heard, err
		}
		heard = true
		v := answer.GetVersion()
		if v.GetDigest() == *digest {
			continue
		}
		*digest = v.GetDigest()
		if err := f.printVersion(w, v); err != nil {
			return heard, err
		}
	}
}

func (f *inspectFlags) printVersion(w io.Writer, v *adminv1.Version) error {
	if f.output == formatJSON {
		return writeMessage(w, v)
	}
	table := newTable(w)
	writeVersion(table, v)
	return table.Flush()
}
