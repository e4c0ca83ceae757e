package main

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/inspect"
)

// whyFlags are the flags of `legation why`.
type whyFlags struct {
	outputFlags
	source              onceFlags
	method, from, class string
	headers             []string
}

func whyCommand() *cobra.Command {
	f := &whyFlags{}
	c := &cobra.Command{
		Use:   "why URL [PATH]",
		Short: "Print what becomes of a request, and which object decides that",
		Long: `Decides one request by the objects of a folder or file of manifests, or of a cluster,
which is read once: which virtual host takes it, which rule of which Ingress, what it has
to pass first, where it goes or what it is answered, and what is wrong with the objects
concerned. For https it says which certificate the client is shown. It sends nothing.

Rules that were passed over are printed with the reason, those with the same path first.
What a backend answers, and what a password, a certificate or an authorization service
says, is not known here.

The exit status is 1 if no endpoint and no redirect answers.`,
		Example: `  legation why http://shop.localhost/cart examples/shop
  legation why https://shop.example.com/ --kubeconfig ~/.kube/config --from 203.0.113.7
  legation why https://shop.example.com/api manifests --method POST --header 'X-Canary: always' -o json`,
		Args: cli.Arguments(cobra.RangeArgs(1, 2)),
		RunE: f.run,
	}
	flags := c.Flags()
	f.source.register(c)
	flags.StringVar(&f.class, "class", "", "only the fleet of this IngressClass")
	flags.StringVarP(&f.method, "method", "X", http.MethodGet, "the method of the request")
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "a header of the request, 'Name: value'; may be repeated")
	flags.StringVar(&f.from, "from", "", "the address of the client, for rules that ask for it")
	f.registerOutput(c)
	return c
}

func (f *whyFlags) run(c *cobra.Command, args []string) error {
	q, err := f.question(args)
	if err == nil {
		err = f.source.check(c.Flags())
	}
	if err != nil {
		return cli.Usage(c, err)
	}
	result, err := f.source.translate(c.Context())
	if err != nil {
		return err
	}
	list := inspect.Asks(result, q, f.class, time.Now())
	if len(list) == 0 {
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

// question is the request that the arguments say.
func (f *whyFlags) question(args []string) (q inspect.Question, err error) {
	text := args[0]
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	if err := f.checkOutput(); err != nil {
		return q, err
	}
	q = inspect.Question{Method: strings.ToUpper(f.method), Headers: http.Header{}}
	q.URL, err = url.Parse(text)
	switch {
	case err != nil:
		return q, err
	case q.URL.Scheme != "http" && q.URL.Scheme != "https" || q.URL.Host == "":
		return q, fmt.Errorf("%q: want http://HOST/PATH or https://HOST/PATH", args[0])
	}
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || name == "" {
			return q, fmt.Errorf("--header %q: want 'Name: value'", h)
		}
		q.Headers.Add(name, strings.TrimSpace(value))
	}
	if f.from != "" {
		if q.From, err = netip.ParseAddr(f.from); err != nil {
			return q, fmt.Errorf("--from %q: want an IP address", f.from)
		}
	}
	return q, f.source.named(args[1:])
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
			writeAnswer(table, a)
		}
		writeSet(table, "route", y.Settings)
		for n, l := range y.Lost {
			if n == mostLost {
				fmt.Fprintf(table, "  passed over\tand %d more: see -o json\n", len(y.Lost)-n)
				break
			}
			fmt.Fprintf(table, "  passed over\t%s: %s\n", l.Rule, l.Why)
		}
		for _, p := range y.Problems {
			fmt.Fprintf(table, "  problem\t%s: %s\n", p.Code, p.Error())
		}
	}
	return table.Flush()
}

func writeAnswer(w io.Writer, a inspect.Answer) {
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
