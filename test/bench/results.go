package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"legation.dev/test/bench/clients"
	"legation.dev/test/bench/cost"
	"legation.dev/test/bench/peer"
	"legation.dev/test/bench/proc"
	"legation.dev/test/bench/world"
)

// Results is what a run found, as it is printed in JSON. Sizes are in bytes.
type Results struct {
	Machine     proc.Machine
	Size        world.Size // of all but Translation
	Translation []cost.Cost
	FreshLoad   Load
	Latency     []Latency
	Fanout      []Fanout
	Rate        []Rate
	Reconnect   []Reconnect
	Peers       []Peer
	Hosts       []Hosts
	HostChanges []HostChange
	Requests    []Request
	Prices      []Price
	Pushes      []Push
}

// Load is the start of a server and the first load of one fresh Envoy.
type Load struct {
	Server, Took     time.Duration
	Bytes, Resources int64
}

// Latency is one Envoy's.
type Latency struct {
	Change string
	Count  int
	clients.Latencies
	CPU   time.Duration // of the server, for each change
	Bytes int64         // to the Envoy, for each change
}

// Fanout is one change to many Envoys. CPU and bytes are for each push.
type Fanout struct {
	Server             peer.Kind
	Envoys             int
	Changes            int
	First, Last, Worst time.Duration
	CPU                time.Duration // of the server
	ClientCPU          time.Duration // of the Envoys' process
	Bytes              int64
	Heap               uint64 // live, after a collection
	RSS                uint64 // before it

	totalCPU, totalClientCPU time.Duration
	received                 int64
}

// Rate is many changes to many Envoys.
type Rate struct {
	Envoys, Changes int
	Over            time.Duration
	clients.Latencies
	Cores       float64       // that the server used, while changes came
	CPU         time.Duration // of the server, for each change and Envoy
	PerResponse float64       // resources; above 1, changes travelled together
}

// Reconnect is the return of many Envoys at once.
type Reconnect struct {
	Server    peer.Kind
	Envoys    int
	Changed   bool          // one endpoint has changed while they were away
	Took      time.Duration // until the last one is served
	CPU       time.Duration // of the server, for each Envoy
	Resources int64         // sent although they had them
	PeakHeap  uint64
	PeakRSS   uint64
	Heap      uint64 // live, after a collection
}

// Peer is go-control-plane's server, or Legation measured in the same way.
type Peer struct {
	Fanout
	Load      time.Duration // of one fresh Envoy
	Reconnect Reconnect
}

// Hosts is what each of many TLS hosts costs a fresh Envoy. Builds are "this tree", or
// the names of other binaries.
type Hosts struct {
	Build string
	Hosts int
	RSS   uint64        // for each host
	Heap  uint64        // of it in use
	CPU   time.Duration // of the main thread, for each host
}

// HostChange is a change of one TLS host beside many. Bytes and CPU are medians.
type HostChange struct {
	Build, Change   string
	Times           int
	Bytes           int64         // to Envoy
	CPU             time.Duration // of its main thread, beyond that of rest
	Touched, Others int           // connections of other hosts
}

// Request is what one request costs the workers of an Envoy.
type Request struct {
	Build            string
	Runs, Each       int           // runs, and requests of one
	CPU              time.Duration // median
	Ratio, Low, High float64       // of this tree's to this build's in the same turn: median and quartiles
	ratios           []float64
}

// Price is what one request costs the workers of an Envoy on a route with one feature.
type Price struct {
	Feature          string
	Runs, Each       int
	CPU              time.Duration // median
	Ratio, Low, High float64       // to a plain route in the same turn: median and quartiles
}

// Push is what new hosts with paths of one kind cost the main thread of a real Envoy.
type Push struct {
	Class, Feature   string
	Hosts, Paths     int // of each
	Runs             int
	Bytes            int64         // that Envoy is sent, median
	CPU              time.Duration // median
	Ratio, Low, High float64       // of the CPU to plain paths in the same turn: median and quartiles
}

// print writes tables for people.
func (r *Results) print(w io.Writer) {
	fmt.Fprintf(w, "%d cores, %s, %s %s, %s\n", r.Machine.Cores, r.Machine.CPU, r.Machine.Go, r.Machine.OS,
		r.Machine.Started.UTC().Format(time.DateOnly))
	r.printTranslation(w)
	fmt.Fprintf(w, "\nWhat follows: %d Services, %d endpoints each, a host each, every tenth with TLS.\n", r.Size.Services, r.Size.Endpoints)
	r.printLatency(w)
	r.printFanout(w)
	r.printRate(w)
	r.printReconnect(w)
	r.printPeers(w)
	r.printHosts(w)
	r.printPrices(w)
	r.printPushes(w)
}

func (r *Results) printTranslation(w io.Writer) {
	t := newTable(w, "Translation, without sending", len(r.Translation), "Services", "change", "time", "allocations", "allocated", "computed", "offered", "bytes offered")
	for _, x := range r.Translation {
		t.row(x.Services, x.Change, x.Time, x.Allocs, size(x.Allocated), x.Computed, x.Offered, size(x.Bytes))
	}
	t.end()
}

func (r *Results) printLatency(w io.Writer) {
	if l := r.FreshLoad; l.Took > 0 {
		fmt.Fprintf(w, "\nCold start of the server %v; first load of a fresh Envoy %v, %d resources, %s.\n",
			round(l.Server), round(l.Took), l.Resources, size(l.Bytes))
	}
	t := newTable(w, "One Envoy: from a change to its arrival", len(r.Latency), "change", "times", "p50", "p99", "max", "server CPU/change", "bytes/change")
	for _, x := range r.Latency {
		t.row(x.Change, x.Count, x.P50, x.P99, x.Max, x.CPU, x.Bytes)
	}
	t.end()
}

func (r *Results) printFanout(w io.Writer) {
	t := newTable(w, "One endpoint change to many Envoys", len(r.Fanout), "server", "Envoys", "first", "last", "worst", "server CPU/push", "to bare", "client CPU/push", "bytes/push", "heap", "RSS")
	for i, x := range r.Fanout {
		ratio := ""
		if x.Server != peer.Bare && i+1 < len(r.Fanout) && r.Fanout[i+1].CPU > 0 {
			ratio = fmt.Sprintf("%.2f x", float64(x.CPU)/float64(r.Fanout[i+1].CPU))
		}
		t.row(x.Server, x.Envoys, x.First, x.Last, x.Worst, x.CPU, ratio, x.ClientCPU, x.Bytes, size(x.Heap), size(x.RSS))
	}
	t.end()
}

func (r *Results) printRate(w io.Writer) {
	t := newTable(w, "50 endpoint changes a second", len(r.Rate), "Envoys", "changes", "over", "p50", "p99", "max", "cores", "CPU/change/Envoy", "changes/response")
	for _, x := range r.Rate {
		t.row(x.Envoys, x.Changes, x.Over, x.P50, x.P99, x.Max, fmt.Sprintf("%.2f", x.Cores), x.CPU, fmt.Sprintf("%.1f", x.PerResponse))
	}
	t.end()
}

func (r *Results) printReconnect(w io.Writer) {
	t := newTable(w, "All Envoys reconnect at once", len(r.Reconnect), "Envoys", "changed", "all served after", "server CPU/Envoy", "resources sent", "peak heap", "peak RSS", "heap after")
	for _, x := range r.Reconnect {
		changed := "nothing"
		if x.Changed {
			changed = "1 endpoint"
		}
		t.row(x.Envoys, changed, x.Took, x.CPU, x.Resources, size(x.PeakHeap), size(x.PeakRSS), size(x.Heap))
	}
	t.end()
}

func (r *Results) printPeers(w io.Writer) {
	t := newTable(w, "Beside go-control-plane with its own server", len(r.Peers), "server", "Envoys", "first", "last", "server CPU/push", "heap", "fresh load", "reconnect", "CPU/Envoy", "resources sent")
	for _, x := range r.Peers {
		t.row(x.Server, x.Envoys, x.First, x.Last, x.CPU, size(x.Heap), x.Load, x.Reconnect.Took, x.Reconnect.CPU, x.Reconnect.Resources)
	}
	t.end()
}

func (r *Results) printHosts(w io.Writer) {
	t := newTable(w, "TLS hosts of a fresh, real Envoy", len(r.Hosts), "build", "hosts", "RSS/host", "heap/host", "main thread/host")
	for _, x := range r.Hosts {
		t.row(x.Build, x.Hosts, size(x.RSS), size(x.Heap), x.CPU)
	}
	t.end()
	t = newTable(w, "One TLS host changes", len(r.HostChanges), "build", "change", "times", "bytes", "main thread", "connections of others touched")
	for _, x := range r.HostChanges {
		t.row(x.Build, x.Change, x.Times, x.Bytes, x.CPU, fmt.Sprintf("%d of %d", x.Touched, x.Others))
	}
	t.end()
	t = newTable(w, "Worker CPU for each request", len(r.Requests), "build", "runs", "requests", "CPU", "this tree to it", "quartiles")
	for _, x := range r.Requests {
		t.row(x.Build, x.Runs, x.Each, x.CPU, fmt.Sprintf("%.3f", x.Ratio), fmt.Sprintf("%.3f to %.3f", x.Low, x.High))
	}
	t.end()
}

func (r *Results) printPrices(w io.Writer) {
	t := newTable(w, "Worker CPU for a request to a route with one feature", len(r.Prices), "feature", "runs", "requests", "CPU", "to a plain route", "quartiles")
	for _, x := range r.Prices {
		t.row(x.Feature, x.Runs, x.Each, x.CPU, fmt.Sprintf("%.2f", x.Ratio), fmt.Sprintf("%.2f to %.2f", x.Low, x.High))
	}
	t.end()
}

func (r *Results) printPushes(w io.Writer) {
	t := newTable(w, "New hosts of a real Envoy: its main thread", len(r.Pushes), "class", "hosts", "paths of each", "with", "runs", "bytes", "CPU", "to plain ones", "quartiles")
	for _, x := range r.Pushes {
		t.row(x.Class, x.Hosts, x.Paths, x.Feature, x.Runs, size(x.Bytes), x.CPU, fmt.Sprintf("%.2f", x.Ratio), fmt.Sprintf("%.2f to %.2f", x.Low, x.High))
	}
	t.end()
}

// table aligns columns; one without rows is not printed.
type table struct {
	*tabwriter.Writer
	rows int
}

func newTable(w io.Writer, title string, rows int, columns ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight), rows}
	if rows > 0 {
		fmt.Fprintf(w, "\n%s\n", title)
		fmt.Fprintln(t, strings.Join(columns, "\t")+"\t")
	}
	return t
}

func (t table) row(cells ...any) {
	for _, c := range cells {
		if d, ok := c.(time.Duration); ok {
			c = round(d)
		}
		fmt.Fprintf(t, "%v\t", c)
	}
	fmt.Fprintln(t)
}

func (t table) end() { t.Flush() }

// round keeps three digits or so.
func round(d time.Duration) time.Duration {
	for unit := time.Second; unit > 1; unit /= 10 {
		if d >= 100*unit {
			return d.Round(unit)
		}
	}
	return d
}

func size[N ~int64 | ~uint64](n N) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}
