package main

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/controller"
	"legation.dev/held"
	"legation.dev/inspect"
	"legation.dev/pmap"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
)

// heldNow is what is held after the newest pass of the Loop, and a prometheus.Collector.
type heldNow struct {
	newest atomic.Pointer[heldList]
}

// heldList is what is held, and its digest. Each is made when somebody asks, and once.
type heldList struct {
	list   func() []held.Entry
	digest func() pmap.Sum
}

// take takes over what a pass left.
func (h *heldNow) take(now controller.Holds) {
	h.newest.Store(&heldList{sync.OnceValue(now.List), sync.OnceValue(now.View().HoldDigest)})
}

// list is what is held. Read only.
func (h *heldNow) list() []held.Entry {
	if newest := h.newest.Load(); newest != nil {
		return newest.list()
	}
	return nil
}

// messages are what the admin service tells.
func (h *heldNow) messages() (list []*adminv1.Hold) {
	for _, e := range h.list() {
		m := &adminv1.Hold{Kind: string(e.Kind), Fleet: e.Fleet, Object: e.Object, Reason: e.Reason, Digest: e.Digest, Hosts: e.Hosts, Approvable: e.Approvable}
		if !e.Since.IsZero() {
			m.Since = timestamppb.New(e.Since)
		}
		if !e.Until.IsZero() {
			m.Until = timestamppb.New(e.Until)
		}
		if e.Kind == held.Class && e.Approvable {
			m.Closes = admin.ClosesOf(e.Closes)
		}
		list = append(list, m)
	}
	return list
}

var holdsDigest = prometheus.NewDesc("legation_holds_digest", "48 bits of the digest of what is held without a limit of a few seconds: replicas with the same legation_input_digest must have the same.", nil, nil)

var holdsNow = prometheus.NewDesc("legation_holds", "What is served although the objects say otherwise, by kind of hold. 'legation holds' says what.", []string{"kind"}, nil)

// Describe implements prometheus.Collector.
func (h *heldNow) Describe(descs chan<- *prometheus.Desc) {
	descs <- holdsNow
	descs <- holdsDigest
}

// Collect implements prometheus.Collector.
func (h *heldNow) Collect(metrics chan<- prometheus.Metric) {
	counts := map[held.Kind]int{}
	for _, e := range h.list() {
		counts[e.Kind]++
	}
	for _, k := range held.Kinds() {
		metrics <- prometheus.MustNewConstMetric(holdsNow, prometheus.GaugeValue, float64(counts[k]), string(k))
	}
	if newest := h.newest.Load(); newest != nil {
		metrics <- prometheus.MustNewConstMetric(holdsDigest, prometheus.GaugeValue, inspect.Number(newest.digest()))
	}
}
