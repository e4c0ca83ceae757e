package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	"legation.dev/cmd/cli"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/snapshot"
)

// snapshotFlags are those of `legation snapshot`.
type snapshotFlags struct {
	inspectFlags
	types   []string
	version uint64
}

func snapshotCommand() *cobra.Command {
	f := &snapshotFlags{}
	c := &cobra.Command{
		Use:   "snapshot [NAME]",
		Short: "List what a fleet is served, by type and name",
		Long: `Lists the resources of the current version of a fleet, or of an older one, whose name
contains NAME. With -o json each comes with its body; private keys are redacted. What an
earlier process has stored, and this one has not read from its source yet, is told.`,
		Example: `  legation snapshot
  legation snapshot shop.example.com --type vhds -o json
  legation snapshot shop/web --type cds,eds --version 17`,
		Args: cli.Arguments(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			request := &adminv1.ResourcesRequest{Fleet: f.fleet, Name: strings.Join(args, ""), Version: f.version, Bodies: f.whole()}
			for _, name := range f.types {
				url, err := typeURL(name)
				if err != nil {
					return cli.Usage(c, fmt.Errorf("--type %w", err))
				}
				request.TypeUrls = append(request.TypeUrls, url)
			}
			return f.ask(c, inspectTime, func(ctx context.Context, admin adminv1.AdminClient) error {
				return f.print(ctx, admin, request, c.OutOrStdout())
			})
		},
	}
	f.register(c)
	f.registerFleet(c)
	c.Flags().StringSliceVar(&f.types, "type", nil, "only these types: "+strings.Join(typeNames(), ", ")+" (default: all)")
	c.Flags().Uint64Var(&f.version, "version", 0, "the number of a version that 'legation history' lists (default: the current one)")
	complete(c, "type", typeNames()...)
	f.completeFlag(c, "version", knownVersions)
	return c
}

// servedText is a resource as JSON.
type servedText struct {
	Type    string          `json:"type"`
	Name    string          `json:"name"`
	Version string          `json:"version"`
	From    []string        `json:"from,omitempty"`
	Needs   []string        `json:"needs,omitempty"`
	StandIn bool            `json:"stand_in,omitempty"`
	Body    json.RawMessage `json:"resource"`
}

func (f *snapshotFlags) print(ctx context.Context, admin adminv1.AdminClient, request *adminv1.ResourcesRequest, w io.Writer) error {
	table, list, names := f.newTable(w, 1), []servedText{}, []string{}
	row(table, "TYPE", "NAME", "VERSION", "BYTES", "FROM", "NEEDS", "STAND-IN")
	err := eachResource(ctx, admin, request, func(r *adminv1.ResourcesResponse) error {
		if f.whole() {
			one, err := servedOf(r)
			list = append(list, one)
			return err
		}
		kind, of := snapshot.TypeName(r.GetResource().GetTypeUrl()), r.GetResource()
		names = append(names, strings.ToLower(kind)+"/"+of.GetName())
		row(table, kind, of.GetName(), of.GetVersion(), fmt.Sprint(r.GetSize()), strings.Join(r.GetFrom(), ", "), strings.Join(r.GetNeeds(), ", "), fmt.Sprint(r.GetPlaceholder()))
		return nil
	})
	if err != nil {
		return err
	}
	stored, err := f.stored(ctx, admin)
	if err != nil {
		return err
	}
	return f.outputFlags.print(w, served(list, stored), names, func() error {
		if len(names) == 0 {
			_, err := fmt.Fprintln(w, "No resource of this version has such a name or type.")
			return err
		}
		err := table.Flush()
		tellOfStored(w, "This", stored)
		return err
	})
}

// pageSize is how many resources may come at once: a thousand messages of a stream cost the
// server far more than one with all of them.
const pageSize = 1000

// eachResource calls take for the resources of a request, until it fails.
func eachResource(ctx context.Context, admin adminv1.AdminClient, request *adminv1.ResourcesRequest, take func(*adminv1.ResourcesResponse) error) error {
	request.Page = pageSize
	stream, err := admin.Resources(ctx, request)
	if err != nil {
		return err
	}
	for {
		page, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, r := range append([]*adminv1.ResourcesResponse{page}, page.GetMore()...) {
			if err := take(r); err != nil {
				return err
			}
		}
	}
}

// served is what is printed as JSON.
func served(list []servedText, stored *adminv1.Version) map[string]any {
	out := map[string]any{"resources": list}
	if stored != nil {
		out["stored"] = stored.GetStored().AsTime()
	}
	return out
}

// stored is the version that was listed, if it was only stored; else nil.
func (f *snapshotFlags) stored(ctx context.Context, admin adminv1.AdminClient) (*adminv1.Version, error) {
	answer, err := admin.History(ctx, &adminv1.HistoryRequest{Fleet: f.fleet})
	if err != nil {
		return nil, err
	}
	for i, v := range answer.GetVersions() {
		listed := f.version == v.GetNumber() || f.version == 0 && i == len(answer.GetVersions())-1
		if listed && v.GetStored() != nil {
			return v, nil
		}
	}
	return nil, nil
}

func servedOf(r *adminv1.ResourcesResponse) (servedText, error) {
	out := servedText{Type: snapshot.TypeName(r.GetResource().GetTypeUrl()), Name: r.GetResource().GetName(), Version: r.GetResource().GetVersion(),
		From: r.GetFrom(), Needs: r.GetNeeds(), StandIn: r.GetPlaceholder()}
	m, err := r.GetBody().UnmarshalNew()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w", out.Type, out.Name, err)
	}
	out.Body, err = protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	return out, err
}
