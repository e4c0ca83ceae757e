package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"
	"k8s.io/apimachinery/pkg/util/duration"

	"legation.dev/cmd/cli"
	"legation.dev/inspect"
	"legation.dev/xds/admin/adminv1"
)

const certsListHelp = `LEFT is how long it is valid; it was for no host in time if it begins with "-". STATE is
served, kept (the last good one, whose Secret is missing or unusable) or stand-in (of
nobody: browsers refuse it). UNNAMED counts the hosts that it has no name for, which clients
refuse. Keys are never told.

The exit status is 1 if one has ended, is kept, is a stand-in, or lacks the name of a host.
The default certificate of names that no Ingress has may be a stand-in.`

func certsListCommand() *cobra.Command {
	f := &inspectFlags{}
	c := &cobra.Command{
		Use:   "list",
		Short: "List the certificates that clients are shown, that which ends first in front",
		Long:  "Lists each certificate that a running Legation has Envoys show, once, with its hosts.\n\n" + certsListHelp,
		Example: `  legation certs list
  legation certs list --fleet public -o wide
  legation certs list -o jsonpath='{range .certificates[*]}{.ends} {.secret}{"\n"}{end}'`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return f.certificates(c, "") },
	}
	f.register(c)
	f.registerFleet(c)
	c.Flags().Lookup("fleet").Usage = "only of this fleet, which is the name of an IngressClass (default: of all)"
	return c
}

func certsShowCommand() *cobra.Command {
	f := &inspectFlags{}
	c := &cobra.Command{
		Use:   "show HOST",
		Short: "Print the certificate that a client is shown which asks for a host",
		Long:  "Prints what each fleet shows a client that asks for this name by TLS: that of the\nname, else of a wildcard above it, else the default one.\n\n" + certsListHelp,
		Example: `  legation certs show shop.example.com
  legation certs show shop.example.com -o yaml`,
		Args: cli.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return f.certificates(c, args[0]) },
	}
	f.register(c)
	f.registerFleet(c)
	c.ValidArgsFunction = f.completer(knownHosts)
	return c
}

// certificates prints those of a host, or all.
func (f *inspectFlags) certificates(c *cobra.Command, host string) error {
	return f.ask(c, inspectTime, func(ctx context.Context, admin adminv1.AdminClient) error {
		answer, err := admin.Certificates(ctx, &adminv1.CertificatesRequest{Fleet: f.fleet, Host: host})
		if err != nil {
			return err
		}
		list, now := answer.GetCertificates(), time.Now()
		if host != "" && len(list) == 0 {
			return fmt.Errorf("no fleet has a listener for TLS that shows %s anything", host)
		}
		names := slices.Compact(namesOf(list, func(x *adminv1.Certificate) string { return argumentOf(x.GetSecret()) }))
		err = f.print(c.OutOrStdout(), answer, names, func() error {
			if host != "" {
				return writeCertificate(c.OutOrStdout(), list, now)
			}
			return f.writeCertificates(c.OutOrStdout(), list, now)
		})
		if err == nil && slices.ContainsFunc(list, func(x *adminv1.Certificate) bool { return refused(x, host, now) }) {
			return cli.Exit(cli.Failure) // they were printed
		}
		return err
	})
}

// refused reports whether clients refuse a certificate, or soon will since nobody renews it.
func refused(x *adminv1.Certificate, host string, now time.Time) bool {
	if x.GetState() == inspect.CertificateStandIn && host == "" && slices.Equal(x.GetHosts(), []string{"default-certificate"}) {
		return false
	}
	return x.GetState() != inspect.CertificateServed || len(x.GetUnnamed()) > 0 || x.GetEnds() != nil && x.GetEnds().AsTime().Before(now)
}

// fewHosts is how many hosts a line of the table has.
const fewHosts = 3

func (f *outputFlags) writeCertificates(w io.Writer, list []*adminv1.Certificate, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no fleet has a host with TLS")
		return err
	}
	table := f.newTable(w, 2)
	row(table, "ENDS", "LEFT", "STATE", "FLEET", "SECRET", "HOSTS", "UNNAMED", "NAMES", "ISSUER")
	for _, x := range list {
		row(table, day(x.GetEnds()), left(x.GetEnds(), now), x.GetState(), x.GetFleet(), strings.TrimPrefix(x.GetSecret(), "Secret "),
			some(x.GetHosts(), fewHosts), fmt.Sprint(len(x.GetUnnamed())), strings.Join(x.GetNames(), " "), x.GetIssuer())
	}
	return table.Flush()
}

// writeCertificate prints all there is of a few.
func writeCertificate(w io.Writer, list []*adminv1.Certificate, now time.Time) error {
	for i, x := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		for _, line := range [][2]string{{"fleet", x.GetFleet()}, {"hosts", some(x.GetHosts(), 20)}, {"state", x.GetState()}, {"secret", x.GetSecret()},
			{"names", strings.Join(x.GetNames(), " ")}, {"unnamed", some(x.GetUnnamed(), 20)}, {"issuer", x.GetIssuer()}, {"begins", moment(x.GetBegins())}, {"ends", moment(x.GetEnds())}, {"left", left(x.GetEnds(), now)}} {
			if line[1] != "" {
				fmt.Fprintf(w, "%-8s %s\n", line[0], line[1])
			}
		}
	}
	return nil
}

// some are the first of a list, and how many more there are.
func some(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], " "), len(list)-n)
}

func day(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format(time.DateOnly)
}

// left is how long something lasts; of what is over it begins with "-".
func left(t *timestamppb.Timestamp, now time.Time) string {
	switch {
	case t == nil:
		return ""
	case t.AsTime().Before(now):
		return "-" + duration.HumanDuration(now.Sub(t.AsTime()))
	}
	return duration.HumanDuration(t.AsTime().Sub(now))
}
