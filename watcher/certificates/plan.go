package certificates

import (
	"bytes"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/xds/bootstrap"
	"legation.dev/xds/identity"
)

// lives are how long what is made is valid.
type lives struct{ pair, authority time.Duration }

// plan is what is to be written so that all Secrets are there and none ends soon, in this
// order, and when to look again at the latest. have are those that there are, by name.
//
// A certificate is renewed when a third of its life is left: a pair of a year after
// eight months, so that there are months to mend what keeps it from being renewed.
func plan(s Set, have map[string]*corev1.Secret, l lives, now time.Time) (write []*corev1.Secret, next time.Time, err error) {
	a, roots, changed, err := authority(s, have, l, now)
	if err != nil {
		return nil, time.Time{}, err
	}
	next = a.RenewAt()
	if changed {
		write = append(write, with(s, have[s.Authority()], s.Authority(), a.Pair, roots))
	}
	for _, o := range s.Owners() {
		pair, at, renewed, err := pairOf(a, o, have[o.Secret], l, now)
		if err != nil {
			return nil, time.Time{}, err
		}
		if at.Before(next) {
			next = at
		}
		if old := have[o.Secret]; renewed || !bytes.Equal(old.Data[identity.CAFile], roots) {
			write = append(write, with(s, old, o.Secret, pair, roots))
		}
	}
	if have[s.Tickets()] == nil {
		p, err := bootstrap.SelfSigned(now) // one of the CA might be taken for a name
		if err != nil {
			return nil, time.Time{}, err
		}
		write = append(write, s.Secret(s.Tickets(), p, nil))
	}
	return write, next, nil
}

// authority is the CA, and all CAs that are to be trusted: those that its Secret names
// beside it, while it is being replaced. Renewed it has the same key, and so no
// certificate that it has signed becomes worthless.
func authority(s Set, have map[string]*corev1.Secret, l lives, now time.Time) (a *identity.Authority, roots []byte, changed bool, err error) {
	secret := have[s.Authority()]
	if secret == nil {
		for _, o := range s.Owners() {
			if have[o.Secret] != nil {
				return nil, nil, false, fmt.Errorf("there is Secret %s/%s, and no %s, whose CA could renew it: whoever made it has to", s.Namespace, o.Secret, s.Authority())
			}
		}
		a, err := identity.NewAuthority(now, l.authority)
		if err != nil {
			return nil, nil, false, err
		}
		return a, a.Certificate, true, nil
	}
	before := secret.Data[identity.CertificateFile]
	if a, err = identity.ReadAuthority(identity.Pair{Certificate: before, Key: secret.Data[identity.KeyFile]}); err != nil {
		return nil, nil, false, fmt.Errorf("the CA in Secret %s/%s: %w", s.Namespace, s.Authority(), err)
	}
	roots = secret.Data[identity.CAFile]
	if !a.RenewAt().After(now) {
		if a, err = a.Renew(now, l.authority); err != nil {
			return nil, nil, false, err
		}
		roots = bytes.ReplaceAll(roots, before, nil) // the new one stands for it
		changed = true
	}
	if !bytes.Contains(roots, a.Certificate) {
		roots, changed = append(bytes.Clone(a.Certificate), roots...), true
	}
	return a, roots, changed, nil
}

// pairOf is the pair of an owner, a new one if there is none that can be used until the
// next look, and when it is to be renewed.
func pairOf(a *identity.Authority, o Owner, old *corev1.Secret, l lives, now time.Time) (p identity.Pair, renewAt time.Time, renewed bool, err error) {
	if old != nil {
		p = identity.Pair{Certificate: old.Data[identity.CertificateFile], Key: old.Data[identity.KeyFile]}
		if at, ok := a.Issued(p, o.Name); ok && at.After(now) {
			return p, at, false, nil
		}
	}
	if p, err = a.Issue(o.Name, now, l.pair); err != nil {
		return p, renewAt, false, err
	}
	at, _ := a.Issued(p, o.Name)
	return p, at, true, nil
}

// with is a Secret with other files; a new one if there is none.
func with(s Set, old *corev1.Secret, name string, p identity.Pair, roots []byte) *corev1.Secret {
	made := s.Secret(name, p, roots)
	if old == nil {
		return made
	}
	next := old.DeepCopy()
	if next.Data == nil {
		next.Data = map[string][]byte{}
	}
	for file, text := range made.Data {
		next.Data[file] = text
	}
	return next
}
