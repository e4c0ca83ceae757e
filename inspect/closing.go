package inspect

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
	"legation.dev/xds/observed"
)

// Closing are the Problems of Services whose servers close connections before Envoy does,
// by what Envoys saw and what is set now.
func Closing(r translator.Result, seen []observed.Closing) (list []finding.Problem) {
	for _, s := range seen {
		f, ok := r.Fleet(s.Fleet)
		if !ok {
			continue
		}
		namespace, name, _ := strings.Cut(s.Service, "/")
		at := object.Origin{Object: object.Ref{Kind: object.KindService, Namespace: namespace, Name: name}}
		if v, ok := closesFirst(s, f.Lifetimes(s.Service)); ok {
			list = append(list, finding.ServerClosesFirst.Of(at, "", v.does, v.is, v.set))
		}
	}
	return list
}

// verdict says what a server does, what is set, and what should be.
type verdict struct{ does, is, set string }

// closesFirst compares servers with the settings of their clusters. What they say comes
// first, since what they do shows only where requests are rare.
func closesFirst(s observed.Closing, clusters map[string]policy.Lifetime) (verdict, bool) {
	for _, a := range s.Announced {
		if l, ok := clusters[a.Cluster]; ok && rests(l, a.After) {
			return announces(a.After, l), true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		if v, ok := closesAfter(s, clusters[name]); ok {
			return v, true
		}
	}
	return verdict{}, false
}

// rests reports whether a connection may rest for so long before Envoy closes it.
func rests(l policy.Lifetime, rest time.Duration) bool {
	return l.UpstreamIdleTimeout >= rest && l.UpstreamMaxRequests != 1 && (l.UpstreamMaxLifetime == 0 || l.UpstreamMaxLifetime >= rest)
}

func announces(rest time.Duration, l policy.Lifetime) verdict {
	v := verdict{"announces " + seconds(rest), idleIs(l), fmt.Sprintf("upstream-idle-timeout: %v", policy.IdleBelow(rest))}
	if preset, ok := policy.Announcing(rest); ok {
		v.set = fmt.Sprintf("upstream-preset: %s, or %s", preset, v.set)
	}
	return v
}

// closesAfter compares what was seen with the settings of a cluster. A twentieth is how well
// a time is known.
func closesAfter(s observed.Closing, l policy.Lifetime) (verdict, bool) {
	rest, age := about(s.Rest), about(s.Age)
	old := age > 0 && (l.UpstreamMaxLifetime == 0 || l.UpstreamMaxLifetime >= age*19/20)
	many := s.Requests > 0 && (l.UpstreamMaxRequests == 0 || l.UpstreamMaxRequests >= s.Requests)
	if age > 0 && s.Requests > 0 && !(old && many) {
		return verdict{}, false // one of them is the reason, and may be what is prevented
	}
	lifetime := fmt.Sprintf("upstream-max-lifetime: %v", policy.IdleBelow(age))
	requests := fmt.Sprintf("upstream-max-requests: %d", max(1, int64(s.Requests)-2))
	switch {
	case rest > 0 && rests(l, rest*19/20):
		return verdict{"closes connections after about " + seconds(rest), idleIs(l),
			fmt.Sprintf("the upstream-preset of the server, or upstream-idle-timeout: %v", policy.IdleBelow(rest))}, true
	case old && many:
		return verdict{fmt.Sprintf("closes connections after about %s, or after %d requests", seconds(age), s.Requests),
			"upstream-max-lifetime and upstream-max-requests do not prevent it", requests + ", or " + lifetime}, true
	case old:
		return verdict{fmt.Sprintf("closes connections that are about %s old", seconds(age)),
			"upstream-max-lifetime is " + orOff(l.UpstreamMaxLifetime), lifetime}, true
	case many:
		return verdict{fmt.Sprintf("closes connections after about %d requests", s.Requests),
			"upstream-max-requests is " + orOff(l.UpstreamMaxRequests), requests}, true
	}
	return verdict{}, false
}

func idleIs(l policy.Lifetime) string {
	return fmt.Sprintf("upstream-idle-timeout is %v", l.UpstreamIdleTimeout)
}

// orOff prints a setting that may be off.
func orOff[T comparable](value T) string {
	var off T
	if value == off {
		return "off"
	}
	return fmt.Sprint(value)
}

// steps are the digits to which a time is rounded: what is said of a server must not change
// whenever another connection was measured.
var steps = []float64{1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 9, 10}

// about rounds a measured time, by a tenth of it at most.
func about(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(float64(d))))
	nearest := slices.MinFunc(steps, func(a, b float64) int {
		return cmp.Compare(math.Abs(float64(d)-a*unit), math.Abs(float64(d)-b*unit))
	})
	return time.Duration(math.Round(nearest * unit))
}

// seconds prints a time as people write it: "2 s", "0.3 s".
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'g', 6, 64) + " s" }
