package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"legation.dev/test/load"
)

// print prints what the changes did to the clients.
func (s *scene) print(w io.Writer, r load.Results) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "\nchange\ttimes\tfile to ACK, median\tmax\n")
	var all times
	for _, kind := range s.order {
		t := *s.timing[kind]
		all = append(all, t...)
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", kind, len(t), short(t.quantile(0.5)), short(t.quantile(1)))
	}
	fmt.Fprintf(table, "all\t%d\t%s\t%s\n\n", len(all), short(all.quantile(0.5)), short(all.quantile(1)))
	for _, row := range []struct {
		name  string
		value any
	}{
		{"changes applied", len(all)},
		{"clients", r.Clients},
		{"requests", r.Requests},
		{"failures", r.Failed},
		{"connections dialled", r.Dials},
		{"connections closed by Envoy", r.Closed},
		{"connections told to close", r.ConnectionClose + r.GoAways},
	} {
		fmt.Fprintf(table, "%s\t%v\n", row.name, row.value)
	}
	table.Flush() // standard output: there is nobody to tell
	for _, f := range r.Examples {
		fmt.Fprintln(w, f)
	}
}

// quantile of the times; 0 if there are none.
func (t times) quantile(q float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func short(d time.Duration) string { return d.Round(time.Millisecond).String() }
