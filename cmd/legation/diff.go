package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/cmd/cli"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/impact"
)

// By what a diff is listed.
const (
	byResource = "resource"
	byObject   = "object"
)

type diffFlags struct {
	historyFlags
	by string
}

func diffCommand() *cobra.Command {
	f := &diffFlags{}
	c := &cobra.Command{
		Use:   "diff [A [B]]",
		Short: "Print what leads from one version of a fleet to another",
		Long: `Prints what is different in version B (default: the current one) from version A (default:
the one before B), with the connections that it concerns: by resource, with the objects
that it comes from, or by object, with what became of it. 'legation history' lists the
versions. --since is A by the version that was served then, and --at is B.

Of old versions, and of those of an earlier process, the bodies are not there any more.
Then it prints what was noted of each step: what was changed and changed back in between
is left out, and of what was changed while no process ran, keys and passwords are not seen.`,
		Example: `  legation diff
  legation diff --since 14:02 --object ingress/shop/checkout
  legation diff --at "2026-11-28 14:02" --zone Europe/Berlin
  legation diff 17
  legation diff 17 21 --by object
  legation diff 17 21 -o json`,
		Args: cli.Arguments(cobra.MaximumNArgs(2)),
		RunE: f.run,
	}
	f.registerMoments(c, "from the version that was current at this moment", "to the version that was current at this moment", "only what became of what is made of this object")
	c.ValidArgsFunction = f.completer(knownVersions)
	c.Flags().StringVar(&f.by, "by", byResource, "resource or object")
	complete(c, "by", byResource, byObject)
	return c
}

func (f *diffFlags) run(c *cobra.Command, args []string) error {
	request, err := f.request(args)
	moments, zone, wrong := f.historyFlags.request(time.Now())
	if err = errors.Join(err, wrong); err != nil {
		return cli.Usage(c, err)
	}
	return f.ask(c, inspectTime, func(ctx context.Context, admin adminv1.AdminClient) error {
		answer, err := f.answer(ctx, admin, moments, request)
		if err != nil {
			return err
		}
		return f.print(c.OutOrStdout(), answer, zone)
	})
}

// request is what the arguments ask for.
func (f *diffFlags) request(args []string) (*adminv1.DiffRequest, error) {
	if f.by != byResource && f.by != byObject {
		return nil, fmt.Errorf("--by %q: want resource or object", f.by)
	}
	if len(args) > 0 && f.since != "" || len(args) > 1 && f.at != "" {
		return nil, errors.New("name versions by their numbers, or by --since and --at")
	}
	r := &adminv1.DiffRequest{Fleet: f.fleet}
	for i, to := range []*uint64{&r.From, &r.To}[:len(args)] {
		n, err := strconv.ParseUint(args[i], 10, 64)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q is not the number of a version", args[i])
		}
		*to = n
	}
	return r, nil
}

// answer is what leads from one version to another: those of a request, or those of moments.
// If an object is named, the rest is left out.
func (f *diffFlags) answer(ctx context.Context, admin adminv1.AdminClient, moments *adminv1.HistoryRequest, r *adminv1.DiffRequest) (*adminv1.DiffResponse, error) {
	if err := f.find(ctx, admin, moments, r); err != nil {
		return nil, err
	}
	answer, err := admin.Diff(ctx, r)
	if object := moments.GetObject(); object != "" && err == nil {
		answer.Changes = slices.DeleteFunc(answer.GetChanges(), func(c *adminv1.Change) bool { return !slices.Contains(c.GetFrom(), object) })
	}
	return answer, err
}

// find puts the versions of moments into a request.
func (f *diffFlags) find(ctx context.Context, admin adminv1.AdminClient, moments *adminv1.HistoryRequest, r *adminv1.DiffRequest) error {
	for at, to := range map[*timestamppb.Timestamp]*uint64{moments.GetSince(): &r.From, moments.GetAt(): &r.To} {
		if at == nil {
			continue
		}
		answer, err := admin.History(ctx, &adminv1.HistoryRequest{Fleet: f.fleet, At: at})
		if err != nil {
			return err
		}
		for _, v := range answer.GetVersions() {
			*to = v.GetNumber()
		}
	}
	return nil
}

func (f *diffFlags) print(w io.Writer, answer *adminv1.DiffResponse, zone *time.Location) error {
	d := changesOf(answer)
	head := func() {
		to := answer.GetTo()
		by := authors(to, zone)
		if by != "" {
			by = ", by " + by
		}
		fmt.Fprintf(w, "version %d to %d, published %s ago, at %s: %s%s\n", answer.GetFrom().GetNumber(),
			to.GetNumber(), age(to.GetTime()), to.GetTime().AsTime().In(zone).Format(time.DateTime), to.GetCause(), by)
	}
	if f.by != byObject {
		names := namesOf(d.Changes, func(c changeText) string { return strings.ToLower(c.Type) + "/" + c.Name })
		return f.outputFlags.print(w, answer, names, func() error { head(); return writeDiff(w, []fleetDiff{d}) })
	}
	names := namesOf(d.byObject(), func(o objectDiff) string { return argumentOf(o.Object) })
	value := map[string]any{"fleet": d.Fleet, "from": answer.GetFrom().GetNumber(), "to": answer.GetTo().GetNumber(), "objects": d.byObject()}
	return f.outputFlags.print(w, value, names, func() error { head(); return f.writeObjects(w, d) })
}

// changesOf are the changes between two versions, as those between two folders.
func changesOf(answer *adminv1.DiffResponse) fleetDiff {
	d := fleetDiff{Fleet: answer.GetFleet(), Changes: []changeText{}}
	for _, c := range answer.GetChanges() {
		d.Changes = append(d.Changes, changeText{impact.Kind(c.GetKind()), c.GetType(), c.GetName(), c.GetFrom(), c.GetDrains(), c.GetEffect()})
	}
	return d
}

// objectDiff is what became of an object.
type objectDiff struct {
	Object  string       `json:"object"` // empty: of none
	Changes []changeText `json:"changes"`
}

// byObject lists the changes at each object that has a part in them, by its name.
func (f fleetDiff) byObject() (list []objectDiff) {
	at := map[string][]changeText{}
	for _, c := range f.Changes {
		from := c.From
		if len(from) == 0 {
			from = []string{""}
		}
		c.From = nil
		for _, object := range from {
			at[object] = append(at[object], c)
		}
	}
	for _, object := range slices.Sorted(maps.Keys(at)) {
		list = append(list, objectDiff{object, at[object]})
	}
	return list
}

func (f *outputFlags) writeObjects(w io.Writer, d fleetDiff) error {
	fmt.Fprintf(w, "fleet %s: %s\n", d.Fleet, d.summary())
	table := f.newTable(w, 0)
	table.continued = true
	for _, o := range d.byObject() {
		for i, c := range o.Changes {
			object := o.Object
			if i > 0 {
				object = " " // as above
			}
			row(table, object, c.mark()+" "+string(c.Change), c.Type, c.Name, c.Effects)
		}
	}
	return table.Flush()
}
