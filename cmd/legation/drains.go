package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/tools/clientcmd"

	"legation.dev/cmd/cli"
	"legation.dev/cmd/reach"
	"legation.dev/drain"
	"legation.dev/drain/event"
)

// drainsFlags are those of `legation drains`.
type drainsFlags struct {
	outputFlags
	clusterFlags
	namespace string
	cut       bool
}

// drained is a drain that has ended.
type drained struct {
	Time      time.Time    `json:"time"`
	Namespace string       `json:"namespace"`
	Pod       string       `json:"pod"`
	Warning   bool         `json:"warning"` // clients lost something, or may have
	Report    drain.Report `json:"report"`
}

func drainsCommand() *cobra.Command {
	f := &drainsFlags{}
	c := &cobra.Command{
		Use:   "drains",
		Short: "List how Envoys ended: how long each drain took, and what was cut",
		Long: `Lists the Events on the pods of Envoys that tell how a drain ended (envoy.drainEvents of the
chart): by shutdown-manager, or by the control plane where the pod has no token. They outlive
the pods by an hour, or as long as the API server keeps Events. The right to list events.events.k8s.io is the guard. No control plane
has to run now.`,
		Example: `  legation drains
  legation drains -n legation --cut
  legation drains -o jsonpath='{.drains[*].report.requests_cut}'`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	f.registerCluster(c)
	f.registerOutput(c)
	c.Flags().StringVarP(&f.namespace, "namespace", "n", "", "namespace of the pods with Envoys (default: all)")
	c.Flags().BoolVar(&f.cut, "cut", false, "only drains in which clients lost something, or may have")
	return c
}

func (f *drainsFlags) run(c *cobra.Command) error {
	if err := f.checkOutput(); err != nil {
		return cli.Usage(c, err)
	}
	config, fallback, err := f.config()
	if clientcmd.IsEmptyConfig(err) {
		return errNoCluster
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), inspectTime)
	defer cancel()
	events, err := reach.Cluster{REST: config, Namespace: f.namespace, Fallback: fallback}.Events(ctx, event.Reason, event.Controller)
	if err != nil {
		return err
	}
	list := []drained{}
	for _, e := range events {
		if d, err := drainedOf(e); err != nil {
			fmt.Fprintln(c.ErrOrStderr(), err)
		} else if d.Warning || !f.cut {
			list = append(list, d)
		}
	}
	names := namesOf(list, func(d drained) string { return d.Pod })
	return f.print(c.OutOrStdout(), map[string]any{"drains": list}, names, func() error { return f.writeDrains(c.OutOrStdout(), list) })
}

// drainedOf reads an Event. One whose report cannot be read is an error.
func drainedOf(e eventsv1.Event) (drained, error) {
	d := drained{Time: e.EventTime.Time, Namespace: e.Regarding.Namespace, Pod: e.Regarding.Name, Warning: e.Type == event.Warning}
	if err := json.Unmarshal([]byte(e.Annotations[event.Annotation]), &d.Report); err != nil {
		return drained{}, fmt.Errorf("the report in Event %s/%s cannot be read: %w", e.Namespace, e.Name, err)
	}
	return d, nil
}

func (f *drainsFlags) writeDrains(w io.Writer, list []drained) error {
	if len(list) == 0 {
		where := "any namespace"
		if f.namespace != "" {
			where = "namespace " + f.namespace
		}
		_, err := fmt.Fprintf(w, "no Event of %s tells of such a drain\n", where)
		return err
	}
	table := f.newTable(w, 2)
	row(table, "ENDED", "POD", "BECAUSE", "TOOK", "FINISHED", "REQUESTS CUT", "WEBSOCKETS CUT", "ANSWERS CUT", "CUT FROM", "CLOSED IN ORDER", "NAMESPACE")
	for _, d := range list {
		r := d.Report
		row(table, d.Time.Local().Format(time.DateTime), d.Pod, r.Reason, rounded(time.Duration(r.Seconds*float64(time.Second))),
			counted(r, r.RequestsFinished), counted(r, r.RequestsCut), counted(r, r.UpgradesCut), counted(r, r.AnswersCut), cutFrom(r), counted(r, r.ClosedGracefully), d.Namespace)
	}
	return table.Flush()
}

// counted is a count of a report whose counts may say nothing.
func counted(r drain.Report, n uint64) string {
	if !r.Known {
		return "unknown"
	}
	return fmt.Sprint(n)
}

// cutFrom are the first few endpoints whose requests were cut.
func cutFrom(r drain.Report) string {
	var list []string
	for _, from := range r.CutFrom {
		list = append(list, fmt.Sprintf("%s %s (%d)", from.Cluster, from.Address, from.Requests))
	}
	text := some(list, fewHosts)
	if r.CutFromOthers > 0 {
		text += fmt.Sprintf(" and others (%d)", r.CutFromOthers)
	}
	return strings.TrimSpace(text)
}
