package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/inspect"
	"legation.dev/xds/admin/adminv1"
)

// Values of --by.
const (
	byService = "service"
	byEnvoy   = "envoy"
)

// trafficFlags are the flags of `legation traffic`.
type trafficFlags struct {
	inspectFlags
	by    string
	total bool
}

func trafficCommand() *cobra.Command {
	f := &trafficFlags{}
	c := &cobra.Command{
		Use:   "traffic [NAMESPACE/SERVICE]",
		Short: "List the requests to Services, and how their connections end",
		Long: `Asks a running Legation, and through it all its replicas (--peers of 'legation serve'),
what its Envoys have counted of the last whole minute. A Service without traffic has no
line, and so has what only Envoys saw that do not report: those of the bootstrap of 0.1,
or of --reports 0.

ERRORS are answers with a status of 500 or above, of an endpoint or of Envoy in its
place. CLOSED are connections that an endpoint closed, IN USE those of them with a
request under way: such requests fail, unless they may be sent again. LIVED is how old
connections were on average that ended. EJECTED is how many endpoints an Envoy keeps out
now because they failed (the most at one Envoy), CHECKS how many health checks failed.
TIMEOUTS are requests that no endpoint answered within request-timeout, OVERFLOW those
that were refused as the Service was at its limit. P50 and P99 are within which time half of
the answers, and 99 of 100, were whole, as far as Envoy's buckets tell; not by Envoy.

A replica that does not answer is named, and the exit status is 1.`,
		Example: `  legation traffic
  legation traffic shop/checkout --by envoy
  legation traffic --total -o json`,
		Args: cli.Arguments(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, strings.Join(args, "")) },
	}
	f.register(c)
	c.Flags().StringVar(&f.fleet, "fleet", "", "only of this fleet, which is the name of an IngressClass")
	c.Flags().StringVar(&f.by, "by", byService, "service, or envoy for a line for each Envoy")
	c.Flags().BoolVar(&f.total, "total", false, "all since each replica was started, in place of the last minute; not by Envoy")
	complete(c, "by", byService, byEnvoy)
	f.completeFlag(c, "fleet", knownFleets)
	c.ValidArgsFunction = f.completer(knownServices)
	return c
}

// run asks for the traffic of a Service, or of all if it is empty.
func (f *trafficFlags) run(c *cobra.Command, service string) error {
	if f.by != byService && f.by != byEnvoy {
		return cli.Usage(c, fmt.Errorf("--by %q: want service or envoy", f.by))
	}
	request := &adminv1.TrafficRequest{Fleet: f.fleet, Service: service, ByEnvoy: f.by == byEnvoy, Total: f.total}
	if request.GetTotal() && request.GetByEnvoy() {
		return cli.Usage(c, errors.New("--total is by Service only, without --by envoy"))
	}
	return f.ask(c, inspectTime, func(ctx context.Context, admin adminv1.AdminClient) error {
		answer, err := admin.Traffic(ctx, request)
		if err != nil {
			return err
		}
		names := slices.Compact(namesOf(answer.GetTraffic(), (*adminv1.Traffic).GetService))
		err = f.print(c.OutOrStdout(), answer, names, func() error { return f.writeTraffic(c.OutOrStdout(), answer, request) })
		if err != nil {
			return err
		}
		return complain(c.ErrOrStderr(), answer.GetReplicas())
	})
}

func (f *outputFlags) writeTraffic(w io.Writer, answer *adminv1.TrafficResponse, asked *adminv1.TrafficRequest) error {
	if !asked.GetTotal() {
		if answer.GetFrom() == nil {
			_, err := fmt.Fprintln(w, "No Envoy has reported for a whole minute yet.")
			return err
		}
		fmt.Fprintf(w, "%s to %s\n\n", clock(answer.GetFrom().AsTime()), clock(answer.GetTo().AsTime()))
	}
	if len(answer.GetTraffic()) == 0 {
		_, err := fmt.Fprintln(w, "There was no traffic.")
		return err
	}
	table := f.newTable(w, 0)
	who := "ENVOYS"
	if asked.GetByEnvoy() {
		who = "ENVOY"
	}
	row(table, "FLEET", "SERVICE", who, "REQUESTS", "ERRORS", "CONNECT FAILED", "CLOSED", "IN USE", "LIVED", "EJECTED", "CHECKS", "TIMEOUTS", "OVERFLOW", "P50", "P99")
	for _, t := range answer.GetTraffic() {
		row(table, t.GetFleet(), t.GetService(), seenBy(t), fmt.Sprint(t.GetRequests()), fmt.Sprint(t.GetErrors()), fmt.Sprint(t.GetConnectFailures()),
			fmt.Sprint(t.GetRemoteCloses()), fmt.Sprint(t.GetRemoteClosesInUse()), lived(t.GetLengths()), fmt.Sprint(t.GetEjections()), fmt.Sprint(t.GetFailedChecks()),
			fmt.Sprint(t.GetTimeouts()), fmt.Sprint(t.GetOverflows()), took(t, 50), took(t, 99))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, t := range answer.GetTraffic() {
		for _, cause := range reasons(t) {
			fmt.Fprintf(w, "\n%s: %s\n", t.GetService(), cause)
		}
	}
	return nil
}

// closedShare is which part of the requests of a Service may meet a connection that its
// servers close afterwards: a roll-out closes some, a short keep-alive one for each pause.
const closedShare = 10

// reasons are what the numbers of a Service say about why requests fail.
func reasons(t *adminv1.Traffic) (list []string) {
	if n := t.GetConnectFailures(); n > 0 {
		list = append(list, fmt.Sprintf("%d times an endpoint could not be connected to: does a server listen at the port that its EndpointSlices name, and may Envoy reach it?", n))
	}
	if n := t.GetRemoteCloses(); t.GetRemoteClosesInUse() > 0 || n > 0 && n*closedShare >= t.GetRequests() {
		list = append(list, fmt.Sprintf("%d connections were closed by its servers, %d of them under a request: upstream-idle-timeout has to be below their keep-alive", n, t.GetRemoteClosesInUse()))
	}
	if n := t.GetTimeouts(); n > 0 {
		list = append(list, fmt.Sprintf("%d requests were not answered within request-timeout", n))
	}
	if n := t.GetOverflows(); n > 0 {
		list = append(list, fmt.Sprintf("%d requests were refused as it is at its limit: max-connections are open, and max-pending-requests wait", n))
	}
	return list
}

// clock is a time of day for people who look at it beside others.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// seenBy is the Envoy of a line, or how many there are.
func seenBy(t *adminv1.Traffic) string {
	if t.GetEnvoy() != "" || t.GetEnvoys() == 0 {
		return t.GetEnvoy()
	}
	return fmt.Sprint(t.GetEnvoys())
}

// took is within which time so many of 100 requests were answered; empty if none was.
func took(t *adminv1.Traffic, percent uint64) string {
	if t.GetTimes().GetCount() == 0 {
		return ""
	}
	return inspect.Percentile(t.GetTimes(), percent).String()
}

// lived is how old connections were on average; empty if none ended.
func lived(l *adminv1.Lengths) string {
	if l.GetCount() == 0 {
		return ""
	}
	return rounded(time.Duration(l.GetSumMs()/l.GetCount()) * time.Millisecond)
}
