// Package cost measures what a cold start and one change of each kind cost
// between the source and the store: reading it into the View, translation,
// holds and the digests. Nothing is sent.
//
// Start reading at Meter.Measure.
package cost

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"legation.dev/held"
	"legation.dev/test/bench/proc"
	"legation.dev/test/bench/world"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/xds/hold"
	"legation.dev/xds/snapshot"
)

// Cold is the kind of a start with all objects.
const Cold = "cold start"

// Cost is what one change costs. Time, Allocs and Allocated are medians.
type Cost struct {
	Services  int
	Change    string
	Times     int // how often it was measured
	Time      time.Duration
	Allocs    uint64 // heap objects
	Allocated uint64 // bytes
	Computed  int    // resources and filter chains made
	Offered   int    // resources that differ from those before
	Bytes     int64  // of the offered, as they are sent
}

// Meter measures. Its methods are called by net/rpc.
type Meter struct{}

// Args is what is measured.
type Args struct {
	Size  world.Size
	Times int // of each kind of change; a cold start is measured three times
}

const coldTimes = 3

// Measure measures one size.
func (Meter) Measure(args Args, reply *[]Cost) error {
	w, err := world.New(args.Size)
	if err != nil {
		return err
	}
	var s state
	var cold []sample
	for range coldTimes {
		s = state{}
		cold = append(cold, s.step(w.Objects()))
	}
	if s.held.Snapshot.Of(snapshot.Cluster).Len() != args.Size.Services {
		return fmt.Errorf("%d Services led to %d clusters", args.Size.Services, s.held.Snapshot.Of(snapshot.Cluster).Len())
	}
	*reply = append(*reply, summary(args, Cold, cold))
	for _, kind := range world.Kinds() {
		var samples []sample
		for i := range args.Times {
			changes, err := w.Change(kind, i*stride, i+1)
			if err != nil {
				return err
			}
			samples = append(samples, s.step(changes))
		}
		*reply = append(*reply, summary(args, kind, samples))
	}
	return nil
}

// stride spreads changes over the Services; it is prime to their number.
const stride = 37

// state is what Loop keeps of one fleet between two changes.
type state struct {
	view   input.View
	result translator.Result
	held   hold.Held
}

// sample is the cost of one step.
type sample struct {
	time              time.Duration
	allocs, allocated uint64
	computed, offered int
	bytes             int64
}

// step is one round of Loop.Run and of Store.Publish.
func (s *state) step(changes []input.Change) sample {
	before := s.held.Snapshot
	runtime.GC() // the last step's garbage is not this one's
	objects, allocated := heap()
	start := proc.Now()
	clock := held.Clock{Now: time.Now()}
	s.view = s.view.With(changes...).Freeze(s.view, clock)
	s.result = translator.Translate(s.result, s.view)
	f, ok := s.result.Fleet(world.Class)
	if !ok {
		return sample{}
	}
	s.held, _ = hold.Next(s.held, f.Snapshot, s.held.Certificates, clock)
	s.held.Snapshot.Digest()
	x := sample{time: proc.Now() - start, computed: s.result.Stats.Resources}
	objectsNow, allocatedNow := heap()
	x.allocs, x.allocated = objectsNow-objects, allocatedNow-allocated
	for _, c := range snapshot.Diff(before, s.held.Snapshot) {
		x.offered++
		if c.HasNew {
			x.bytes += int64(len(c.New.Wire()))
		}
	}
	return x
}

func heap() (objects, bytes uint64) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m) // exact, unlike runtime/metrics
	return m.Mallocs, m.TotalAlloc
}

func summary(args Args, kind string, samples []sample) Cost {
	last := samples[len(samples)-1]
	return Cost{Services: args.Size.Services, Change: kind, Times: len(samples),
		Time:      median(samples, func(s sample) time.Duration { return s.time }),
		Allocs:    median(samples, func(s sample) uint64 { return s.allocs }),
		Allocated: median(samples, func(s sample) uint64 { return s.allocated }),
		Computed:  last.computed, Offered: last.offered, Bytes: last.bytes}
}

func median[T ~int64 | ~uint64](samples []sample, of func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
