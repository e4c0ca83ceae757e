package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// Claim is what gives a namespace a right to a name: an object with a rule for exactly
// that name. The oldest claim wins.
type Claim struct {
	By  object.Ref
	Age time.Time
	// Lapsed: no object of the namespace has a rule for the name any more, but one had
	// a moment ago.
	Lapsed bool
}

// Older compares two claims in the order in which they win, as Older does fragments.
func (c Claim) Older(other Claim) int {
	return cmp.Or(c.Age.Compare(other.Age), cmp.Compare(c.By.Key(), other.By.Key()), c.By.Compare(other.By))
}

// Claim is that of an object with a rule for a name.
func (f *Fragment) Claim() Claim { return Claim{By: f.Origin.Object, Age: f.Age} }

// Claims are all to one name, in one class.
type Claims struct {
	Host string
	// Fragments have a rule for it, or, for Any, a catch-all. Sorted by Older.
	Fragments []*Fragment
	// Kept are those that the past gives: an older one of a namespace whose object was
	// made anew, or that of a namespace whose object is gone.
	Kept []Claim
}

// Tenure says whose a name is.
type Tenure struct {
	// Owner is the namespace whose objects decide what concerns the whole name; empty if
	// nobody has it. For a name that only a wildcard covers it is that of the wildcard.
	Owner string
	// Claim is by which the owner has it.
	Claim Claim
	// At is where the oldest object of the owner names it; zero if none does.
	At object.Origin
	// Served are the fragments whose rules for the name are served, sorted by Older.
	Served []*Fragment
	// Certified are those whose TLS sections for the name count where none of Served has one.
	// Nothing else of them is in force there. Sorted by Older.
	Certified []*Fragment
	// Found tells those whose rules are not served, or do not decide, and the owner.
	Found []finding.Finding
}

// Owns reports whether a fragment is one of the owner.
func (t *Tenure) Owns(f *Fragment) bool { return f.Origin.Object.Namespace == t.Owner }

// Same reports whether the name is owned by the same claim, from the same place, and
// served or not: an owner whose objects are over the budgets of the class has a name of
// which nothing is served.
func (t *Tenure) Same(other *Tenure) bool {
	return (len(t.Served) > 0) == (len(other.Served) > 0) && t.At == other.At && t.Owner == other.Owner && t.Claim.Older(other.Claim) == 0 && t.Claim.Lapsed == other.Claim.Lapsed
}

// Tenure decides whose a name is, given the claims to it and to the wildcard that it
// falls under; those are empty if it falls under none.
//
// It belongs to the namespace with the oldest claim. A claim below a wildcard that
// belongs to another namespace by an older claim counts for nothing, unless the class
// shares hosts. Where the class names the owners of the name, nobody else has a claim,
// and the first of them wins.
func (c *Class) Tenure(of, above Claims) Tenure {
	if c.tooWide(of.Host) {
		return Tenure{Found: refused(of, finding.PublicSuffix, of.Host)}
	}
	d := dispute{class: c, claims: of, ranked: of.ranked()}
	if d.entry, d.listed = c.entry(of.Host); d.listed {
		d.byList()
	} else if len(above.Fragments)+len(above.Kept) > 0 {
		d.above = c.Tenure(above, Claims{})
		d.byWildcard()
	}
	return d.decided()
}

// entry is what the class says of the owners of a name, or of the wildcard that it falls
// under.
func (c *Class) entry(host string) (policy.HostOwner, bool) {
	if len(c.Settings.HostOwners) == 0 {
		return policy.HostOwner{}, false
	}
	if e, ok := c.Settings.OwnersOf(host); ok {
		return e, true
	}
	wildcard, ok := Wildcard(host)
	if !ok {
		return policy.HostOwner{}, false
	}
	return c.Settings.OwnersOf(wildcard)
}

// tooWide reports whether a name is a wildcard for names of which each may belong to
// somebody else, as all below com do, and the class does not name its owner.
func (c *Class) tooWide(host string) bool {
	parent, wildcard := strings.CutPrefix(host, "*.")
	if !wildcard || !publicSuffix(parent) && !publicSuffix("x."+parent) {
		return false
	}
	_, named := c.Settings.OwnersOf(host)
	return !named
}

// publicSuffix reports whether a name is on the list of public suffixes. A top-level
// domain that is not there, as of a private network, is none.
func publicSuffix(name string) bool {
	suffix, icann := publicsuffix.PublicSuffix(name)
	return suffix == name && (icann || strings.Contains(suffix, "."))
}

// ranked is the oldest claim of each namespace, the oldest first.
func (c *Claims) ranked() []Claim {
	list := slices.Clone(c.Kept)
	for _, f := range c.Fragments {
		list = append(list, f.Claim())
	}
	slices.SortFunc(list, Claim.Older)
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(one Claim) bool {
		again := seen[one.By.Namespace]
		seen[one.By.Namespace] = true
		return again
	})
}

// dispute is one decision on whose a name is.
type dispute struct {
	class  *Class
	claims Claims
	ranked []Claim // that count, the first one wins
	entry  policy.HostOwner
	listed bool   // entry decides
	above  Tenure // of the wildcard above
}

// byList lets only those count that the class names, in its order.
func (d *dispute) byList() {
	d.ranked = slices.DeleteFunc(d.ranked, func(c Claim) bool { return !d.named(c.By.Namespace) })
	slices.SortStableFunc(d.ranked, func(a, b Claim) int {
		rankA, _ := d.entry.Rank(a.By.Namespace)
		rankB, _ := d.entry.Rank(b.By.Namespace)
		return cmp.Compare(rankA, rankB)
	})
}

// named reports whether the class names a namespace as one that has the name.
func (d *dispute) named(namespace string) bool {
	_, ok := d.entry.Rank(namespace)
	return d.listed && ok
}

// byWildcard lets no claim count that is younger than that of another namespace on the
// wildcard above.
func (d *dispute) byWildcard() {
	if d.above.Owner == "" || d.shared() {
		return
	}
	d.ranked = slices.DeleteFunc(d.ranked, func(c Claim) bool {
		return c.By.Namespace != d.above.Owner && d.above.Claim.Older(c) < 0
	})
}

func (d *dispute) shared() bool { return d.class.Settings.HostOwnership == policy.SharedHosts }

// reason says by what a claim wins.
func (c Claim) reason() string {
	if c.Lapsed {
		return fmt.Sprintf("for a minute, since its %s is gone", c.By)
	}
	return fmt.Sprintf("by %s", c.By)
}

// decided is the tenure by the claims that count.
func (d *dispute) decided() Tenure {
	t := Tenure{Owner: d.above.Owner, Claim: d.above.Claim, At: d.above.At}
	if len(d.ranked) > 0 {
		t = Tenure{Owner: d.ranked[0].By.Namespace, Claim: d.ranked[0]}
		if i := slices.IndexFunc(d.claims.Fragments, t.Owns); i >= 0 {
			t.At = d.claims.Fragments[i].Names(d.claims.Host)
		}
	}
	var others []*Fragment
	for _, f := range d.claims.Fragments {
		owns := len(d.ranked) > 0 && t.Owns(f)
		if d.class.Over.Len() > 0 && d.class.Over.Has(f.Key()) {
			continue
		}
		if owns || d.shared() || d.named(f.Origin.Object.Namespace) {
			t.Served = append(t.Served, f)
		}
		if !owns {
			others = append(others, f)
		}
	}
	if len(others) > 0 {
		d.tell(&t, others)
	}
	d.tellKept(&t)
	return t
}

// tell tells those who do not own the name, and the owner.
func (d *dispute) tell(t *Tenure, others []*Fragment) {
	why, served := d.because(t), "not served"
	for _, f := range others {
		code := finding.HostOwned
		if slices.Contains(t.Served, f) {
			code, served = finding.HostShared, "served beside its own"
		}
		t.Found = append(t.Found, code.At(f.Names(d.claims.Host), d.claims.Host, why))
	}
	first := others[0].Origin.Object.String()
	if more := len(others) - 1; more > 0 {
		first += fmt.Sprintf(" (and %d more)", more)
	}
	if t.At != (object.Origin{}) {
		t.Found = append(t.Found, finding.HostClaimed.At(t.At, "", first, d.claims.Host, served))
	}
}

// because says why others do not own the name.
func (d *dispute) because(t *Tenure) string {
	switch {
	case d.listed && len(d.ranked) == 0:
		return "is kept for others by the setting host-owners of the class"
	case d.listed:
		return "belongs to namespace " + t.Owner + " by the setting host-owners of the class"
	case len(d.ranked) == 0:
		wildcard, _ := Wildcard(d.claims.Host)
		return "is below " + wildcard + ", which belongs to namespace " + t.Owner + " " + t.Claim.reason()
	}
	return "belongs to namespace " + t.Owner + " " + t.Claim.reason()
}

// tellKept tells an owner that has the name only because this process remembers an older
// object: one that starts later goes by the objects that there are.
func (d *dispute) tellKept(t *Tenure) {
	i := slices.IndexFunc(d.claims.Fragments, t.Owns)
	if d.listed || i < 0 || len(d.ranked) == 0 {
		return
	}
	f := d.claims.Fragments[i]
	var rival Claim
	switch {
	case i > 0:
		rival = d.claims.Fragments[0].Claim()
	case !d.shared():
		rival = d.above.Claim
	}
	if rival.By.Namespace != "" && rival.By.Namespace != t.Owner && rival.Older(f.Claim()) < 0 {
		t.Found = append(t.Found, finding.HostRemembered.At(f.Names(d.claims.Host), d.claims.Host, t.Claim.By, rival.By))
	}
}

// refused tells all who have a rule for a name.
func refused(of Claims, code finding.Code, args ...any) (list []finding.Finding) {
	for _, f := range of.Fragments {
		list = append(list, code.At(f.Names(of.Host), of.Host, args...))
	}
	return list
}

// Names is where an object names a host, or the catch-all.
func (f *Fragment) Names(host string) object.Origin {
	if h := f.Host(host); h != nil {
		return f.At(h.Field)
	}
	return f.At("spec.defaultBackend")
}

// Handshakes is what becomes of the handshakes of a name that has no certificate, where the
// next wildcard above it that has a chain is another namespace's; zero if it is its own, or none
// has. The name then needs a chain of its own.
type Handshakes struct {
	// Fence is the namespace with that wildcard. Empty if Lends says what is presented.
	Fence string
	// Lends is the tenure of Wildcard that the namespace of the name has, farther up or by a
	// name beside one of its hosts that is another's by a rule: the name is presented as if
	// that were the next.
	Lends    Tenure
	Wildcard string
}

// chain reports whether the name needs a chain of its own.
func (h Handshakes) chain() bool { return h.Fence != "" || h.Wildcard != "" }

// Wildcards says whose the names are that are wildcards above others.
type Wildcards interface {
	// Has is the tenure of a name, and whether it is one that objects have now, or that is
	// kept for somebody: then it has a chain or a fence if it needs one.
	Has(name string) (t Tenure, needs bool)
	// Given is Class.Given.
	Given(namespace, name string) Tenure
}

// Handshakes looks for the wildcard that decides over those of a name without a certificate.
func (c *Class) Handshakes(name string, of Tenure, wildcards Wildcards) (h Handshakes) {
	if of.Owner == "" || name == Any {
		return h
	}
	for above, ok := wider(name); ok; above, ok = wider(above) {
		t, needs := wildcards.Has(above)
		if t.Owner == of.Owner && c.Secure(above, t) && h.Fence == "" {
			return h // its chain takes them
		}
		if t.Owner != of.Owner {
			if h.Fence == "" && (c.Secure(above, t) || needs && c.Handshakes(above, t, wildcards).chain()) {
				h.Fence = t.Owner
			}
			t = wildcards.Given(of.Owner, above)
		}
		if c.Secure(above, t) {
			return Handshakes{Lends: t, Wildcard: above}
		}
	}
	return h
}

// wider is the next wildcard that Envoy would look for in a handshake.
func wider(name string) (string, bool) {
	_, rest, ok := strings.Cut(strings.TrimPrefix(name, "*."), ".")
	return "*." + rest, ok
}

// Secure reports whether a name has a chain for TLS by what its owner says.
func (c *Class) Secure(name string, of Tenure) bool {
	_, _, ok := c.Certificate(name, of)
	return ok || Through(name, of) != nil
}
