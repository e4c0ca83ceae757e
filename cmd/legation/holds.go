package main

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/controller"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/hold"
)

// heldNow is what is held after the newest pass of the Loop, and a prometheus.Collector.
type heldNow struct {
	newest atomic.Pointer[func() []hold.Entry]
}

// take takes over what a pass left. The list of it is made when somebody asks, and once.
func (h *heldNow) take(now controller.Holds) {
	list := sync.OnceValue(now.List)
	h.newest.Store(&list)
}

// list is what is held. Read only.
func (h *heldNow) list() []hold.Entry {
	if list := h.newest.Load(); list != nil {
		return (*list)()
	}
	return nil
}

// messages are what the admin service tells.
func (h *heldNow) messages() (list []*adminv1.Hold) {
	for _, e := range h.list() {
		m := &adminv1.Hold{Kind: string(e.Kind), Fleet: e.Fleet, Object: e.Object, Reason: e.Reason, Digest: e.Digest, Hosts: e.Hosts}
		if !e.Since.IsZero() {
			m.Since = timestamppb.New(e.Since)
		}
		if !e.Until.IsZero() {
			m.Until = timestamppb.New(e.Until)
		}
		list = append(list, m)
	}
	return list
}

var holdsNow = prometheus.NewDesc("legation_holds", "What is served although the objects say otherwise, by kind of hold. 'legation holds' says what.", []string{"kind"}, nil)

// Describe implements prometheus.Collector.
func (h *heldNow) Describe(descs chan<- *prometheus.Desc) {
	descs <- holdsNow
}

// Collect implements prometheus.Collector.
func (h *heldNow) Collect(metrics chan<- prometheus.Metric) {
	counts := map[hold.Kind]int{}
	for _, e := range h.list() {
		counts[e.Kind]++
	}
	for _, k := range hold.Kinds() {
		metrics <- prometheus.MustNewConstMetric(holdsNow, prometheus.GaugeValue, float64(counts[k]), string(k))
	}
}
