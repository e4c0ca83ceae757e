package inspect

import (
	"fmt"
	"strconv"
	"time"

	"legation.dev/xds/admin/adminv1"
)

// Takes is how long a Service took to answer the requests of a time, to the end of each
// answer, as Envoys counted it: of all its clusters together.
type Takes struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Requests that were answered, and those that no endpoint answered within
	// request-timeout, which have no part in P50 and P99.
	Requests uint64 `json:"requests"`
	Timeouts uint64 `json:"timeouts"`
	// Half of the answers took at most P50, 99 of 100 at most P99.
	P50 Span `json:"p50"`
	P99 Span `json:"p99"`
}

// Span is what is known of a time: Envoy counts in buckets. It is above the one and not above
// the other, in milliseconds; UpTo is 0 if it is in the last bucket, which has no end.
type Span struct {
	Above float64 `json:"above_ms"`
	UpTo  float64 `json:"up_to_ms,omitempty"`
}

// String is for people: "25 to 100 ms".
func (s Span) String() string {
	above, unit := inUnit(s.Above)
	upTo, other := inUnit(s.UpTo)
	switch {
	case s.UpTo == 0:
		return "above " + above + " " + unit
	case s.Above == 0:
		return "at most " + upTo + " " + other
	case unit != other:
		return above + " " + unit + " to " + upTo + " " + other
	}
	return above + " to " + upTo + " " + unit
}

// inUnit is a number of milliseconds in the unit in which people say it.
func inUnit(ms float64) (number, unit string) {
	if ms >= 1000 {
		return strconv.FormatFloat(ms/1000, 'g', 4, 64), "s"
	}
	return strconv.FormatFloat(ms, 'g', 4, 64), "ms"
}

// String is for people.
func (t Takes) String() string {
	text := fmt.Sprintf("p50 %s, p99 %s, of %d answers from %s to %s", t.P50, t.P99, t.Requests, t.From.UTC().Format(time.TimeOnly), t.To.UTC().Format(time.TimeOnly+"Z"))
	if t.Requests == 0 {
		text = fmt.Sprintf("nothing was answered from %s to %s", t.From.UTC().Format(time.TimeOnly), t.To.UTC().Format(time.TimeOnly+"Z"))
	}
	if t.Timeouts > 0 {
		text += fmt.Sprintf("; %d requests more were not answered within request-timeout", t.Timeouts)
	}
	return text
}

// takesOf is what was counted at the Envoys of a fleet; nil if nothing was.
func takesOf(fleet string, answer *adminv1.TrafficResponse) *Takes {
	for _, t := range answer.GetTraffic() {
		if t.GetFleet() != fleet || t.GetTimes().GetCount() == 0 && t.GetTimeouts() == 0 {
			continue
		}
		return &Takes{From: answer.GetFrom().AsTime(), To: answer.GetTo().AsTime(), Requests: t.GetTimes().GetCount(), Timeouts: t.GetTimeouts(),
			P50: Percentile(t.GetTimes(), 50), P99: Percentile(t.GetTimes(), 99)}
	}
	return nil
}

// Percentile is the time within which so many of 100 requests were answered; the zero Span
// if there were none.
func Percentile(l *adminv1.Lengths, percent uint64) Span {
	total, sum, bounds := uint64(0), uint64(0), l.GetBoundsMs()
	for _, n := range l.GetBuckets() {
		total += n
	}
	if total == 0 || len(l.GetBuckets()) != len(bounds)+1 {
		return Span{}
	}
	rank := (total*percent + 99) / 100 // the place of that request, from 1
	i := 0
	for sum = l.GetBuckets()[0]; sum < rank; sum += l.GetBuckets()[i] {
		i++
	}
	s := Span{}
	if i > 0 {
		s.Above = bounds[i-1]
	}
	if i < len(bounds) {
		s.UpTo = bounds[i]
	}
	return s
}
