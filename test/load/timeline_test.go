package load

import "testing"

func TestTimeline(t *testing.T) {
	old, new, unknown := Answer{200, "old"}, Answer{200, "new"}, Answer{Status: 404}
	var line Timeline
	ask := func() (end func(Answer) error) {
		token := line.Begin("shop.test", "/")
		return func(a Answer) error { return line.End(token, a.Status, a.Service) }
	}
	check := func(when string, end func(Answer) error, a Answer, right bool) {
		t.Helper()
		if err := end(a); (err == nil) != right {
			t.Errorf("%s: %s: %v, want right=%t", when, a, err, right)
		}
	}
	check("before anything is allowed", ask(), old, false)

	line.Only("shop.test", "/", old)
	check("first", ask(), old, true)
	check("first", ask(), new, false)
	check("a WebSocket", ask(), Answer{101, "old"}, true)

	before := [...]func(Answer) error{ask(), ask(), ask()}
	line.Allow("shop.test", "/", new)
	check("changing", ask(), old, true)
	check("changing", ask(), new, true)
	check("changing", ask(), unknown, false)
	during := [...]func(Answer) error{ask(), ask(), ask()}

	line.Only("shop.test", "/", new)
	check("changed", ask(), new, true)
	check("changed", ask(), old, false)
	check("begun before", before[0], old, true)
	check("begun before", before[1], new, true)
	check("begun before", before[2], unknown, false)
	check("begun while changing", during[0], old, true)
	check("begun while changing", during[1], new, true)
	check("begun while changing", during[2], unknown, false)
	check("changed", ask(), old, false)

	line.Allow("shop.test", "/", old)
	both := ask()
	line.Forbid("shop.test", "/", new)
	check("forbidden", ask(), new, false)
	check("the other one", ask(), old, true)
	check("begun before", both, new, true)
	line.Forbid("shop.test", "/", unknown) // was never allowed
	check("the other one", ask(), old, true)
}

func TestTimelineForgets(t *testing.T) {
	var line Timeline
	running := line.Begin("shop.test", "/")
	for i := range 100 {
		line.Only("shop.test", "/", Answer{Status: 200 + i})
	}
	h := line.keys[key{"shop.test", "/"}]
	if len(h.until) != 100 {
		t.Errorf("%d answers kept while a request runs that may get any, want 100", len(h.until))
	}
	if err := line.End(running, 200, ""); err != nil {
		t.Error(err)
	}
	line.Only("shop.test", "/", Answer{Status: 500})
	line.Only("shop.test", "/", Answer{Status: 501})
	if len(h.until) > 2 || len(line.live) != 0 {
		t.Errorf("%d answers and %d requests kept, want at most 2 and 0", len(h.until), len(line.live))
	}
}
