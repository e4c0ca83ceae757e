//go:build real

package source

import (
	"bufio"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"legation.dev/test/incluster"
	"legation.dev/translator/worlds"
)

const (
	// changesEach is how many changes of a kind the cost of one is a mean of.
	changesEach = 50
	// changeEvery is far more than the worst of them needs.
	changeEvery = 500 * time.Millisecond
	// sizeLimit bounds one size.
	sizeLimit = 10 * time.Minute
)

var workers = flag.Int("workers", 0, "of BenchmarkSize: how many workers Envoy has; 0: one for each CPU")

// BenchmarkSize measures what a replica of bin/legation and an Envoy need at a
// number of Ingresses, each with a Service of its own with 10 endpoints, every tenth
// with TLS: memory at its highest, CPU of a start and of a change (docs/operating.md).
//
//	go test -tags real ./test/source -run NONE -bench Size -benchtime 1x -timeout 30m
func BenchmarkSize(b *testing.B) {
	for _, n := range []int{10, 1000, 2000, 5000, 10_000} {
		b.Run(fmt.Sprintf("ingresses=%d", n), func(b *testing.B) {
			for b.Loop() {
				measureSize(b, n)
			}
			b.ReportMetric(0, "ns/op") // says nothing
		})
	}
}

func measureSize(b *testing.B, n int) {
	world(b)
	ctx, cancel := context.WithTimeout(b.Context(), sizeLimit)
	defer cancel()
	w := worlds.New(9, worlds.Size{Services: n, Endpoints: endpointsEach, Ingresses: n, TLS: 0.1})
	s, err := incluster.Start(ctx, cluster, incluster.Options{Class: worlds.Class, Binary: true, EnvoyArgs: concurrency()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	if err := writeAll(ctx, w.All()[3:]); err != nil { // but for the class and its settings
		b.Fatal(err)
	}
	z := &size{B: b, ctx: ctx, stack: s, replica: s.Replicas[0]}
	z.start()
	z.change("endpoint", func(i int) { write(ctx, b, newest(w.Endpoint(i*7%n))) })
	z.change("path", func(i int) { write(ctx, b, w.Move(n/10+i%(n-n/10), (i+1)%n)) }) // those without TLS
	z.memory()
	z.connections("connection", func() (net.Conn, error) { return net.Dial("tcp", z.envoy.HTTP) })
	z.connections("tls-connection", func() (net.Conn, error) {
		return tls.Dial("tcp", z.envoy.HTTPS, &tls.Config{ServerName: worlds.HostOf(0), InsecureSkipVerify: true}) // a certificate of nobody
	})
}

func concurrency() []string {
	if *workers == 0 {
		return nil
	}
	return []string{"--concurrency", strconv.Itoa(*workers)}
}

// size is one measurement.
type size struct {
	*testing.B
	ctx     context.Context
	stack   *incluster.Stack
	replica *incluster.Replica
	envoy   *incluster.Envoy
}

// start measures a start of the replica, and then of an Envoy, with everything
// there.
func (z *size) start() {
	for _, e := range z.stack.Envoys { // that of the start with nothing
		z.must(z.stack.RemoveEnvoy(e))
	}
	z.must(z.replica.Stop())
	z.must(z.replica.Start(z.ctx))
	z.ReportMetric(z.cpu(z.replica.PID()), "legation-start-cpu-s")
	before := z.cpu(z.replica.PID())
	begin := time.Now()
	var err error
	z.envoy, err = z.stack.AddEnvoy(z.ctx, z.replica)
	z.must(err)
	z.ReportMetric(time.Since(begin).Seconds(), "envoy-ready-s")
	z.ReportMetric(z.cpu(z.envoy.PID()), "envoy-start-cpu-s")
	z.ReportMetric(z.cpu(z.replica.PID())-before, "legation-first-envoy-cpu-s")
}

// change measures what one change costs both.
func (z *size) change(kind string, one func(i int)) {
	legation, envoy := z.cpu(z.replica.PID()), z.cpu(z.envoy.PID())
	tick := time.NewTicker(changeEvery)
	defer tick.Stop()
	for i := range changesEach {
		one(i)
		<-tick.C
	}
	z.ReportMetric(1000*(z.cpu(z.replica.PID())-legation)/changesEach, "legation-"+kind+"-cpu-ms")
	z.ReportMetric(1000*(z.cpu(z.envoy.PID())-envoy)/changesEach, "envoy-"+kind+"-cpu-ms")
}

func (z *size) memory() {
	for name, pid := range map[string]int{"legation": z.replica.PID(), "envoy": z.envoy.PID()} {
		status, err := z.process(pid).NewStatus()
		z.must(err)
		z.ReportMetric(float64(status.VmRSS)/(1<<20), name+"-rss-MiB")
		z.ReportMetric(float64(status.VmHWM)/(1<<20), name+"-peak-rss-MiB")
	}
}

// connectionsEach is of how many connections the memory of one is a mean.
const connectionsEach = 2000

// connections measures what a connection of a client costs Envoy that is idle after
// a request.
func (z *size) connections(kind string, dial func() (net.Conn, error)) {
	before := z.rss()
	for range connectionsEach {
		c, err := dial()
		z.must(err)
		z.Cleanup(func() { c.Close() }) // it stays until all are measured
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
		z.must(err)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		z.must(err)
		if answer.StatusCode != http.StatusNotFound {
			z.Fatalf("the answer is %s", answer.Status)
		}
	}
	z.ReportMetric(float64(z.rss()-before)/(1<<10)/connectionsEach, "envoy-"+kind+"-KiB")
}

// rss is Envoy's, in bytes.
func (z *size) rss() int64 {
	status, err := z.process(z.envoy.PID()).NewStatus()
	z.must(err)
	return int64(status.VmRSS)
}

// cpu are the seconds that a process has used.
func (z *size) cpu(pid int) float64 {
	stat, err := z.process(pid).Stat()
	z.must(err)
	return stat.CPUTime()
}

func (z *size) process(pid int) procfs.Proc {
	p, err := procfs.NewProc(pid)
	z.must(err)
	return p
}

func (z *size) must(err error) {
	z.Helper()
	if err != nil {
		z.Fatal(err)
	}
}
