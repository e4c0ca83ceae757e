package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/snapshot"
)

// completeTime bounds how long a shell waits for what there is.
const completeTime = 3 * time.Second

// known asks a running Legation for words that can stand in a command line.
type known func(context.Context, *inspectFlags, adminv1.AdminClient) ([]string, error)

// completer offers what there is; nothing if nobody answers.
func (f *inspectFlags) completer(ask known) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, word string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
		c.SetContext(context.Background()) // completion is run without one
		_ = f.ask(c, completeTime, func(ctx context.Context, admin adminv1.AdminClient) (err error) {
			words, err = ask(ctx, f, admin)
			return err
		})
		words = slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, word) || slices.Contains(args, w) })
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag offers what there is as values of a flag.
func (f *inspectFlags) completeFlag(c *cobra.Command, flag string, ask known) {
	if err := c.RegisterFlagCompletionFunc(flag, f.completer(ask)); err != nil {
		panic(err) // there is no such flag
	}
}

func knownFleets(ctx context.Context, _ *inspectFlags, admin adminv1.AdminClient) (names []string, err error) {
	answer, err := admin.Envoys(ctx, &adminv1.EnvoysRequest{Local: true})
	for _, r := range answer.GetReplicas() {
		names = append(names, namesOf(r.GetFleets(), (*adminv1.Fleet).GetName)...)
	}
	return names, err
}

// knownNamespaces are those that routes come from.
func knownNamespaces(ctx context.Context, f *inspectFlags, admin adminv1.AdminClient) ([]string, error) {
	objects, err := knownObjects(ctx, f, admin)
	found := map[string]bool{}
	for _, o := range objects {
		if parts := strings.Split(o, "/"); len(parts) == 3 {
			found[parts[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), err
}

func knownVersions(ctx context.Context, f *inspectFlags, admin adminv1.AdminClient) ([]string, error) {
	answer, err := admin.History(ctx, &adminv1.HistoryRequest{Fleet: f.fleet})
	return namesOf(answer.GetVersions(), func(v *adminv1.Version) string { return fmt.Sprint(v.GetNumber()) }), err
}

// knownHosts are those that have routes.
func knownHosts(ctx context.Context, f *inspectFlags, admin adminv1.AdminClient) (hosts []string, err error) {
	err = eachServed(ctx, f, admin, []snapshot.Type{snapshot.VirtualHost}, func(r *adminv1.ResourcesResponse) {
		if host, ok := strings.CutPrefix(r.GetResource().GetName(), "ingress/"); ok && !strings.HasPrefix(host, "*") {
			hosts = append(hosts, host)
		}
	})
	return hosts, err
}

// knownObjects are those that something is served of.
func knownObjects(ctx context.Context, f *inspectFlags, admin adminv1.AdminClient) ([]string, error) {
	seen := map[string]bool{}
	err := eachServed(ctx, f, admin, []snapshot.Type{snapshot.VirtualHost, snapshot.Cluster, snapshot.Secret}, func(r *adminv1.ResourcesResponse) {
		for _, from := range r.GetFrom() {
			seen[argumentOf(from)] = true
		}
	})
	return slices.Sorted(maps.Keys(seen)), err
}

// knownServices are those that have a cluster, as NAMESPACE/NAME.
func knownServices(ctx context.Context, f *inspectFlags, admin adminv1.AdminClient) ([]string, error) {
	all, err := knownObjects(ctx, f, admin)
	var names []string
	for _, o := range all {
		if name, ok := strings.CutPrefix(o, "service/"); ok {
			names = append(names, name)
		}
	}
	return names, err
}

// eachServed calls take for the resources of some types that are served.
func eachServed(ctx context.Context, f *inspectFlags, admin adminv1.AdminClient, types []snapshot.Type, take func(*adminv1.ResourcesResponse)) error {
	request := &adminv1.ResourcesRequest{Fleet: f.fleet, TypeUrls: namesOf(types, snapshot.Type.URL)}
	return eachResource(ctx, admin, request, func(r *adminv1.ResourcesResponse) error { take(r); return nil })
}

// count is a number of things, in words.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
