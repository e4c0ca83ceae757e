package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"legation.dev/state"
	"legation.dev/translator/input"
)

// stateFlags say what is kept for the next process.
type stateFlags struct {
	folder, key string
	coldStart   time.Duration
}

// defaultColdStart is longer than an API server takes that is there, and shorter than
// anybody waits for an Envoy.
const defaultColdStart = 10 * time.Second

func (f *stateFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.folder, "state", "", "folder in which what is served is kept for the next process, but for what comes from Secrets; replicas may share one (default: nothing is kept)")
	flags.StringVar(&f.key, "state-key", "", "with --state: file with an age identity, as age-keygen makes it; what comes from Secrets, private keys too, is then kept as well, encrypted for it (default: that is not kept)")
	flags.DurationVar(&f.coldStart, "cold-start-after", defaultColdStart, "with --state: how long the first reading of the source may take before Envoys that start are served what was kept; 0 is never: they wait for the source")
}

// check says what contradicts.
func (f *stateFlags) check(flags *pflag.FlagSet) error {
	for _, name := range []string{"state-key", "cold-start-after"} {
		if f.folder == "" && flags.Changed(name) {
			return fmt.Errorf("--%s: only with --state", name)
		}
	}
	if f.coldStart < 0 {
		return errors.New("--cold-start-after: a time, or 0")
	}
	return nil
}

// open opens the folder, and reads what an earlier process has left there; nil without
// --state.
func (f *stateFlags) open(source *sourceFlags, config state.Config) (*stored, error) {
	if f.folder == "" {
		return nil, nil
	}
	var key *state.Key
	if f.key != "" {
		var err error
		if key, err = state.ReadKey(f.key); err != nil {
			return nil, fmt.Errorf("--state-key: %w", err)
		}
	}
	s := &stored{coldStart: f.coldStart}
	config.Path, config.Source, config.Key, config.Followed = f.folder, source.identity(), key, s.followed
	var err error
	if s.Folder, err = state.Open(config); err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	s.last = s.Load()
	s.LoadHistory()
	if at := s.last.Stored(); !at.IsZero() {
		config.Log.Info("what an earlier process served was read", "folder", f.folder, "age", time.Since(at).Round(time.Second))
	}
	return s, nil
}

// unwell is what cannot be stored now, in words.
func (s *stored) unwell() (list []string) {
	stats := s.Stats()
	if stats.Unwritten != nil {
		list = append(list, fmt.Sprintf("what is served cannot be stored (--state): a restart begins with what was stored before: %v", stats.Unwritten))
	}
	if stats.Forgotten != nil {
		list = append(list, fmt.Sprintf("the history cannot be stored (--state): a restart does not know of what is published now: %v", stats.Forgotten))
	}
	return list
}

// identity says what is read, and what of it: what was stored of something else is not used.
func (f *sourceFlags) identity() string {
	parts := []string{f.source}
	for _, list := range [][]string{f.controllers, f.classes, f.namespaces} {
		parts = append(parts, strings.Join(slices.Sorted(slices.Values(list)), ","))
	}
	if f.source == kubeSource {
		if config, err := f.restConfig(); err == nil { // else opening the source says so
			parts = append(parts, config.Host)
		}
	}
	return strings.Join(parts, " ")
}

// stored is what is kept from one process to the next.
type stored struct {
	*state.Folder
	last      input.View
	coldStart time.Duration
	source    *source // set before anything is written
}

// view is what an earlier process has left; the zero View without --state.
func (s *stored) view() input.View {
	if s == nil {
		return input.View{}
	}
	return s.last
}

func (s *stored) followed() bool {
	now := time.Now()
	return s.source.FollowedSince(now).Before(now)
}

// stateMetrics tell of the folder.
type stateMetrics struct{ *state.Folder }

func stateDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("legation_state_"+name, help, nil, nil)
}

var (
	stateWritten  = stateDesc("written_timestamp_seconds", "When what is kept in the folder of --state was last known to be right; 0 if this process has not written it yet.")
	stateBytes    = stateDesc("bytes", "Bytes of what was last written there, the history aside.")
	stateHistory  = stateDesc("history_bytes", "Bytes of the history there, as it was last written; 0 if this process has not written it yet.")
	stateFailures = stateDesc("write_failures_total", "Writings to that folder that failed: a restart begins with what was there before.")
	stateAside    = stateDesc("put_aside_total", "Files of that folder that were not used because they were damaged, of another version or of another source.")
)

// Describe implements prometheus.Collector.
func (m stateMetrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{stateWritten, stateBytes, stateHistory, stateFailures, stateAside} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (m stateMetrics) Collect(metrics chan<- prometheus.Metric) {
	s := m.Stats()
	written := 0.0
	if !s.Written.IsZero() {
		written = float64(s.Written.UnixMilli()) / 1000
	}
	metrics <- prometheus.MustNewConstMetric(stateWritten, prometheus.GaugeValue, written)
	metrics <- prometheus.MustNewConstMetric(stateBytes, prometheus.GaugeValue, float64(s.Bytes))
	metrics <- prometheus.MustNewConstMetric(stateHistory, prometheus.GaugeValue, float64(s.History))
	metrics <- prometheus.MustNewConstMetric(stateFailures, prometheus.CounterValue, float64(s.Failures))
	metrics <- prometheus.MustNewConstMetric(stateAside, prometheus.CounterValue, float64(s.Aside))
}
