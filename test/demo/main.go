// Command demo shows Legation at work on this machine: sample backends, `legation
// serve` on a folder of manifests, a real Envoy, clients that notice everything,
// and a stream of changes under them.
//
// It uses what users have: the built binary, files, and the gRPC services that
// grpcurl reads. Everything that it starts ends with it.
//
// Start reading at run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	http, https, xds, web, api, page int // ports
	length                           time.Duration
	changes                          time.Duration
	clients                          int
	binary, examples                 string
}

func main() {
	// Children end with the thread that started them (Pdeathsig): the main one.
	runtime.LockOSThread()
	o := parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

func parse() options {
	var o options
	flag.IntVar(&o.http, "http", 10080, "port of Envoy's http listener")
	flag.IntVar(&o.https, "https", 10443, "port of Envoy's https listener")
	flag.IntVar(&o.xds, "xds", 18000, "port of legation serve")
	flag.IntVar(&o.page, "page", 18090, "port of the page for browsers")
	flag.IntVar(&o.web, "web", 8081, "port of the backend of Service web")
	flag.IntVar(&o.api, "api", 8082, "port of the backend of Service api")
	flag.DurationVar(&o.length, "for", 0, "end by itself after this time; 0: serve until Ctrl-C")
	flag.DurationVar(&o.changes, "changes", 15*time.Second, "how long changes are made")
	flag.IntVar(&o.clients, "clients", 6, "clients of each kind: HTTP/1.1, HTTP/2, WebSocket, each plain and over TLS")
	flag.StringVar(&o.binary, "legation", "bin/legation", "the built binary")
	flag.StringVar(&o.examples, "examples", "examples/shop", "the folder of manifests to begin with")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: unexpected argument %q\n", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}
	return o
}

// run is the demo. Its error says that something failed, or that a client noticed
// a change.
func run(ctx context.Context, o options) (err error) {
	begin := time.Now()
	if err := checkPorts(o); err != nil {
		return err
	}
	s, err := newDemo(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.start(ctx); err != nil {
		return ended(ctx, err)
	}
	printCurl(os.Stdout, o)
	fmt.Printf("The page for browsers: %s\n\n", s.link)
	err = s.show(ctx, s.showTime(begin))
	if err != nil {
		return ended(ctx, err)
	}
	return s.serveOn(ctx, begin)
}

// ended is err, unless it is Ctrl-C's doing.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// showTime is how long changes are made, so that a demo with an end ends in time.
func (s *demo) showTime(begin time.Time) time.Duration {
	if s.length == 0 {
		return s.changes
	}
	return min(s.changes, max(time.Second, s.length-time.Since(begin)))
}

// serveOn goes on serving until the demo is over.
func (s *demo) serveOn(ctx context.Context, begin time.Time) error {
	var over <-chan time.Time
	if s.length > 0 {
		over = time.After(s.length - time.Since(begin))
	} else {
		fmt.Println("\nOpen", s.link, "in a browser: who is connected, what changed, and why a request is answered as it is.")
		fmt.Println("Serving on. Edit the manifests in", s.folder.path, "and watch; Ctrl-C ends everything.")
	}
	select {
	case <-ctx.Done():
		return nil
	case <-over:
		return nil
	case <-s.legation.done:
		return fmt.Errorf("legation serve ended: %w", s.legation.err)
	case <-s.envoy.Done():
		return s.envoy.Err()
	}
}

func printCurl(w *os.File, o options) {
	fmt.Fprintf(w, `
Envoy has its whole configuration. In another terminal:

  curl http://shop.localhost:%[1]d/            # answered by Service web
  curl http://shop.localhost:%[1]d/api         # answered by Service api
  curl -k https://secure.localhost:%[2]d/      # TLS
  curl -i http://secure.localhost:%[1]d/       # redirected to https
  bin/legation translate %[4]s
  grpcurl -plaintext 127.0.0.1:%[3]d envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus

`, o.http, o.https, o.xds, o.examples)
}
