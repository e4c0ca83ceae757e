package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"legation.dev/test/bench/world"
)

// options are what a run is told. Sizes default to the figures that the project
// aims at (docs/benchmarks.md).
type options struct {
	short     bool
	json      bool
	only      []string
	sizes     []int // Services, of the translation suite
	services  int   // of the others
	endpoints int   // of each Service
	long      bool  // names are as long as Kubernetes lets them be
	tls       bool  // Legation's wire is mutual TLS, and each Envoy has an address of its own
	streams   []int // Envoys
	peers     []int // Envoys of go-control-plane's server
	profile   string
	hosts     int    // TLS hosts of a real Envoy
	turns     int    // of changes of one TLS host
	beside    string // other builds of legation
}

func parse(args []string) (options, error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "usage: go run . [flags]\n\nSuites: %s.\n\n", strings.Join(suiteNames(), ", "))
		f.PrintDefaults()
	}
	var o options
	var only, sizes, streams, peers string
	f.BoolVar(&o.short, "short", false, "small sizes, less than a minute: does it run at all?")
	f.BoolVar(&o.json, "json", false, "print JSON; times in nanoseconds, sizes in bytes")
	f.StringVar(&only, "only", "", "only these `suites`, separated by commas")
	f.StringVar(&sizes, "sizes", "100,1000,10000", "Services of the translation suite")
	f.IntVar(&o.services, "services", 10_000, "Services of the other suites")
	f.IntVar(&o.endpoints, "endpoints", 10, "endpoints of each Service")
	f.BoolVar(&o.long, "long", false, "names of namespaces, Services and hosts as long as Kubernetes lets them be")
	f.BoolVar(&o.tls, "tls", false, "mutual TLS between Legation and its Envoys, each of which has an address of its own in 127.0.0.0/8")
	f.StringVar(&streams, "streams", "1,100,1000", "`numbers` of Envoys")
	f.StringVar(&peers, "peers", "1,100", "`numbers` of Envoys of go-control-plane's server")
	f.StringVar(&o.profile, "profile", "", "write CPU profiles of Legation into this `directory`")
	f.IntVar(&o.hosts, "hosts", 1000, "TLS hosts of the suite tls-hosts")
	f.IntVar(&o.turns, "turns", 7, "of changes of one TLS host, in tls-hosts; 0: only what many cost")
	f.StringVar(&o.beside, "beside", "", "`binaries` of legation, separated by commas, that the suites tls-hosts and requests measure in turns with this tree's")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.only = split(only)
	for _, s := range o.only {
		if !slices.Contains(suiteNames(), s) {
			return o, fmt.Errorf("no suite is called %q; there are %s", s, strings.Join(suiteNames(), ", "))
		}
	}
	if o.short {
		o.services = min(o.services, 300)
		sizes, streams, peers = "100,300", "1,20", "5"
		o.hosts, o.turns = min(o.hosts, 30), min(o.turns, 1)
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return o, err
		}
	}
	return o, o.numbers(sizes, streams, peers)
}

func (o *options) numbers(sizes, streams, peers string) (err error) {
	for _, list := range []struct {
		text string
		to   *[]int
	}{{sizes, &o.sizes}, {streams, &o.streams}, {peers, &o.peers}} {
		for _, word := range split(list.text) {
			n, err := strconv.Atoi(word)
			if err != nil || n < 1 {
				return fmt.Errorf("%q is not a number of things", word)
			}
			*list.to = append(*list.to, n)
		}
		if len(*list.to) == 0 {
			return fmt.Errorf("an empty list of numbers")
		}
	}
	return nil
}

func (o options) size() world.Size {
	return world.Size{Services: o.services, Endpoints: o.endpoints, Long: o.long}
}

// most is the largest number of Envoys.
func (o options) most() int { return slices.Max(o.streams) }
