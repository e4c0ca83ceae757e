package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // for --zone: the image has no time zones

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"legation.dev/cmd/cli"
	"legation.dev/inspect"
	"legation.dev/xds/admin/adminv1"
)

// historyFlags are those of `legation history`, and of `legation diff`.
type historyFlags struct {
	inspectFlags
	since, at, object, zone string
}

func historyCommand() *cobra.Command {
	f := &historyFlags{}
	c := &cobra.Command{
		Use:   "history",
		Short: "List the versions of a fleet, with the cause of each",
		Long: `Lists the versions of a fleet that the replica asked knows of (--history-age and
--history-bytes of 'legation serve'), oldest first: all, those since a moment, the one that
was served at a moment, or those in which something became of an object. With --state
they are those of earlier processes, too. Versions that changed endpoints alone are
one line, as 18-57. BY is who wrote the objects that caused it, and when, by their
managedFields: of a deletion, and of files, that is not known.

Each replica numbers versions for itself; what is equal on all is the digest. 'legation
diff' says what leads from one to another.

A moment is a time of today ("14:02"), a date and a time ("2026-11-28 14:02"), one of
RFC 3339, or how long ago it was ("30m").`,
		Example: `  legation history
  legation history --at 14:02 --zone Europe/Berlin
  legation history --since 30m --object ingress/shop/checkout
  legation history --fleet public -o json`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			request, zone, err := f.request(time.Now())
			if err != nil {
				return cli.Usage(c, err)
			}
			return f.ask(c, inspectTime, func(ctx context.Context, admin adminv1.AdminClient) error {
				answer, err := admin.History(ctx, request)
				if err != nil {
					return err
				}
				names := namesOf(answer.GetVersions(), func(v *adminv1.Version) string { return fmt.Sprint(v.GetNumber()) })
				return f.print(c.OutOrStdout(), answer, names, func() error { return f.writeVersions(c.OutOrStdout(), answer, zone) })
			})
		},
	}
	f.registerAll(c)
	return c
}

func (f *historyFlags) registerAll(c *cobra.Command) {
	f.registerMoments(c, "only versions published at this moment or later", "only the version that was current at this moment", "only versions in which something became of this object")
}

// registerMoments registers the flags with what they do.
func (f *historyFlags) registerMoments(c *cobra.Command, since, at, object string) {
	f.register(c)
	f.registerFleet(c)
	flags := c.Flags()
	flags.StringVar(&f.since, "since", "", since)
	flags.StringVar(&f.at, "at", "", at)
	flags.StringVar(&f.object, "object", "", object+": KIND/NAMESPACE/NAME, as kubectl writes it")
	f.completeFlag(c, "object", knownObjects)
	flags.StringVar(&f.zone, "zone", "", "time zone of all times, UTC or as in Europe/Berlin (default: that of this machine)")
}

// request is what the flags ask for, and in which time zone.
func (f *historyFlags) request(now time.Time) (*adminv1.HistoryRequest, *time.Location, error) {
	r, zone := &adminv1.HistoryRequest{Fleet: f.fleet}, time.Local
	var err error
	if f.zone != "" {
		if zone, err = time.LoadLocation(f.zone); err != nil {
			return nil, nil, fmt.Errorf("--zone %q: %w", f.zone, err)
		}
	}
	if r.Since, err = inspect.Moment(f.since, now, zone); err != nil {
		return nil, nil, fmt.Errorf("--since %w", err)
	}
	if r.At, err = inspect.Moment(f.at, now, zone); err != nil {
		return nil, nil, fmt.Errorf("--at %w", err)
	}
	if f.object == "" {
		return r, zone, nil
	}
	if r.Object, err = inspect.ObjectText(f.object); err != nil {
		return nil, nil, fmt.Errorf("--object %w", err)
	}
	return r, zone, nil
}

func (f *outputFlags) writeVersions(w io.Writer, answer *adminv1.HistoryResponse, zone *time.Location) error {
	if len(answer.GetVersions()) == 0 {
		_, err := fmt.Fprintln(w, "No version that is kept is one of these.")
		return err
	}
	table := f.newTable(w, 1)
	row(table, "VERSION", "TIME", "RESOURCES", "DIGEST", "CAUSE", "BY", "WHOLE DIGEST")
	for _, v := range answer.GetVersions() {
		writeVersion(table, v, zone)
	}
	err := table.Flush()
	if answer.GetMore() {
		fmt.Fprintln(w, "There are older ones: ask for them with --since, --at or --object.")
	}
	return err
}

func writeVersion(t *table, v *adminv1.Version, zone *time.Location) {
	number, cause := fmt.Sprint(v.GetNumber()), v.GetCause()
	if first := v.GetFirst(); first > 0 && first < v.GetNumber() {
		number = fmt.Sprintf("%d-%d", first, v.GetNumber())
		cause = fmt.Sprintf("endpoints alone, %d times since %s; last: %s", v.GetNumber()-first+1, v.GetBegan().AsTime().In(zone).Format(time.TimeOnly), cause)
	}
	row(t, number, v.GetTime().AsTime().In(zone).Format(time.DateTime), fmt.Sprint(v.GetResources()),
		shortDigest(v.GetDigest()), cause, authors(v, zone), v.GetDigest())
}

// authors are those who wrote the objects that caused a version, each with the last time.
func authors(v *adminv1.Version, zone *time.Location) string {
	last := map[string]time.Time{}
	for _, e := range v.GetEdits() {
		if at := e.GetTime().AsTime(); e.GetManager() != "" && !at.Before(last[e.GetManager()]) {
			last[e.GetManager()] = at
		}
	}
	var list []string
	for _, manager := range slices.Sorted(maps.Keys(last)) {
		list = append(list, manager+" "+last[manager].In(zone).Format(time.TimeOnly))
	}
	return strings.Join(list, ", ")
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
	if f.output == formatYAML {
		fmt.Fprintln(w, "---") // a document each
	}
	return f.print(w, v, []string{fmt.Sprint(v.GetNumber())}, func() error {
		table := f.newTable(w, 1)
		table.continued = true
		writeVersion(table, v, time.Local)
		return table.Flush()
	})
}
