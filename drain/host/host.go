// Package host tells what the kernel knows of an Envoy and Envoy does not: what
// overflows before a connection is accepted, and what runs out.
//
// It reads /proc and asks the kernel for sockets (sock_diag), all of its own
// network namespace, which is that of the pod, or of the node with hostNetwork.
// It changes nothing. The number of series is bounded whatever the number of
// upstreams is.
//
// Start reading at Collector.
package host

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
)

// Collector is a prometheus.Collector that reads when it is scraped. What cannot
// be read has no series, and is told by shutdown_manager_collector_success.
type Collector struct {
	proc  procfs.FS
	envoy func() (pid int, ok bool)
	cpu   cpuCounter
}

// New makes a Collector. envoy is the process id of Envoy, as far as it is known
// here. The error is that there is no /proc.
func New(envoy func() (pid int, ok bool)) (*Collector, error) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, err
	}
	return &Collector{proc: proc, envoy: envoy}, nil
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("shutdown_manager_"+name, help, labels, nil)
}

var (
	overflows = desc("tcp_listen_overflows_total",
		"Connections that the kernel dropped because an accept queue was full, in this network namespace. Envoy has no statistic for them.")
	drops = desc("tcp_listen_drops_total",
		"Connections that the kernel dropped before they were accepted, for whatever reason, in this network namespace.")
	queueWaiting = desc("accept_queue_connections",
		"Connections that wait to be accepted.", "address")
	queueLimit = desc("accept_queue_limit_connections",
		"How many connections may wait to be accepted, over all sockets of the address: its backlog, at most net.core.somaxconn each.", "address")
	queueFullest = desc("accept_queue_fullest_ratio",
		"The largest share of its limit that waits at one socket of the address. At 1 the kernel drops connections.", "address")
	conntrackEntries = desc("conntrack_entries",
		"Connections that the kernel tracks in this network namespace.")
	conntrackLimit = desc("conntrack_limit_entries",
		"How many connections the kernel tracks at most. Beyond it new ones are dropped.")
	portsUsed = desc("ephemeral_ports_in_use",
		"Local ports that connections to an address hold, those in TIME_WAIT included. Addresses with less than 1 % of the range, and all but the first 20, are in \"others\".", "upstream")
	portsLimit = desc("ephemeral_ports_limit",
		"Local ports for connections from one local address to one remote address and port: the size of net.ipv4.ip_local_port_range.")
	openFiles = desc("envoy_open_fds", "File descriptors that Envoy holds.")
	maxFiles  = desc("envoy_max_fds", "How many file descriptors Envoy may hold: its soft limit.")
	// Which threads do what: threads.go.
	cpuSeconds = desc("envoy_cpu_seconds_total",
		"CPU time that Envoy's threads have used: workers serve requests, what the others do is mostly to apply configuration and to tell statistics.", "threads")
	success = desc("collector_success",
		"Whether a part of these metrics could be read at this scrape.", "collector")
)

// parts are what is collected. Each gives all of its metrics or an error.
func (c *Collector) parts() map[string]func(chan<- prometheus.Metric) error {
	return map[string]func(chan<- prometheus.Metric) error{
		"netstat": c.netstat, "accept_queues": c.queues, "conntrack": c.conntrack,
		"ephemeral_ports": c.ports, "fds": c.files, "threads": c.threads,
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{overflows, drops, queueWaiting, queueLimit, queueFullest,
		conntrackEntries, conntrackLimit, portsUsed, portsLimit, openFiles, maxFiles, cpuSeconds, success} {
		descs <- d
	}
}

// errAbsent says that the system has no such thing, which is no failure.
var errAbsent = errors.New("not there")

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	for name, collect := range c.parts() { // in no order: the registry sorts
		err := collect(metrics)
		if errors.Is(err, errAbsent) {
			continue
		}
		Gauge(metrics, success, Truth(err == nil), name)
	}
}

// Truth is 1 or 0.
func Truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Gauge sends the value of a gauge, with those of its labels.
func Gauge(metrics chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (c *Collector) netstat(metrics chan<- prometheus.Metric) error {
	self, err := c.proc.Self()
	if err != nil {
		return err
	}
	stat, err := self.Netstat()
	if err != nil {
		return err
	}
	if stat.ListenOverflows == nil || stat.ListenDrops == nil {
		return errors.New("no ListenOverflows in /proc/self/net/netstat")
	}
	metrics <- prometheus.MustNewConstMetric(overflows, prometheus.CounterValue, *stat.ListenOverflows)
	metrics <- prometheus.MustNewConstMetric(drops, prometheus.CounterValue, *stat.ListenDrops)
	return nil
}

// maxQueues bounds the series. Addresses beyond it, in order, have none.
const maxQueues = 100

func (c *Collector) queues(metrics chan<- prometheus.Metric) error {
	all, err := Queues()
	if err != nil {
		return err
	}
	for _, q := range all[:min(maxQueues, len(all))] {
		Gauge(metrics, queueWaiting, float64(q.Waiting), q.Address)
		Gauge(metrics, queueLimit, float64(q.Limit), q.Address)
		Gauge(metrics, queueFullest, q.Fullest, q.Address)
	}
	return nil
}

func (c *Collector) conntrack(metrics chan<- prometheus.Metric) error {
	count, err := c.number("net.netfilter.nf_conntrack_count")
	if errors.Is(err, fs.ErrNotExist) {
		return errAbsent // nothing is tracked
	}
	if err != nil {
		return err
	}
	limit, err := c.number("net.netfilter.nf_conntrack_max")
	if err != nil {
		return err
	}
	Gauge(metrics, conntrackEntries, float64(count))
	Gauge(metrics, conntrackLimit, float64(limit))
	return nil
}

func (c *Collector) number(name string) (int, error) {
	values, err := c.proc.SysctlInts(name)
	if err != nil {
		return 0, err
	}
	if len(values) != 1 {
		return 0, fmt.Errorf("%s: %d values, want 1", name, len(values))
	}
	return values[0], nil
}

func (c *Collector) ports(metrics chan<- prometheus.Metric) error {
	low, high, err := PortRange(c.proc)
	if err != nil {
		return err
	}
	all, err := sockets(stateMask)
	if err != nil {
		return err
	}
	Gauge(metrics, portsLimit, float64(high-low+1))
	for _, p := range ports(all, low, high) {
		Gauge(metrics, portsUsed, float64(p.Used), p.Address)
	}
	return nil
}

// PortRange is the first and the last ephemeral port.
func PortRange(proc procfs.FS) (low, high int, err error) {
	values, err := proc.SysctlInts("net.ipv4.ip_local_port_range")
	if err != nil {
		return 0, 0, err
	}
	if len(values) != 2 {
		return 0, 0, fmt.Errorf("net.ipv4.ip_local_port_range: %d values, want 2", len(values))
	}
	return values[0], values[1], nil
}

func (c *Collector) files(metrics chan<- prometheus.Metric) error {
	pid, ok := c.envoy()
	if !ok {
		return errAbsent
	}
	envoy, err := c.proc.Proc(pid)
	if err != nil {
		return err
	}
	open, err := envoy.FileDescriptorsLen()
	if err != nil {
		return err
	}
	limits, err := envoy.Limits()
	if err != nil {
		return err
	}
	Gauge(metrics, openFiles, float64(open))
	Gauge(metrics, maxFiles, float64(limits.OpenFiles))
	return nil
}
