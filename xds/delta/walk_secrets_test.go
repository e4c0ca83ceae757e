package delta

import (
	"fmt"

	"legation.dev/xds/snapshot"
)

// clusterSecrets and more are the seeds of walks in worlds whose clusters have secrets.
const clusterSecrets = 1 << 42

// worldSecrets is the part of a world in which clusters pull secrets.
type worldSecrets struct {
	there   bool
	shows   [services]bool // whether the cluster pulls its secret
	version [services]string
	older   [services][]string
}

func (w *world) beginSecrets(seed uint64) {
	w.shown.there = true
	kept := w.badness
	if seed%4 < 3 {
		w.badness = 0 // else the first ones may be bad
	}
	for i := range w.shown.version {
		w.nextSecret(i)
		w.shown.shows[i] = i%2 == 0
	}
	w.badness = kept
}

func (w *world) nextSecret(i int) {
	s := &w.shown
	s.version[i] = w.fresh("k")
	s.older[i] = append(s.older[i], s.version[i])
}

// changeSecrets reports whether it was the turn of something here.
func (w *world) changeSecrets() bool {
	s := &w.shown
	if !s.there || w.rng.IntN(3) > 0 {
		return false
	}
	switch i := w.rng.IntN(services); w.rng.IntN(4) {
	case 0, 1:
		w.nextSecret(i)
	case 2: // as it was once
		s.version[i] = s.older[i][w.rng.IntN(len(s.older[i]))]
	case 3:
		s.shows[i] = !s.shows[i]
	}
	return true
}

// putSecret adds the secret of a cluster to its meta, and says what its bytes are for that.
func (w *world) putSecret(i int, meta *snapshot.Meta, put func(*snapshot.Resource)) (word string) {
	if !w.shown.there || !w.shown.shows[i] {
		return ""
	}
	name := fmt.Sprintf("s%d/tls", i)
	meta.Pulls = append(meta.Pulls, snapshot.Ref{Type: snapshot.Secret, Name: name})
	put(secret(name, w.shown.version[i], false))
	return "|shows"
}

// nobodyWaitsForSecrets is invariant 7 for secrets of clusters.
func (w *walk) nobodyWaitsForSecrets(cluster string, c *modelCluster) error {
	if c.asked.IsZero() {
		return nil
	}
	for _, n := range secretsOf(c.warming) {
		s, d := w.envoy.secrets[n], w.conn.desired(snapshot.Secret, n)
		if s.good == nil && !s.waited && d != nil && known(d) {
			return fmt.Errorf("cluster %s waits for secret %s that nobody sends (invariant 7)", cluster, n)
		}
	}
	return nil
}
