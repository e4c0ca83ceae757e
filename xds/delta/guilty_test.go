package delta

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"legation.dev/xds/snapshot"
)

// TestOneGuilty changes 100 resources of a type at once, one of them bad: that
// one alone is rejected and never sent again, the others land, within the
// responses that halving needs.
func TestOneGuilty(t *testing.T) {
	for _, test := range []struct {
		kind  snapshot.Type
		most  uint64 // responses: 1 + 2·log2(100) for halves, one each for modified clusters and secrets
		again uint64 // the guilty one's earlier version, which must overwrite it
	}{
		{snapshot.Cluster, 100, 0},
		{snapshot.Endpoints, 15, 1},
		{snapshot.Secret, 100, 1},
		{snapshot.VirtualHost, 15, 0},
	} {
		t.Run(test.kind.String(), func(t *testing.T) {
			s := hundred(t)
			name := func(i int) string {
				return map[bool]string{true: "rc/", false: ""}[test.kind == snapshot.VirtualHost] + fmt.Sprintf("%02d", i)
			}
			change := func(version, guilty string) {
				for i := range 100 {
					v := version
					if i == 42 {
						v = guilty
					}
					s.want(test.kind, name(i)+"="+v)
				}
				s.conn.Target(s.target, nil)
			}
			before := s.conn.counters.Responses[test.kind]
			change("2", "bad")
			alone := s.answerAll(t)
			sent := s.conn.counters.Responses[test.kind] - before
			t.Logf("%d responses", sent)
			if !slices.Equal(alone, []string{name(42)}) {
				t.Errorf("rejected alone: %v", alone)
			}
			if sent > test.most+test.again {
				t.Errorf("%d responses, want at most %d", sent, test.most+test.again)
			}
			for i := range 100 {
				want := map[bool]string{true: "1", false: "2"}[i == 42]
				if have := s.conn.types[test.kind].get(name(i)); version(have) != want {
					t.Errorf("%s has version %q, want %s", name(i), version(have), want)
				}
			}
			change("3", "bad") // never offered again, whatever else changes
			if alone := s.answerAll(t); len(alone) > 0 {
				t.Errorf("%v was sent again", alone)
			}
		})
	}
}

// hundred is a loaded Envoy with 100 resources of each type.
func hundred(t *testing.T) *script {
	s := newScript()
	for i := range 100 {
		for _, kind := range []snapshot.Type{snapshot.Cluster, snapshot.Endpoints, snapshot.Secret} {
			s.want(kind, fmt.Sprintf("%02d=1", i))
		}
		s.want(snapshot.VirtualHost, fmt.Sprintf("rc/%02d=1", i))
	}
	s.want(snapshot.RouteConfiguration, "rc=1")
	s.want(snapshot.Listener, "http=1")
	s.conn.Target(s.target, nil)
	if err := s.load(); err != nil {
		t.Fatal(err)
	}
	return s
}

// answerAll rejects each response with a bad resource and acknowledges the
// others, until nothing comes for a minute. It returns what was rejected alone.
func (s *script) answerAll(t *testing.T) (alone []string) {
	for i, quiet := 0, 0; quiet < 60; i++ {
		if i > 1000 {
			t.Fatal("no rest")
		}
		out, _ := s.conn.Next(s.now)
		if quiet++; len(out) == 0 {
			s.now = s.now.Add(time.Second)
			continue
		}
		quiet = 0
		for _, r := range slices.Clone(out) {
			answer := Request{URL: r.Type.URL(), Nonce: r.Nonce}
			for _, x := range r.Resources {
				if x.Version == "bad" {
					answer.Error = &Error{Code: 13, Message: "bad"}
				}
			}
			if e := s.conn.Receive(answer, s.now); e.Alone {
				alone = append(alone, e.Rejected[0].Name)
			}
		}
	}
	return alone
}
