package admin

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A Reading is the sum over the data listeners of an Envoy: those that clients
// come through, not the admin interface nor listeners of probes.
type Reading struct {
	// Listeners is their number; 0 before Envoy has its configuration.
	Listeners int
	// Now.
	Requests    uint64 // active, upgraded ones included
	Upgrades    uint64 // active: WebSockets
	Connections uint64 // open, those in a handshake included
	Arriving    uint64 // of these: those that have not said yet what they want, such as a name of TLS
	Unsent      uint64 // connections whose client has not taken all of an answer; asked elsewhere
	// Since Envoy started.
	Opened      uint64 // connections
	Began       uint64 // requests
	Closed      uint64 // connections
	ClosedInUse uint64 // connections that ended, by whichever side, under a request
}

// Listener is an address that Envoy listens on.
type Listener struct {
	Name    string
	Address string // host and port
}

// Listeners are those with a network address, in Envoy's order. One with several
// addresses is there once for each. The admin interface is none of them.
func (c *Client) Listeners(ctx context.Context) ([]Listener, error) {
	type address struct {
		Socket struct {
			Address string `json:"address"`
			Port    int    `json:"port_value"`
		} `json:"socket_address"`
	}
	var answer struct {
		Statuses []struct {
			Name    string    `json:"name"`
			Local   address   `json:"local_address"`
			Further []address `json:"additional_local_addresses"`
		} `json:"listener_statuses"`
	}
	if err := c.read(ctx, "/listeners?format=json", &answer); err != nil {
		return nil, err
	}
	var all []Listener
	for _, s := range answer.Statuses {
		for _, a := range append([]address{s.Local}, s.Further...) {
			all = append(all, Listener{s.Name, net.JoinHostPort(a.Socket.Address, strconv.Itoa(a.Socket.Port))})
		}
	}
	return all, nil
}

// statsFilter is the statistics that make a Reading, of all listeners.
const statsFilter = `^(http\.[^.]+\.downstream_(rq_active|cx_upgrades_active|rq_total|cx_destroy|cx_destroy_active_rq)|listener\.[^.]+\.downstream_(cx_active|cx_total|pre_cx_active))$`

// Reading asks for one. ignored are the names of listeners that are no data
// listeners. The name of a listener is also the prefix of its statistics and of
// those of its connection manager; one that lacks a statistic is an error.
func (c *Client) Reading(ctx context.Context, ignored []string) (Reading, error) {
	listeners, err := c.Listeners(ctx)
	if err != nil {
		return Reading{}, err
	}
	var names []string
	for _, l := range listeners {
		if !slices.Contains(ignored, l.Name) && !slices.Contains(names, l.Name) {
			names = append(names, l.Name)
		}
	}
	if len(names) == 0 {
		return Reading{}, nil
	}
	stats, err := c.stats(ctx, statsFilter)
	if err != nil {
		return Reading{}, err
	}
	return sum(names, stats)
}

// sum is pure.
func sum(listeners []string, stats map[string]uint64) (Reading, error) {
	r := Reading{Listeners: len(listeners)}
	for _, name := range listeners {
		for _, s := range []struct {
			to   *uint64
			stat string
		}{
			{&r.Requests, "http." + name + ".downstream_rq_active"},
			{&r.Upgrades, "http." + name + ".downstream_cx_upgrades_active"},
			{&r.Connections, "listener." + name + ".downstream_cx_active"},
			{&r.Began, "http." + name + ".downstream_rq_total"},
			{&r.Closed, "http." + name + ".downstream_cx_destroy"},
			{&r.ClosedInUse, "http." + name + ".downstream_cx_destroy_active_rq"},
		} {
			n, ok := stats[s.stat]
			if !ok {
				return Reading{}, fmt.Errorf("listener %s: Envoy has no statistic %s, so what is active is unknown", name, s.stat)
			}
			*s.to += n
		}
		// An Envoy with a list of statistics of its own may lack these: then it is as if
		// nobody was about to come.
		arriving := stats["listener."+name+".downstream_pre_cx_active"]
		r.Arriving += arriving
		r.Connections += arriving
		r.Opened += stats["listener."+name+".downstream_cx_total"]
	}
	return r, nil
}

func (c *Client) stats(ctx context.Context, filter string) (map[string]uint64, error) {
	var answer struct {
		Stats []struct {
			Name  string  `json:"name"`
			Value *uint64 `json:"value"`
		} `json:"stats"`
	}
	if err := c.read(ctx, "/stats?format=json&filter="+url.QueryEscape(filter), &answer); err != nil {
		return nil, err
	}
	stats := make(map[string]uint64, len(answer.Stats))
	for _, s := range answer.Stats {
		if s.Value != nil { // histograms have none
			stats[s.Name] = *s.Value
		}
	}
	return stats, nil
}

// Upstream is an endpoint of a cluster that has requests under way.
type Upstream struct {
	Cluster  string `json:"cluster"`
	Address  string `json:"address"`
	Requests uint64 `json:"requests"` // active, upgraded ones included
}

// Busy are the endpoints with active requests, those with the most first. If
// there are clusters that came from a control plane, the others are those of the
// bootstrap: Envoy's own, and not told.
func (c *Client) Busy(ctx context.Context) ([]Upstream, error) {
	var answer struct {
		Clusters []clusterStatus `json:"cluster_statuses"`
	}
	if err := c.read(ctx, "/clusters?format=json", &answer); err != nil {
		return nil, err
	}
	served := slices.ContainsFunc(answer.Clusters, func(c clusterStatus) bool { return c.FromAPI })
	var busy []Upstream
	for _, cluster := range answer.Clusters {
		if served && !cluster.FromAPI {
			continue
		}
		for _, h := range cluster.Hosts {
			if n := h.active(); n > 0 {
				busy = append(busy, Upstream{cluster.Name, h.address(), n})
			}
		}
	}
	slices.SortStableFunc(busy, func(a, b Upstream) int { return int(b.Requests) - int(a.Requests) })
	return busy, nil
}

// clusterStatus is a part of envoy.admin.v3.ClusterStatus.
type clusterStatus struct {
	Name    string       `json:"name"`
	FromAPI bool         `json:"added_via_api"`
	Hosts   []hostStatus `json:"host_statuses"`
}

type hostStatus struct {
	Address struct {
		Socket struct {
			Address string `json:"address"`
			Port    int    `json:"port_value"`
		} `json:"socket_address"`
	} `json:"address"`
	Stats []struct {
		Name  string `json:"name"`
		Value string `json:"value"` // a uint64 is a string in JSON
	} `json:"stats"`
}

func (h hostStatus) address() string {
	return net.JoinHostPort(h.Address.Socket.Address, strconv.Itoa(h.Address.Socket.Port))
}

func (h hostStatus) active() uint64 {
	for _, s := range h.Stats {
		if s.Name == "rq_active" {
			n, _ := strconv.ParseUint(strings.TrimSpace(s.Value), 10, 64)
			return n
		}
	}
	return 0
}
