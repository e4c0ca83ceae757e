package inspect

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// FleetsShown is how many fleets have metrics of their own, the first by name; those of
// the others are left out. Without a limit, the number of time series would grow with
// the number of IngressClasses. A usual installation has a few.
const FleetsShown = 25

// Metrics is a prometheus.Collector. At each scrape it reports what was read, what the
// translation made of it, and which versions the Envoys run.
type Metrics struct {
	Result   func() translator.Result
	Problems func() []finding.Problem
	Store    *store.Store
	Fleets   *fleet.Registry
	// Envoys returns the Envoys that are connected to this replica; see LocalEnvoys.
	Envoys func() (*adminv1.EnvoysResponse, error)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("legation_"+name, help, labels, nil)
}

var (
	inputObjects  = desc("input_objects", "Objects that were read, as far as translation reads them.", "kind")
	inputDigest   = desc("input_digest", "48 bits of the digest of all that was read: replicas that say the same have read the same.")
	problemsFound = desc("problems", "What is wrong with objects now, by their kind. The log, Events and 'legation explain' say what.", "kind")
	closingFirst  = desc("services_closing_first", "Services whose servers close connections before Envoy does, by what Envoys told this replica: requests fail there. 'legation problems' names them.")
	fleetsKnown   = desc("fleets", "Fleets that are served, one for each IngressClass.")

	fleetDigest    = desc("fleet_digest", "48 bits of the digest of what translation made for a fleet: it must be the same on replicas with the same legation_input_digest.", "fleet")
	fleetFrozen    = desc("fleet_frozen", "1 if the class of a fleet or its settings are gone and the last ones are in force, else 0.", "fleet")
	fleetPaused    = desc("fleet_paused", "1 if somebody has paused a fleet, which keeps its routes until it is resumed, else 0.", "fleet")
	fleetLeaving   = desc("fleet_hosts_leaving", "Hosts that no Ingress has any more and that are served for the moment: because their removal waits for deletion-window, or is held.", "fleet")
	fleetDeletion  = desc("fleet_deletion_held", "1 if more than deletion-share of the hosts of a fleet were removed, which are held, else 0.", "fleet")
	fleetHostEnd   = desc("fleet_certificate_end_timestamp_seconds", "When the first of the hosts' certificates ends that have not yet. Those that have are legation_problems of kind Secret.", "fleet")
	fleetVersion   = desc("fleet_version", "Number of the newest version, as this process counts them.", "fleet")
	fleetPublished = desc("fleet_version_timestamp_seconds", "When the newest version was published.", "fleet")
	fleetStored    = desc("fleet_stored_age_seconds", "How long ago what is served was last known to be right, if an earlier process has stored it and the source was not read since; 0 if it was.", "fleet")
	fleetResources = desc("fleet_resources", "Resources of the newest version.", "fleet", "type")
	fleetEnvoys    = desc("fleet_envoys", "Envoys that are connected to this replica.", "fleet")
	fleetCurrent   = desc("fleet_envoys_current", "Of these, those that run the newest version.", "fleet")
	fleetOld       = desc("fleet_envoys_bootstrap_behind", "Of the Envoys of this replica, those that were started with an older bootstrap than this version makes. They get it when they are started again.", "fleet")
	fleetLag       = desc("fleet_unacknowledged_change_age_seconds", "Age of the oldest change that some Envoy of this replica does not run; 0 if all run the newest version.", "fleet")
	fleetRejected  = desc("fleet_rejected_resources", "Resources that Envoys of this replica reject now, each counted for each Envoy. Their last good version stays.", "fleet")
	fleetCertEnd   = desc("fleet_client_certificate_end_timestamp_seconds", "When the first of the certificates ends with which Envoys have connected to this replica.", "fleet")
)

// Describe implements prometheus.Collector.
func (m Metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{inputObjects, inputDigest, problemsFound, closingFirst, fleetsKnown, fleetDigest, fleetFrozen, fleetPaused, fleetLeaving, fleetDeletion, fleetHostEnd, fleetVersion,
		fleetPublished, fleetStored, fleetResources, fleetEnvoys, fleetCurrent, fleetOld, fleetLag, fleetRejected, fleetCertEnd, hostEnd, hostDue} {
		descs <- d
	}
}

// gauges sends gauges.
type gauges chan<- prometheus.Metric

func (g gauges) send(d *prometheus.Desc, v float64, labels ...string) {
	g <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// Collect implements prometheus.Collector.
func (m Metrics) Collect(metrics chan<- prometheus.Metric) {
	g := gauges(metrics)
	m.inputs(g)
	g.send(fleetsKnown, float64(len(m.Store.Fleets())))
	for i, name := range m.Store.Fleets() {
		if i == FleetsShown {
			break
		}
		m.version(g, name)
	}
	m.running(g)
}

// inputs sends what was read, and what is wrong with it.
func (m Metrics) inputs(g gauges) {
	r := m.Result()
	v := r.View()
	g.send(inputDigest, Number(v.ReadDigest()))
	wrong, closing := map[object.Kind]int{}, map[object.Ref]bool{}
	for _, p := range m.Problems() {
		wrong[p.Object.Kind]++
		if p.Code == finding.ServerClosesFirst {
			closing[p.Object] = true
		}
	}
	g.send(closingFirst, float64(len(closing)))
	for _, of := range object.Kinds {
		g.send(inputObjects, float64(v.Len(of.Kind)), string(of.Kind))
		g.send(problemsFound, float64(wrong[of.Kind]), string(of.Kind))
	}
	shown, ends := 0, firstEnds{now: time.Now()}
	for f := range r.Fleets() {
		ends.add(f)
		if shown++; shown <= FleetsShown {
			ofFleet(g, f, ends.now)
		}
	}
	ends.send(g)
}

// ofFleet sends what translation made for a fleet.
func ofFleet(g gauges, f *translator.Fleet, now time.Time) {
	g.send(fleetDigest, Number(f.Snapshot.Digest()), f.Name)
	g.send(fleetFrozen, truth(f.Frozen), f.Name)
	_, leaving := f.View().LeavingOf(f.Name)
	_, held := f.View().Deletion(f.Name)
	_, paused := f.View().Paused(f.Name)
	g.send(fleetPaused, truth(paused), f.Name)
	g.send(fleetLeaving, float64(leaving), f.Name)
	g.send(fleetDeletion, truth(held), f.Name)
	if end := f.CertificateEnd(now); !end.IsZero() {
		g.send(fleetHostEnd, float64(end.Unix()), f.Name)
	}
}

// Number is 48 bits of a digest: a float64 holds 53 exactly.
func Number(s pmap.Sum) float64 { return float64(binary.BigEndian.Uint64(s[:8]) >> 16) }

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// version sends the metrics of the newest version of a fleet.
func (m Metrics) version(g gauges, name string) {
	v, _ := m.Store.Watch(name)
	g.send(fleetVersion, float64(v.Number), name)
	g.send(fleetPublished, float64(v.Time.UnixMilli())/1000, name)
	stored := 0.0
	if at := v.Snapshot.Stored(); !at.IsZero() {
		stored = max(time.Since(at).Seconds(), 1) // never the 0 of what was read
	}
	g.send(fleetStored, stored, name)
	for t := range snapshot.Types() {
		g.send(fleetResources, float64(v.Snapshot.Of(t).Len()), name, t.String())
	}
}

// running sends which versions the Envoys of this replica run.
func (m Metrics) running(g gauges) {
	answer, err := m.Envoys()
	if err != nil || len(answer.GetReplicas()) == 0 { // cannot happen: it asks no other replica
		return
	}
	lag, rejected, ends := map[string]time.Duration{}, map[string]int{}, map[string]time.Time{}
	for _, e := range answer.GetEnvoys() {
		lag[e.GetFleet()] = max(lag[e.GetFleet()], e.GetLag().AsDuration())
		rejected[e.GetFleet()] += len(e.GetRejected())
	}
	old := map[string]int{}
	for _, n := range m.Fleets.Nodes() {
		if n.Bootstrap < bootstrap.Version {
			old[n.Fleet]++
		}
		if end, ok := ends[n.Fleet]; !n.CertificateEnd.IsZero() && (!ok || n.CertificateEnd.Before(end)) {
			ends[n.Fleet] = n.CertificateEnd
		}
	}
	for i, f := range answer.GetReplicas()[0].GetFleets() {
		if i == FleetsShown {
			break
		}
		g.send(fleetEnvoys, float64(f.GetEnvoys()), f.GetName())
		g.send(fleetCurrent, float64(f.GetCurrent()), f.GetName())
		g.send(fleetOld, float64(old[f.GetName()]), f.GetName())
		g.send(fleetLag, lag[f.GetName()].Seconds(), f.GetName())
		g.send(fleetRejected, float64(rejected[f.GetName()]), f.GetName())
		if end, ok := ends[f.GetName()]; ok {
			g.send(fleetCertEnd, float64(end.Unix()), f.GetName())
		}
	}
}

// LocalEnvoys returns a function for Metrics.Envoys: it asks s for the Envoys of this
// replica only.
func LocalEnvoys(s adminv1.AdminServer) func() (*adminv1.EnvoysResponse, error) {
	return func() (*adminv1.EnvoysResponse, error) {
		return s.Envoys(context.Background(), &adminv1.EnvoysRequest{Local: true})
	}
}
