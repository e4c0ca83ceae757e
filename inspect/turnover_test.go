package inspect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/watcher/dir"
)

// TestTurnover: a Service that a fleet leads to is named from the 21st change within 10 minutes
// on, with those who wrote it, and until it has come to rest; then nothing is left of it.
func TestTurnover(t *testing.T) {
	changes, err := dir.Read("../examples/shop")
	if err != nil {
		t.Fatal(err)
	}
	r := translator.Translate(translator.Result{}, input.View{}.With(changes...))
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	web, other := object.Ref{Kind: object.KindService, Namespace: "shop", Name: "web"}, object.Ref{Kind: object.KindService, Namespace: "shop", Name: "other"}
	turnover := &Turnover{}
	change := func(n int, by string, at time.Time) {
		for range n {
			turnover.Add(web, by, at)
			turnover.Add(other, by, at) // to which nothing leads
		}
	}
	expect := func(when string, at time.Time, want string) {
		t.Helper()
		list := turnover.problems(r, at)
		if want == "" && len(list) == 0 {
			return
		}
		if len(list) != 1 || list[0].Object != web || list[0].Code != finding.EndpointsRestless || !strings.Contains(list[0].Message, want) || want == "" {
			t.Errorf("%s: %v", when, list)
		}
	}
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	change(20, "manager", noon)
	expect("20 changes", noon, "")
	change(1, "", minute(9))
	expect("21 within 10 minutes", minute(9), "more than 20 times in 10 minutes, by manager:")
	change(10, "another", minute(10))
	expect("11 are recent", minute(10), ", by another:")
	expect("one is older", minute(19), "")
	change(10, "another", minute(19))
	expect("20 are recent, after it had ended", minute(19), "")
	expect("all is old", minute(40), "")
	if len(turnover.of) != 0 {
		t.Errorf("%d Services are remembered that rest", len(turnover.of))
	}
	for i := range 21 {
		turnover.Add(web, fmt.Sprint("m", i%7), minute(50))
	}
	expect("many writers", minute(50), ", by m0, m1, m2:")
	if list := (*Turnover)(nil).problems(r, noon); list != nil {
		t.Errorf("none has %v", list)
	}
}

// TestTurnoverIsBounded: whatever changes, so many Services are remembered, and the last
// changes of each; those that rest make room.
func TestTurnoverIsBounded(t *testing.T) {
	turnover, noon := &Turnover{}, time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	service := func(i int) object.Ref {
		return object.Ref{Kind: object.KindService, Namespace: "shop", Name: fmt.Sprint(i)}
	}
	for i := range mostRestless + 100 {
		for range 30 {
			turnover.Add(service(i), "m", noon)
		}
	}
	if len(turnover.of) != mostRestless || turnover.Ignored != 3000 || len(turnover.of[service(0)].at) != restless+1 {
		t.Errorf("%d Services, %d changes ignored, %d of the first", len(turnover.of), turnover.Ignored, len(turnover.of[service(0)].at))
	}
	turnover.Add(service(mostRestless), "m", noon.Add(restlessTime))
	if len(turnover.of) != 1 {
		t.Errorf("%d Services are remembered", len(turnover.of))
	}
}
