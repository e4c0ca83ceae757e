package status

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"legation.dev/object"
	"legation.dev/translator/finding"
)

const (
	lastingTime = time.Second
	refreshTime = 30 * time.Minute
)

// diary plays the part of the loop: it has events written at once, and notes when.
type diary struct {
	*eventRecorder
	now    time.Time
	events []string
}

func newDiary() *diary {
	return &diary{eventRecorder: newEventRecorder(lastingTime, refreshTime), now: start}
}

func about(name, field string) finding.Problem {
	return finding.Problem{Code: finding.BadPath, Object: object.Ref{Kind: object.KindIngress, Namespace: "n", Name: name}, Field: field, Message: "wrong"}
}

func always(object.Ref) bool { return true }

// pass lets time go by.
func (d *diary) pass(duration time.Duration) {
	until := d.now.Add(duration)
	for {
		for p, ok := d.next(d.now); ok; p, ok = d.next(d.now) {
			what := "warn"
			if p.mended {
				what = "mend"
			}
			if p.before.name != "" {
				what += " again"
			}
			d.events = append(d.events, fmt.Sprintf("%s %s %s", what, p.problem.Object.Name, p.problem.Field))
			d.done(p, record{name: "written"}, d.now)
		}
		next := d.due.when()
		if next.IsZero() || next.After(until) {
			d.now = until
			return
		}
		d.now = next
	}
}

func (d *diary) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	if !slices.Equal(d.events, want) {
		t.Errorf("%s: got %q, want %q", when, d.events, want)
	}
	d.events = nil
}

// TestEventRecorder: a finding becomes an Event, and its end another one.
func TestEventRecorder(t *testing.T) {
	d := newDiary()
	d.lead(d.now)
	list := []finding.Problem{about("a", "x")}
	d.write(list, always, d.now)
	d.pass(lastingTime - 1)
	d.expect(t, "before it has lasted")
	d.pass(1)
	d.expect(t, "it has lasted", "warn a x")
	d.write(list, always, d.now)
	d.pass(refreshTime - 1)
	d.expect(t, "it stays")
	d.pass(1)
	d.expect(t, "before it is forgotten", "warn again a x")
	d.write(nil, always, d.now)
	d.pass(lastingTime / 2)
	d.write(list, always, d.now)
	d.pass(2 * lastingTime)
	d.expect(t, "it was gone for a moment")
	d.write(nil, always, d.now)
	d.pass(lastingTime)
	d.expect(t, "it is gone", "mend a x")
	d.write(list, always, d.now)
	d.pass(lastingTime)
	d.write(nil, always, d.now)
	d.pass(lastingTime)
	d.expect(t, "once more", "warn again a x", "mend again a x")
	d.pass(2 * refreshTime)
	if len(d.states)+len(d.objects)+d.due.len() > 0 {
		t.Errorf("remembered: %v", d.states)
	}
}

// TestEventRecorderSettle: short moments without an endpoint, as roll-outs have them, are no
// Events; one that lasts is.
func TestEventRecorderSettle(t *testing.T) {
	d := newDiary()
	d.lead(d.now)
	list := []finding.Problem{finding.NoReadyEndpoint.Of(object.Origin{Object: object.Ref{Kind: object.KindService, Namespace: "n", Name: "web"}}, "")}
	for range 100 {
		d.write(list, always, d.now)
		d.pass(10 * time.Second)
		d.write(nil, always, d.now)
		d.pass(time.Minute)
	}
	if len(d.events) > 0 {
		t.Errorf("roll-outs made Events: %v", d.events)
	}
	d.write(list, always, d.now)
	d.pass(20 * time.Second)
	if want := []string{"warn web "}; !slices.Equal(d.events, want) {
		t.Errorf("got %v, want %v", d.events, want)
	}
}

// TestEventRecorderOmits: what is nothing to tell.
func TestEventRecorderOmits(t *testing.T) {
	d := newDiary()
	d.lead(d.now)
	d.write([]finding.Problem{about("moment", "x")}, always, d.now)
	d.pass(lastingTime / 2)
	file := finding.Problem{Object: object.Ref{Kind: object.KindFile, Name: "f"}}
	d.write([]finding.Problem{about("deleted", "x"), about("other", "x"), file}, always, d.now)
	d.pass(lastingTime)
	d.expect(t, "a moment and a file", "warn deleted x", "warn other x")
	replaced := about("other", "x")
	replaced.Message = "wrong in another way"
	d.write([]finding.Problem{replaced}, func(r object.Ref) bool { return r.Name != "deleted" }, d.now)
	d.pass(lastingTime)
	d.expect(t, "one object deleted, one with another problem", "warn other x")
	d.write([]finding.Problem{about("other", "x")}, always, d.now)
	d.pass(lastingTime / 2)
	d.write(nil, always, d.now)
	d.pass(lastingTime)
	d.expect(t, "another problem for a moment, then none", "mend other x")
}

// TestEventRecorderTerms: who comes after another leader tells what is there, and what
// went in between; who does not lead tells nothing.
func TestEventRecorderTerms(t *testing.T) {
	d := newDiary()
	d.write([]finding.Problem{about("stays", "x"), about("goes", "x"), about("went", "x"), about("moment", "x")}, always, d.now)
	d.pass(lastingTime / 2)
	d.write([]finding.Problem{about("stays", "x"), about("goes", "x"), about("went", "x")}, always, d.now)
	d.pass(lastingTime)
	d.write([]finding.Problem{about("stays", "x"), about("goes", "x")}, always, d.now)
	d.pass(handover)
	d.write([]finding.Problem{about("stays", "x")}, always, d.now)
	d.pass(handover / 2)
	d.expect(t, "another one leads")
	d.lead(d.now)
	d.pass(lastingTime)
	slices.Sort(d.events)
	d.expect(t, "now we lead", "mend goes x", "warn stays x")
	d.follow(d.now)
	d.write(nil, always, d.now)
	d.pass(2 * handover)
	d.write(nil, always, d.now)
	d.expect(t, "another one leads again")
	if len(d.states) > 0 {
		t.Errorf("remembered: %v", d.states)
	}
}

// TestEventRecorderBounds: an object with many problems, and one whose problem flaps,
// have a bounded number of Events.
func TestEventRecorderBounds(t *testing.T) {
	d := newDiary()
	d.lead(d.now)
	var many []finding.Problem
	for i := range 1000 {
		many = append(many, about("many", fmt.Sprint(i)))
	}
	d.write(many, always, d.now)
	d.pass(lastingTime)
	if len(d.events) != problemsShown+1 {
		t.Errorf("%d Events for one object", len(d.events))
	}
	d.events = nil
	for range 500 {
		d.write([]finding.Problem{about("flaps", "x")}, always, d.now)
		d.pass(lastingTime)
		d.write(nil, always, d.now)
		d.pass(lastingTime)
	}
	flaps := slices.DeleteFunc(d.events, func(p string) bool { return !strings.Contains(p, "flaps") })
	if most := eventsAtOnce + int(1000*lastingTime/eventsAgain) + 1; len(flaps) > most || len(flaps) < eventsAtOnce {
		t.Errorf("%d Events of a flapping problem, want at most %d", len(flaps), most)
	}
}

// TestEventRecorderRenew: an object that is re-created is told about anew.
func TestEventRecorderRenew(t *testing.T) {
	d := newDiary()
	d.lead(d.now)
	d.write([]finding.Problem{about("a", "x"), about("b", "x")}, always, d.now)
	d.pass(lastingTime)
	d.events = nil
	d.renew(about("a", "x").Object, d.now)
	d.renew(about("none", "x").Object, d.now)
	d.pass(lastingTime)
	d.expect(t, "a is another one", "warn a x")
}

// TestEventRecorderFailure: what could not be written is written later, and not twice at
// once.
func TestEventRecorderFailure(t *testing.T) {
	d := newDiary()
	d.lead(d.now)
	list := []finding.Problem{about("a", "x")}
	d.write(list, always, d.now)
	d.now = d.now.Add(lastingTime)
	p, ok := d.next(d.now)
	d.write(nil, always, d.now)
	d.write(list, always, d.now)
	if _, twice := d.next(d.now.Add(lastingTime)); !ok || twice {
		t.Fatalf("next: %v, twice: %v", ok, twice)
	}
	d.failed(p, d.now.Add(time.Minute))
	d.pass(time.Minute - 1)
	d.expect(t, "before it is tried again")
	d.pass(1)
	d.expect(t, "tried again", "warn a x")
}

// TestEvent: an Event is what the API server accepts, whatever the object's name
// and the message are, and has a name of its own for each message.
func TestEvent(t *testing.T) {
	long := about(strings.Repeat("a.", 126)+"z", "x")
	long.Message = strings.Repeat("ö", 2000)
	names := map[string]bool{}
	for _, p := range []eventWrite{{problem: long}, {problem: long, mended: true}, {problem: about("a", "x")}, {problem: about("a", "y")}} {
		for _, uid := range []types.UID{"1", "2"} {
			e := event(p, uid, strings.Repeat("i", 200), start)
			if errs := validation.IsDNS1123Subdomain(e.Name); len(errs) > 0 || len(e.Note) > noteLimit || len(e.ReportingInstance) > instanceLimit {
				t.Errorf("%q: %v, %d bytes", e.Name, errs, len(e.Note))
			}
			names[e.Name] = true
		}
	}
	if len(names) != 8 {
		t.Errorf("%d names: %v", len(names), names)
	}
	if got := cut("aöö", 4); got != "a…" {
		t.Errorf("cut: %q", got)
	}
	for _, c := range []struct {
		event eventWrite
		want  string
	}{
		{eventWrite{problem: finding.NoService.Of(object.Origin{}, "")}, "Warning NoService there is no such Service; the endpoints that it had are used for 10 s, then requests to it answer 503"},
		{eventWrite{problem: finding.NoService.Of(object.Origin{}, ""), mended: true}, "Normal NoService mended: there is no such Service; the endpoints that it had are used for 10 s, then requests to it answer 503"},
		{eventWrite{problem: finding.CertificateEnds.Of(object.Origin{}, "", "noon")}, "Warning CertificateEnds the certificate ends at noon, and clients refuse it then; nobody has renewed it yet"},
		{eventWrite{problem: finding.MoreProblems.Of(object.Origin{}, "")}, "Normal MoreProblems there are more problems; the log of Legation has them all"},
	} {
		e := event(c.event, "u", "i", start)
		if got := e.Type + " " + e.Reason + " " + e.Note; got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	class := event(eventWrite{problem: finding.Problem{Object: object.Ref{Kind: object.KindIngressClass, Name: "edge"}}}, "u", "i", start)
	if class.Namespace != "default" || class.Regarding.Namespace != "" {
		t.Errorf("Event of a class: %+v", class)
	}
}
