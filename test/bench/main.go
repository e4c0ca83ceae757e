// Bench measures Legation from end to end, beside a bare gRPC stream and beside
// go-control-plane's caches and server, in one run on one machine.
//
// Servers and Envoys are processes of their own on 127.0.0.1; figures are CPU
// time of the server process, and times from a change to its arrival, taken with
// the machine's monotonic clock. It needs about 1,100 open files in each process
// for 1,000 Envoys.
//
// Start reading at run; a file per suite.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"legation.dev/test/bench/clients"
	"legation.dev/test/bench/cost"
	"legation.dev/test/bench/peer"
	"legation.dev/test/bench/proc"
)

// The roles of this program's processes; see package proc.
const (
	roleServer  = "server"
	roleClients = "clients"
	roleCost    = "cost"
)

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start() error {
	switch role := proc.Role(); role {
	case "":
	case roleServer:
		return proc.Serve("Server", peer.NewServer())
	case roleClients:
		return proc.Serve("Clients", clients.New())
	case roleCost:
		return proc.Serve("Cost", cost.Meter{})
	default:
		return fmt.Errorf("unknown role %q", role)
	}
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return run(ctx, o)
}

// suites are the parts of a run, in order.
var suites = [...]struct {
	name string
	run  func(*bench) error
}{
	{"translation", (*bench).translation},
	{"latency", (*bench).latency},
	{"fan-out", (*bench).fanout},
	{"rate", (*bench).rate},
	{"reconnect", (*bench).reconnect},
	{"peers", (*bench).peers},
	{"tls-hosts", (*bench).tlsHosts},
	{"requests", (*bench).requests},
	{"features", (*bench).features},
	{"push", (*bench).push},
}

func suiteNames() []string {
	var names []string
	for _, s := range suites {
		names = append(names, s.name)
	}
	return names
}

// bench is one run.
type bench struct {
	ctx     context.Context
	options options
	results Results
}

// run runs the suites and prints their tables. A suite that fails does not keep
// the others from running.
func run(ctx context.Context, o options) error {
	b := &bench{ctx: ctx, options: o, results: Results{Machine: proc.ThisMachine(), Size: o.size()}}
	var errs []error
	for _, s := range suites {
		if !o.wants(s.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s\n", s.name)
		if err := s.run(b); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	if o.json {
		errs = append(errs, b.results.writeJSON(os.Stdout))
	} else {
		b.results.print(os.Stdout)
	}
	return errors.Join(errs...)
}

func (r *Results) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (o options) wants(suite string) bool { return len(o.only) == 0 || slices.Contains(o.only, suite) }

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}
