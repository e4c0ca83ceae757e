// Package limits says which limit of a node is too small for what an Envoy is
// configured to take.
//
// Check is pure; Read reads /proc. Nothing is changed.
package limits

import (
	"fmt"
	"math"
)

// Demand is what an Envoy is to take.
type Demand struct {
	// Backlog is how many connections may wait at a socket to be accepted.
	Backlog int
	// Downstream is connections of clients: Envoy's global limit.
	Downstream int
	// Upstream is connections to all endpoints, PerEndpoint to one of them.
	Upstream, PerEndpoint int
}

// Reserve is the file descriptors that Envoy needs for other things: sockets of
// listeners, the control plane, logs, the admin interface.
const Reserve = 1024

// Absent is the value of a limit that the system does not have.
const Absent = -1

// System is the limits of a node, or of its network namespace.
type System struct {
	Somaxconn  int
	SynBacklog int
	SynCookies int
	// AcceptLimit is the smallest limit of an accept queue at Envoy's addresses;
	// Absent if it is not known.
	AcceptLimit int
	// PortLow and PortHigh are the first and the last ephemeral port.
	PortLow, PortHigh int
	// ConntrackMax is Absent if nothing is tracked; ConntrackUsed is in use now.
	ConntrackMax, ConntrackUsed int
	// OpenFiles is the soft limit of file descriptors of one process.
	OpenFiles uint64
}

// Finding is a limit and whether it suffices.
type Finding struct {
	Limit  string // as the operator sets it
	Value  string
	Needed string
	OK     bool
	Why    string
}

// Check compares, in the order in which a connection meets the limits.
func Check(s System, d Demand) []Finding {
	return []Finding{somaxconn(s, d), acceptLimit(s, d), synBacklog(s, d), conntrack(s, d), openFiles(s, d), ports(s, d)}
}

func atLeast(limit string, value, needed int, why string) Finding {
	return Finding{Limit: limit, Value: fmt.Sprint(value), Needed: fmt.Sprintf("at least %d", needed), OK: value >= needed, Why: why}
}

func somaxconn(s System, d Demand) Finding {
	return atLeast("net.core.somaxconn", s.Somaxconn, d.Backlog,
		"the longest accept queue: connections that come in a burst wait there, at each socket of Envoy, and what finds it full is dropped")
}

// acceptLimit finds an Envoy that listens since before somaxconn was raised.
func acceptLimit(s System, d Demand) Finding {
	f := Finding{Limit: "backlog of Envoy's listeners", Value: "unknown", Needed: fmt.Sprintf("at least %d", d.Backlog), OK: true,
		Why: "somaxconn as it was when Envoy began to listen; Envoy takes a new value when it is started again"}
	if s.AcceptLimit != Absent {
		f.Value, f.OK = fmt.Sprint(s.AcceptLimit), s.AcceptLimit >= d.Backlog
	}
	return f
}

func synBacklog(s System, d Demand) Finding {
	f := atLeast("net.ipv4.tcp_max_syn_backlog", s.SynBacklog, d.Backlog,
		"handshakes that are under way at a socket; beyond it SYNs are dropped, unless net.ipv4.tcp_syncookies is on")
	if s.SynCookies != 0 {
		f.Needed, f.OK = "any, with tcp_syncookies", true
	}
	return f
}

func conntrack(s System, d Demand) Finding {
	if s.ConntrackMax == Absent {
		return Finding{Limit: "net.netfilter.nf_conntrack_max", Value: "none", Needed: "none", OK: true, Why: "the kernel tracks no connections here"}
	}
	return atLeast("net.netfilter.nf_conntrack_max", s.ConntrackMax, d.Downstream+d.Upstream,
		fmt.Sprintf("every connection from clients (%d) and to endpoints (%d) has an entry, and of closed ones for two minutes more; beyond it the kernel drops new connections of all pods. In use now: %d",
			d.Downstream, d.Upstream, s.ConntrackUsed))
}

func openFiles(s System, d Demand) Finding {
	value := fmt.Sprint(s.OpenFiles)
	if s.OpenFiles == math.MaxUint64 {
		value = "unlimited"
	}
	needed := d.Downstream + d.Upstream + Reserve
	return Finding{Limit: "RLIMIT_NOFILE (ulimit -n) of Envoy", Value: value, Needed: fmt.Sprintf("at least %d", needed), OK: s.OpenFiles >= uint64(needed),
		Why: fmt.Sprintf("a descriptor for each connection from clients (%d) and to endpoints (%d), and %d for other things; without one Envoy can accept nobody", d.Downstream, d.Upstream, Reserve)}
}

func ports(s System, d Demand) Finding {
	f := atLeast("net.ipv4.ip_local_port_range", s.PortHigh-s.PortLow+1, d.PerEndpoint,
		"a local port for each connection to one endpoint; the port of a closed one stays taken for a minute")
	f.Value = fmt.Sprintf("%d (%d to %d)", s.PortHigh-s.PortLow+1, s.PortLow, s.PortHigh)
	return f
}
