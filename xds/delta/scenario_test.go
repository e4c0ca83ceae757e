package delta

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"legation.dev/xds/snapshot"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.txt")

// TestScenarios plays testdata/*.txt: a line at the margin is a command, the
// indented lines after it are all that the Conn answers. Commands:
//
//	want TYPE name=version...    a new target: sets resources; name=- takes one out
//	load                         a fresh Envoy asks for everything and acknowledges it
//	spare name=version           the endpoints of a cluster that is not in the target
//	suspect TYPE name=version... versions that another Envoy rejected
//	proven name=version...       HTTP configurations that other Envoys run, the newest first
//	recv TYPE +name -name name=version...   a request: subscribe, unsubscribe, reported versions
//	ack TYPE [nonce]             answers that response, or the oldest of its type
//	nack TYPE [nonce]
//	ack all                      answers all that is in flight, and what comes of it
//	wait DURATION                lets time pass
//	break                        the stream ends; the next one is of the same Envoy
//	status                       what Envoy certainly has
//	count                        responses, resources and removals of this stream
//
// A virtual host names its needs (rc/a=1>cluster,@chain), a listener the hosts
// of its chains, its HTTP configuration, the listener that it needs, and whether it has
// scoped routes (https=1>a,b,ecds:https,after:routes,scopes), a cluster how long it lingers and its secret (a=1>30s,sds:x). Version ~ is a stand-in. In an answer, ' marks a
// variant and "again in" the timer that Next asks for.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { play(t, file) })
	}
}

func play(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := newScript()
	for line := range strings.Lines(string(text)) {
		command, _, _ := strings.Cut(line, "#")
		switch fields := strings.Fields(command); {
		case strings.HasPrefix(line, " "): // an earlier answer
		case len(fields) == 0:
			s.out.WriteString(line)
		default:
			s.out.WriteString(line)
			if err := s.do(fields[0], fields[1:]); err != nil {
				t.Fatalf("%s: %v", strings.TrimSpace(line), err)
			}
		}
	}
	if got := s.out.String(); *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != string(text) {
		t.Errorf("%s (-update rewrites it):\n%s", file, got)
	}
}

// script is one scenario: a Conn and what is told to it.
type script struct {
	conn   *Conn
	now    time.Time
	target snapshot.Snapshot
	spare  map[string]*snapshot.Resource
	others *others
	out    strings.Builder
}

// others is the fleet of a scenario.
type others struct {
	suspects map[string]bool
	proven   []*snapshot.Resource
}

func (o *others) Suspect(ref snapshot.Ref, version string) bool {
	return o.suspects[ref.String()+"="+version]
}

func (o *others) Proven(ref snapshot.Ref) (list []*snapshot.Resource) {
	for _, r := range o.proven {
		if r.Type == ref.Type && r.Name == ref.Name {
			list = append(list, r)
		}
	}
	return list
}

func (s *script) proven(args []string) {
	s.others.proven = nil
	for _, arg := range args {
		name, version, _ := strings.Cut(arg, "=")
		r := config(name, version)
		if listener, ok := strings.CutPrefix(name, "LDS:"); ok {
			r = snapshot.FromBytes(snapshot.Listener, listener, version, []byte(version), snapshot.Meta{})
		}
		s.others.proven = append(s.others.proven, r)
	}
}

func newScript() *script {
	s := &script{now: time.Unix(1_800_000_000, 0), spare: map[string]*snapshot.Resource{}, others: &others{suspects: map[string]bool{}}}
	s.target = s.target.WithReserve(reserve{func(n string) *snapshot.Resource { return s.spare[n] }, standIn})
	s.open(nil)
	return s
}

func (s *script) open(known Rejects) {
	s.conn = Accept(known)
	bits := uint64(0)
	s.conn.random = func() uint64 { bits++; return bits }
	s.conn.Target(s.target, s.others)
}

func (s *script) do(command string, args []string) error {
	switch command {
	case "wait":
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return err
		}
		s.now = s.now.Add(d)
	case "break":
		s.open(s.conn.Rejects())
		return nil
	case "load":
		return s.load()
	case "count":
		s.count()
		return nil
	case "status":
		s.status()
		return nil
	case "spare":
		name, version, _ := strings.Cut(args[0], "=")
		s.spare[name] = cla(name, version, false)
	case "proven":
		s.proven(args)
	case "ack", "nack":
		if args[0] == "all" {
			return s.ackAll()
		}
		fallthrough
	default:
		return s.typed(command, args)
	}
	s.next()
	return nil
}

// typed are the commands whose first argument is a type.
func (s *script) typed(command string, args []string) error {
	t, ok := typeNamed(args[0])
	if !ok && command != "recv" {
		return fmt.Errorf("no type %q", args[0])
	}
	switch command {
	case "want":
		for _, arg := range args {
			if next, ok := typeNamed(arg); ok {
				t = next
			} else {
				s.want(t, arg)
			}
		}
		s.conn.Target(s.target, s.others)
	case "suspect":
		for _, arg := range args[1:] {
			s.others.suspects[t.String()+" "+arg] = true
		}
		return nil
	case "recv":
		s.receive(request(t, ok, args))
	case "ack", "nack":
		nonce := ""
		if flight := s.conn.types[t].flight; len(args) > 1 {
			nonce = args[1]
		} else if len(flight) > 0 {
			nonce = flight[0].Nonce
		}
		s.answer(t, nonce, command == "nack")
	default:
		return fmt.Errorf("no command %q", command)
	}
	s.next()
	return nil
}

func typeNamed(name string) (snapshot.Type, bool) {
	for t := range snapshot.Types() {
		if t.String() == name {
			return t, true
		}
	}
	return snapshot.NumTypes, false
}

func request(t snapshot.Type, ok bool, args []string) Request {
	r := Request{URL: "type.googleapis.com/" + args[0]}
	if ok {
		r.URL = t.URL()
	}
	reported := pairs{}
	var names List
	for _, arg := range args[1:] {
		if name, version, ok := strings.Cut(arg, "="); ok {
			reported[name] = version
		} else if arg[0] == '+' {
			names = append(names, arg[1:])
		} else {
			r.Unsubscribe = append(r.Unsubscribe, arg[1:])
		}
	}
	r.Subscribe = names
	if len(reported) > 0 {
		r.Initial = reported
	}
	return r
}

// want puts name=version[>need,...] into the target.
func (s *script) want(t snapshot.Type, arg string) {
	name, rest, _ := strings.Cut(arg, "=")
	version, needs, _ := strings.Cut(rest, ">")
	m := s.target.Of(t)
	if version == "-" {
		s.target = s.target.With(t, m.Delete(name))
		return
	}
	s.target = s.target.With(t, m.Set(name, resource(t, name, version, strings.FieldsFunc(needs, func(r rune) bool { return r == ',' }))))
}

func resource(t snapshot.Type, name, version string, needs []string) *snapshot.Resource {
	var meta snapshot.Meta
	switch t {
	case snapshot.Cluster:
		meta.Pulls = []snapshot.Ref{{Type: snapshot.Endpoints, Name: name}}
		for _, text := range needs {
			if secret, ok := strings.CutPrefix(text, "sds:"); ok {
				meta.Pulls = append(meta.Pulls, snapshot.Ref{Type: snapshot.Secret, Name: secret})
				continue
			}
			meta.Linger, _ = time.ParseDuration(text) // no linger, no test: the removal comes too soon
		}
	case snapshot.Endpoints:
		return cla(name, version, version == "~")
	case snapshot.Secret:
		if version == "~" {
			return secret(name, snapshot.StandInVersion, true)
		}
		return secret(name, version, false)
	case snapshot.Listener:
		listener(&meta, needs)
	case snapshot.ExtensionConfig:
		return config(name, version)
	case snapshot.VirtualHost:
		for _, n := range needs {
			if host, ok := strings.CutPrefix(n, "@"); ok {
				meta.Needs = append(meta.Needs, snapshot.Ref{Type: snapshot.Chain, Name: host})
			} else {
				meta.Needs = append(meta.Needs, snapshot.Ref{Type: snapshot.Cluster, Name: n})
			}
		}
	}
	return snapshot.FromBytes(t, name, version, []byte(version), meta)
}

// listener adds what a listener has to meta: hosts and ecds:NAME, after:LISTENER, scopes.
func listener(meta *snapshot.Meta, words []string) {
	ref := func(t snapshot.Type, name string) snapshot.Ref { return snapshot.Ref{Type: t, Name: name} }
	meta.Pulls = append(meta.Pulls, ref(snapshot.RouteConfiguration, "rc"))
	for _, word := range words {
		switch kind, name, _ := strings.Cut(word, ":"); kind {
		case "scopes":
			meta.Pulls = append(meta.Pulls, ref(snapshot.ScopedRoute, "all"))
		case "ecds":
			meta.Pulls = append(meta.Pulls, ref(snapshot.ExtensionConfig, name))
		case "after":
			meta.Needs = append(meta.Needs, ref(snapshot.Listener, name))
		default:
			meta.Pulls = append(meta.Pulls, ref(snapshot.Secret, word))
			meta.Chains = append(meta.Chains, word)
		}
	}
}

func (s *script) answer(t snapshot.Type, nonce string, reject bool) {
	r := Request{URL: t.URL(), Nonce: nonce}
	if reject {
		r.Error = &Error{Code: 13, Message: "bad"}
	}
	s.receive(r)
}

func (s *script) receive(r Request) {
	switch e := s.conn.Receive(r, s.now); {
	case e.Outcome == Stale:
		s.say("stale")
	case e.Outcome == UnknownType:
		s.say("unknown type")
	case e.Outcome == NACK && e.Alone:
		s.say("rejected alone")
	case e.Outcome == NACK:
		s.say("rejected with others")
	}
}

// load is the silent start of an Envoy that rejects nothing.
func (s *script) load() error {
	said := s.out.String()
	names := func(t snapshot.Type) (names []string) {
		for n := range s.target.Of(t).All() {
			names = append(names, n)
		}
		return names
	}
	for _, t := range []snapshot.Type{snapshot.Cluster, snapshot.Endpoints, snapshot.Listener,
		snapshot.ExtensionConfig, snapshot.ScopedRoute, snapshot.RouteConfiguration, snapshot.Secret, snapshot.VirtualHost} {
		r := Request{URL: t.URL()}
		if !t.Wildcard() {
			r.Subscribe = List(names(t))
		}
		s.receive(r)
		s.next()
		if err := s.ackAll(); err != nil {
			return err
		}
	}
	s.out.Reset()
	s.out.WriteString(said)
	return nil
}

func (s *script) ackAll() error {
	for range 2000 {
		idle := true
		for t := range snapshot.Types() {
			if flight := s.conn.types[t].flight; len(flight) > 0 {
				idle = false
				s.answer(t, flight[0].Nonce, false)
				s.next()
			}
		}
		if idle {
			return nil
		}
	}
	return fmt.Errorf("no rest")
}

func (s *script) say(format string, args ...any) { fmt.Fprintf(&s.out, "    "+format+"\n", args...) }

// next writes down what the Conn sends.
func (s *script) next() {
	responses, wake := s.conn.Next(s.now)
	for _, r := range responses {
		line := r.Type.String() + " " + r.Nonce + ":"
		for _, x := range r.Resources {
			line += " " + x.Name + "=" + x.Version
			if want, ok := s.target.Of(r.Type).Get(x.Name); ok && want.Version == x.Version && string(want.Body()) != string(x.Body()) {
				line += "'"
			}
		}
		for _, n := range r.Removed {
			line += " -" + n
		}
		s.say("%s", line)
	}
	if !wake.IsZero() {
		s.say("again in %v", wake.Sub(s.now))
	}
}

func (s *script) status() {
	for t, st := range s.conn.Status().Types {
		var have []string
		for n, r := range st.Have.All() {
			have = append(have, n+"="+r.Version)
		}
		if len(have) > 0 {
			s.say("%v %s", snapshot.Type(t), strings.Join(have, " "))
		}
		for _, r := range st.Rejected {
			s.say("%v rejected %s=%s: %s", snapshot.Type(t), r.Name, r.Version, r.Message)
		}
	}
}

func (s *script) count() {
	n := s.conn.Status().Counters
	sum := func(of [snapshot.NumTypes]uint64) (total uint64) {
		for _, x := range of {
			total += x
		}
		return total
	}
	s.say("%d responses, %d resources, %d removals, %d stale, %d unknown types, %d forced",
		sum(n.Responses), sum(n.Resources), sum(n.Removed), n.Stale, n.UnknownTypes, n.Forced)
}

// reserve is a snapshot.Reserve of two functions.
type reserve struct {
	spare, standIn func(string) *snapshot.Resource
}

func (r reserve) Spare(cluster string) *snapshot.Resource { return r.spare(cluster) }

func (r reserve) StandIn(secret string) *snapshot.Resource { return r.standIn(secret) }

func standIn(name string) *snapshot.Resource { return secret(name, snapshot.StandInVersion, true) }
