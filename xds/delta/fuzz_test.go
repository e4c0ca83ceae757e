package delta

import (
	"testing"
	"time"

	"legation.dev/xds/snapshot"
)

// FuzzReceive plays arbitrary requests, also such as no Envoy makes: a Conn never
// panics, never sends a version that nobody has, never a named resource that was
// not asked for, and comes to rest.
//
// The input is a program of two bytes a step: what happens, and to whom.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0, 0, 10, 1, 30, 0, 1, 0, 11, 1, 6, 0, 2, 0, 4, 0, 7, 0, 8, 0, 40, 0, 41, 1, 42, 2, 44, 3, 46, 4, 47, 5})
	f.Add([]byte{60, 4, 0, 0, 11, 0, 6, 0, 46, 0, 15, 7, 3, 0, 14, 2, 55, 7, 46, 1, 60, 5, 45, 0, 60, 6, 55, 0, 7, 0})
	f.Add([]byte{10, 9, 11, 9, 21, 3, 40, 0, 31, 1, 50, 0, 41, 1, 51, 1, 60, 200, 70, 0})
	f.Fuzz(func(t *testing.T, program []byte) {
		p := newProgram()
		for i := 0; i+1 < len(program) && i < 400; i += 2 {
			p.step(program[i], program[i+1])
			p.next(t)
		}
	})
}

type program struct {
	*script
	asked  map[snapshot.Ref]bool // subscribed on this stream
	nonces []string
	count  int // of targets
}

func newProgram() *program {
	p := &program{script: newScript(), asked: map[snapshot.Ref]bool{}}
	p.retarget(0)
	return p
}

// retarget draws a closed target of two clusters, two hosts and their chains.
func (p *program) retarget(bits byte) {
	p.count++
	v := string(rune('a' + bits%5))
	for i, n := range []string{"a", "b"} {
		for _, t := range []snapshot.Type{snapshot.Endpoints, snapshot.Secret} {
			p.want(t, n+"="+v)
		}
		shows := ""
		if bits>>i&8 != 0 {
			shows = ">sds:" + n
		}
		p.want(snapshot.Cluster, n+"="+v+shows)
		if bits>>i&1 == 0 {
			p.want(snapshot.VirtualHost, "rc/"+n+"="+v+">"+n+",@"+n)
		} else {
			p.want(snapshot.VirtualHost, "rc/"+n+"=-")
		}
	}
	p.want(snapshot.RouteConfiguration, "rc="+v)
	p.want(snapshot.Listener, "https="+v+">a,b")
	if bits&4 != 0 {
		p.want(snapshot.ExtensionConfig, "https="+v)
		p.want(snapshot.ScopedRoute, "all="+v)
		p.want(snapshot.Listener, "routes="+v+">scopes")
		p.want(snapshot.Listener, "https="+v+">a,b,scopes,ecds:https,after:routes")
		p.proven([]string{"https=a", "https=" + v})
	}
	p.conn.Target(p.target, p.others)
}

func (p *program) step(what, whom byte) {
	t := snapshot.Type(what % 10) // two of them are none
	url := "type.googleapis.com/unknown"
	if t < snapshot.NumTypes {
		url = t.URL()
	}
	name := []string{"a", "b", "rc", "other", "", "rc/a", "rc/", "https", "all", "routes"}[whom%10]
	r := Request{URL: url}
	var names List
	switch what / 10 % 7 {
	case 0:
	case 1:
		names = List{name}
	case 2:
		r.Unsubscribe = []string{name}
		names = List{"b", name, name}
	case 3:
		names = List{name}
		r.Initial = pairs{name: string(rune('a' + whom%7)), "": "x", "other": ""}
	case 4:
		r.Nonce = p.nonce(whom)
	case 5:
		r.Nonce, r.Error = p.nonce(whom), &Error{Message: "no"}
		r.Unsubscribe = []string{name}
	default:
		p.now = p.now.Add(time.Duration(whom) * 100 * time.Millisecond)
		p.retarget(whom)
		return
	}
	r.Subscribe = names
	for _, n := range names {
		p.asked[snapshot.Ref{Type: t, Name: n}] = true
	}
	p.conn.Receive(r, p.now)
}

func (p *program) nonce(which byte) string {
	if len(p.nonces) == 0 || which == 255 {
		return "never sent"
	}
	return p.nonces[max(0, len(p.nonces)-1-int(which%16))]
}

func (p *program) next(t *testing.T) {
	for range 20 {
		out, _ := p.conn.Next(p.now)
		for _, r := range out {
			p.nonces = append(p.nonces, r.Nonce)
			p.check(t, r)
		}
		if len(out) == 0 {
			return
		}
	}
	t.Fatal("responses without end")
}

func (p *program) check(t *testing.T, r Response) {
	if !p.conn.types[r.Type].first {
		t.Fatalf("%v was never requested", r.Type)
	}
	if len(r.Resources)+len(r.Removed) == 0 && r.Type != snapshot.Cluster { // "there are none", once
		t.Fatalf("%v: an empty response", r.Type)
	}
	for _, x := range r.Resources {
		if !known(x) || x.Type != r.Type {
			t.Fatalf("%v %s=%s is sent as %v", x.Type, x.Name, x.Version, r.Type)
		}
		if !r.Type.Wildcard() && !p.asked[snapshot.Ref{Type: r.Type, Name: x.Name}] {
			t.Fatalf("%v %s is sent unasked", r.Type, x.Name)
		}
	}
}
