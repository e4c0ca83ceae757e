package drain

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"legation.dev/drain/admin"
)

// script is an Envoy whose readings follow the time since it was made.
type script struct {
	start    time.Time
	reading  func(age time.Duration) (admin.Reading, error)
	drain    time.Duration // --drain-time-s
	fails    map[string]int
	orders   []string // with the second in which they were carried out
	busy     []admin.Upstream
	askedFor []string
	// askedBusy is how often it was asked for busy.
	askedBusy int
}

func (s *script) order(name string) error {
	if s.fails[name] > 0 {
		s.fails[name]--
		return errors.New("the admin interface does not answer")
	}
	s.orders = append(s.orders, name)
	return nil
}

func (s *script) FailHealth(context.Context) error     { return s.order("fail") }
func (s *script) DrainListeners(context.Context) error { return s.order("drain") }
func (s *script) Quit(context.Context) error           { return s.order("quit") }

func (s *script) Info(context.Context) (admin.Info, error) {
	return admin.Info{DrainTime: s.drain}, nil
}

func (s *script) Reading(_ context.Context, ignored []string) (admin.Reading, error) {
	s.askedFor = ignored
	return s.reading(time.Since(s.start))
}

func (s *script) Busy(context.Context) ([]admin.Upstream, error) {
	s.askedBusy++
	return s.busy, nil
}

var testPlan = Plan{Grace: 60 * time.Second, Min: 10 * time.Second, Max: 50 * time.Second, Upgrades: Hold}

// play drains a script in a bubble of synthetic time.
func play(t *testing.T, plan Plan, s *script) (Report, time.Duration, error) {
	t.Helper()
	var (
		report Report
		took   time.Duration
		err    error
	)
	synctest.Test(t, func(t *testing.T) {
		s.start = time.Now()
		report, err = Run(t.Context(), Config{Envoy: s, Plan: plan, Ignored: []string{"health"}, Log: slog.New(slog.DiscardHandler)})
		took = time.Since(s.start)
	})
	return report, took, err
}

// near reports whether an end came within a second after it was due.
func near(took, due time.Duration) bool { return took >= due && took < due+time.Second }

var inOrder = []string{"fail", "drain", "quit"}

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		name     string
		upgrades Upgrades
		reading  func(age time.Duration) (admin.Reading, error)
		due      time.Duration
		reason   string
	}{
		{"idle clients do not hold it", Hold, steady(admin.Reading{Connections: 100}), testPlan.Min, ReasonDone},
		{"a request", Hold, until(20*time.Second, admin.Reading{Requests: 1, Connections: 1}), 20 * time.Second, ReasonDone},
		{"a WebSocket, held", Hold, steady(admin.Reading{Requests: 1, Upgrades: 1, Connections: 1}), testPlan.Max, ReasonDeadline},
		{"a WebSocket, not held", Close, steady(admin.Reading{Requests: 1, Upgrades: 1, Connections: 1}), testPlan.Min + 20*time.Second, ReasonDone},
		{"idle clients that Envoy tells", Close, until(18*time.Second, admin.Reading{Connections: 7}), 18 * time.Second, ReasonDone},
		{"a request that is not held less than others", Close, until(45*time.Second, admin.Reading{Requests: 2, Upgrades: 1, Connections: 2}), 45 * time.Second, ReasonDone},
		{"requests come and go, and stop", Hold, coming(12 * time.Second), 12 * time.Second, ReasonDone},
		{"probes of the data ports never stop", Hold, coming(time.Hour), testPlan.Min + QuietAtMost, ReasonDone},
		{"no statistics", Hold, unknown, testPlan.Max, ReasonDeadline},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &script{reading: c.reading, drain: 20 * time.Second}
			plan := testPlan
			plan.Upgrades = c.upgrades
			report, took, err := play(t, plan, s)
			if err != nil || !near(took, c.due) || report.Reason != c.reason {
				t.Errorf("%s after %s (%v); want %s after %s", report.Reason, took, err, c.reason, c.due)
			}
			if !slices.Equal(s.orders, inOrder) {
				t.Errorf("orders %v", s.orders)
			}
			if !slices.Equal(s.askedFor, []string{"health"}) {
				t.Errorf("ignored %v", s.askedFor)
			}
		})
	}
}

func steady(r admin.Reading) func(time.Duration) (admin.Reading, error) {
	r.Listeners = 2
	return func(time.Duration) (admin.Reading, error) { return r, nil }
}

// until reads as r before the end, and as nobody after it.
func until(end time.Duration, r admin.Reading) func(time.Duration) (admin.Reading, error) {
	return func(age time.Duration) (admin.Reading, error) {
		if age < end {
			return steady(r)(age)
		}
		return steady(admin.Reading{})(age)
	}
}

// coming reads as requests that begin and end between two looks.
func coming(end time.Duration) func(time.Duration) (admin.Reading, error) {
	return func(age time.Duration) (admin.Reading, error) {
		return steady(admin.Reading{Began: uint64(min(age, end) / (50 * time.Millisecond))})(age)
	}
}

func unknown(time.Duration) (admin.Reading, error) {
	return admin.Reading{}, errors.New("no such statistic")
}

// TestArriving: who is about to send a request is waited for, and who never does is not.
func TestArriving(t *testing.T) {
	for name, c := range map[string]struct {
		until time.Duration // from the beginning: somebody is in a handshake
		want  time.Duration
	}{"soon": {12 * time.Second, 12 * time.Second}, "never": {time.Hour, testPlan.Min + QuietAtMost}} {
		report, took, err := play(t, testPlan, &script{drain: time.Second, reading: func(age time.Duration) (admin.Reading, error) {
			r := admin.Reading{Listeners: 1}
			if age < c.until {
				r.Connections, r.Arriving = 1, 1
			}
			return r, nil
		}})
		if err != nil || report.Reason != ReasonDone || !near(took, c.want) {
			t.Errorf("%s: %v after %v, %v; want %v", name, report.Reason, took, err, c.want)
		}
	}
}

// TestUnserved: an Envoy that never had a listener is not waited for.
func TestUnserved(t *testing.T) {
	s := &script{reading: func(time.Duration) (admin.Reading, error) { return admin.Reading{}, nil }}
	report, took, err := play(t, testPlan, s)
	if err != nil || took > time.Second || report.Reason != ReasonUnserved {
		t.Errorf("%s after %s: %v", report.Reason, took, err)
	}
}

// TestOrdersRepeated: an order that fails is given again.
func TestOrdersRepeated(t *testing.T) {
	s := &script{reading: steady(admin.Reading{}), fails: map[string]int{"fail": 3, "drain": 3}}
	_, took, err := play(t, testPlan, s)
	if err != nil || !near(took, testPlan.Min) || !slices.Equal(s.orders, inOrder) {
		t.Errorf("orders %v after %s: %v", s.orders, took, err)
	}
	s = &script{reading: steady(admin.Reading{}), fails: map[string]int{"quit": 1}}
	if _, _, err := play(t, testPlan, s); !errors.Is(err, ErrNotQuit) {
		t.Errorf("error %v, want ErrNotQuit", err)
	}
}

func TestReport(t *testing.T) {
	busy := make([]admin.Upstream, 25)
	for i := range busy {
		busy[i] = admin.Upstream{Cluster: "shop/web/http", Requests: 2}
	}
	s := &script{busy: busy, reading: func(age time.Duration) (admin.Reading, error) {
		r := admin.Reading{Listeners: 1, Requests: 10, Upgrades: 4, Connections: 60, Began: 1000, Closed: 500}
		if age > 5*time.Second {
			r = admin.Reading{Listeners: 1, Requests: 7, Upgrades: 4, Connections: 20, Began: 1100, Closed: 550, ClosedInUse: 3}
		}
		return r, nil
	}}
	got, _, err := play(t, testPlan, s)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.CutFrom) != maxHosts || got.CutFromOthers != 10 {
		t.Errorf("%d endpoints named, %d requests at others", len(got.CutFrom), got.CutFromOthers)
	}
	got.CutFrom, got.Seconds = nil, 0
	want := Report{Reason: ReasonDeadline, RequestsFinished: 103, ClosedGracefully: 47 + 13, IdleAtEnd: 13, LeftInUse: 3,
		RequestsCut: 3, UpgradesCut: 4, CutFromOthers: 10, Known: true}
	if got.LogValue().String() != want.LogValue().String() {
		t.Errorf("got  %s\nwant %s", got.LogValue(), want.LogValue())
	}
}

// hung is an Envoy that takes questions and never answers.
type hung struct{ script }

func (h *hung) Reading(ctx context.Context, _ []string) (admin.Reading, error) {
	<-ctx.Done()
	return admin.Reading{}, ctx.Err()
}

// TestHung: an Envoy that does not answer is told to quit at the deadline.
func TestHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		report, err := Run(t.Context(), Config{Envoy: &hung{}, Plan: testPlan, Log: slog.New(slog.DiscardHandler)})
		if err != nil || report.Reason != ReasonDeadline || report.Known || time.Since(start) != testPlan.Max+(testPlan.Grace-testPlan.Max)/reserveParts {
			t.Errorf("%+v after %s: %v", report, time.Since(start), err)
		}
	})
}

// TestEnvoyGone: the end of Envoy ends the drain, and the report names whose requests went
// with it.
func TestEnvoyGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{start: time.Now(), reading: steady(admin.Reading{Requests: 1}), busy: []admin.Upstream{{Cluster: "shop/web/http", Requests: 1}}}
		ctx, gone := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Second, func() { gone(ErrEnvoyGone) })
		report, err := Run(ctx, Config{Envoy: s, Plan: testPlan, Log: slog.New(slog.DiscardHandler)})
		if err != nil || report.Reason != ReasonEnvoyGone || report.Level() != slog.LevelError || time.Since(s.start) != 20*time.Second {
			t.Errorf("%s after %s: %v", report.Reason, time.Since(s.start), err)
		}
		if !slices.Equal(report.CutFrom, s.busy) || s.askedBusy < 20 || s.askedBusy > 21 { // once a second
			t.Errorf("%v are named, by %d questions", report.CutFrom, s.askedBusy)
		}
	})
}
