package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/inspect"
	"legation.dev/xds/admin/adminv1"
)

// whyFlags are the flags of `legation why`.
type whyFlags struct {
	outputFlags
	source              onceFlags
	inspect             inspectFlags // without a source
	method, from, class string
	headers             []string
}

func whyCommand() *cobra.Command {
	f := &whyFlags{}
	c := &cobra.Command{
		Use:   "why URL [PATH]",
		Short: "Print what becomes of a request, and which object decides that",
		Long: `Decides one request by what a running Legation serves, or by the objects of a folder or
file of manifests, or of a cluster (--source kube), which is read once: which virtual host takes it, which rule of which Ingress, what it has
to pass first, where it goes or what it is answered, and what is wrong with the objects
concerned. For https it says which certificate the client is shown. It sends nothing. Of a
running Legation it also says how many Envoys run that, what is held of it, until when,
and how long the Service took to answer in the last minute, beside its timeouts.

Rules that were passed over are printed with the reason, those with the same path first.
What a backend answers, and what a password, a certificate or an authorization service
says, is not known here: -o json has what each guard may answer instead (refusals). An
address (--from) that may not come, and a body that is too large (--header
'Content-Length: 2000000'), are refused in the answer itself.

The exit status is 1 if no endpoint and no redirect answers.`,
		Example: `  legation why http://shop.localhost/cart examples/shop
  legation why https://shop.example.com/ --from 203.0.113.7
  legation why https://shop.example.com/ --source kube --kubeconfig ~/.kube/config
  legation why https://shop.example.com/api manifests --method POST --header 'X-Canary: always' -o json`,
		Args: cli.Arguments(cobra.RangeArgs(1, 2)),
		RunE: f.run,
	}
	flags := c.Flags()
	f.source.register(c)
	f.inspect.registerInstallation(c)
	c.ValidArgsFunction = f.inspect.completer(knownHosts)
	flags.StringVar(&f.class, "class", "", "only the fleet of this IngressClass")
	flags.StringVarP(&f.method, "method", "X", http.MethodGet, "the method of the request")
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "a header of the request, 'Name: value'; may be repeated")
	flags.StringVar(&f.from, "from", "", "the address of the client, for rules that ask for it")
	f.registerOutput(c)
	return c
}

func (f *whyFlags) run(c *cobra.Command, args []string) error {
	asked := f.asked(args[0])
	q, err := inspect.ParseQuestion(asked)
	running := len(args) == 1 && f.source.source == ""
	if err == nil {
		err = f.checkOutput()
	}
	if err == nil && !running {
		if err = f.source.named(args[1:]); err == nil {
			err = f.source.check(c.Flags())
		}
	}
	if err != nil {
		return cli.Usage(c, err)
	}
	var list []inspect.Why
	if running {
		list, err = f.served(c, asked)
	} else {
		list, err = f.read(c, q)
	}
	if err != nil {
		return err
	}
	switch {
	case len(list) == 0 && f.class != "":
		return fmt.Errorf("no IngressClass %s of ours is there to take %s", f.class, q.URL)
	case len(list) == 0:
		return fmt.Errorf("no IngressClass of ours is there to take %s", q.URL)
	}
	names := namesOf(list, func(y inspect.Why) string { return argumentOf(y.Object) })
	if err := f.print(c.OutOrStdout(), map[string]any{"fleets": list}, names, func() error { return writeWhy(c.OutOrStdout(), q, list) }); err != nil {
		return err
	}
	if !slices.ContainsFunc(list, inspect.Why.Serves) {
		return cli.Exit(cli.Failure) // it was printed
	}
	return nil
}

// asked is the request that the arguments say.
func (f *whyFlags) asked(url string) *adminv1.WhyRequest {
	return &adminv1.WhyRequest{Method: f.method, Url: url, Headers: f.headers, From: f.from, Fleet: f.class}
}

// served asks a running Legation, and what its Envoys run of it and what it holds.
func (f *whyFlags) served(c *cobra.Command, asked *adminv1.WhyRequest) (list []inspect.Why, err error) {
	f.inspect.outputFlags, f.inspect.clusterFlags = f.outputFlags, f.source.clusterFlags
	err = f.inspect.ask(c, inspectTime, func(ctx context.Context, admin adminv1.AdminClient) error {
		answer, err := admin.Why(ctx, asked)
		if err != nil {
			return err
		}
		if list, err = inspect.ReadWhy(answer.GetFleets()); err != nil {
			return err
		}
		return complain(c.ErrOrStderr(), answer.GetReplicas())
	})
	return list, err
}

// read decides by objects that are read once.
func (f *whyFlags) read(c *cobra.Command, q inspect.Question) ([]inspect.Why, error) {
	result, err := f.source.translate(c.Context())
	if err != nil {
		return nil, err
	}
	return inspect.Asks(result, q, f.class, time.Now()), nil
}

// mostLost is how many rules that were passed over the table has.
const mostLost = 10

// writeWhy writes it for people.
func writeWhy(w io.Writer, q inspect.Question, list []inspect.Why) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, y := range list {
		if i > 0 {
			fmt.Fprintln(table)
		}
		fmt.Fprintf(table, "%s %s\n  fleet\t%s\n  host\t%s\n", q.Method, q.URL, y.Fleet, y.Host)
		if y.Certificate != nil {
			fmt.Fprintf(table, "  certificate\t%s\n", certificateText(*y.Certificate))
		}
		if y.Object == "" {
			fmt.Fprintf(table, "  rule\tnone\n")
		} else {
			fmt.Fprintf(table, "  rule\t%s of %s\n", y.Rule, y.Object)
		}
		for _, g := range y.Guards {
			fmt.Fprintf(table, "  guard\t%s\n", g)
		}
		for _, a := range y.Answers {
			writeAnswer(table, a, y.Timeouts)
		}
		writeSet(table, "route", y.Settings)
		for n, l := range y.Lost {
			if n == mostLost {
				fmt.Fprintf(table, "  passed over\tand %d more: see -o json\n", len(y.Lost)-n)
				break
			}
			fmt.Fprintf(table, "  passed over\t%s: %s\n", l.Rule, l.Why)
		}
		writeLive(table, y)
	}
	return table.Flush()
}

// writeLive writes what is wrong, and what is known of a running Legation.
func writeLive(w io.Writer, y inspect.Why) {
	for _, h := range y.Hints {
		fmt.Fprintf(w, "  hint\t%s\n", h)
	}
	for _, p := range y.Said {
		fmt.Fprintf(w, "  problem\t%s\n", p)
	}
	for _, h := range y.Held {
		fmt.Fprintf(w, "  held\t%s\n", h)
	}
	if y.Running != "" {
		fmt.Fprintf(w, "  running\tat %s Envoys\n", y.Running)
	}
}

// writeAnswer writes one of them, with the timeouts of its route.
func writeAnswer(w io.Writer, a inspect.Answer, ofRoute []inspect.Setting) {
	switch {
	case a.Location != "":
		fmt.Fprintf(w, "  answer\t%d, to %s\n", a.Status, a.Location)
	case a.Cluster == "":
		fmt.Fprintf(w, "  answer\t%d\n", a.Status)
	case a.Name != "":
		fmt.Fprintf(w, "  answer\tof cluster %s%s, by the name %s\n", a.Cluster, shareOf(a), a.Name)
	case len(a.Endpoints) == 0:
		fmt.Fprintf(w, "  answer\t503: cluster %s%s has no endpoint\n", a.Cluster, shareOf(a))
	default:
		fmt.Fprintf(w, "  answer\tof cluster %s%s\n", a.Cluster, shareOf(a))
	}
	if a.Takes != nil {
		fmt.Fprintf(w, "  takes\t%s\n", a.Takes)
	}
	if a.Cluster != "" {
		writeTimeouts(w, append(slices.Clone(ofRoute), a.Timeouts...))
	}
	for _, e := range a.Endpoints {
		state := ""
		if e.Draining {
			state = ", draining"
		}
		if e.Zone != "" {
			state = ", zone " + e.Zone + state
		}
		fmt.Fprintf(w, "  endpoint\t%s%s\n", e.Address, state)
	}
	writeSet(w, "cluster", a.Settings)
}

// writeTimeouts writes those of an answer that an endpoint gives.
func writeTimeouts(w io.Writer, list []inspect.Setting) {
	var texts []string
	for _, s := range list {
		texts = append(texts, s.Name+" "+s.Value)
	}
	if len(texts) > 0 {
		fmt.Fprintf(w, "  timeouts\t%s\n", strings.Join(texts, ", "))
	}
}

func shareOf(a inspect.Answer) string {
	if a.Share == "" {
		return ""
	}
	return " (" + a.Share + ")"
}

func writeSet(w io.Writer, of string, list []inspect.Setting) {
	for _, s := range list {
		fmt.Fprintf(w, "  %s has\t%s: %s, by %s\n", of, s.Name, s.Value, s.From())
	}
}

func certificateText(c inspect.Certificate) string {
	if c.StandIn {
		return "a stand-in that browsers refuse: no usable Secret"
	}
	return fmt.Sprintf("%s, for %s, by %s, until %s", c.Secret, strings.Join(c.Names, " "), c.Issuer, c.Ends.Format(time.DateOnly))
}
