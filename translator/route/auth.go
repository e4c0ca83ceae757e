package route

import (
	"cmp"
	"slices"
	"strings"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// mostUsers is how many bytes of htpasswd a route may have: Envoy sends them along with
// each question.
const mostUsers = 16 << 10

// PasswordsOf is the Secret that a fragment takes passwords from; ok is false if it takes
// none.
func PasswordsOf(f *Fragment, a *policy.Auth) (secret object.Ref, ok bool) {
	if a.AuthType != policy.Basic || a.AuthSecret == "" {
		return object.Ref{}, false
	}
	return secretOf(f.Origin.Object.Namespace, a.AuthSecret), true
}

// admit finds what settings of a plan name: users, and headers. Without what keeps clients
// out it is closed, and its owner is told.
func (p *plan) admit(host string, in *Input) []finding.Finding {
	found := append(p.anywhere(host), p.passwords(in.Secret)...)
	return slices.Concat(found, p.custom(in), p.telling(in), p.trusts(in))
}

// anywhere closes a plan where a client could name the service that lets it in.
func (p *plan) anywhere(host string) []finding.Finding {
	if p.closed || host != Any || !p.settings.ClientNames() {
		return nil
	}
	p.closed = true
	return []finding.Finding{finding.AuthAnywhere.At(p.fragment.At(cmp.Or(p.fragment.Policy.FieldOf("auth-url"), "spec.rules")), p.settings.AuthURL)}
}

func (p *plan) passwords(secrets func(object.Ref) *Credential) []finding.Finding {
	if p.closed || p.settings.AuthType != policy.Basic {
		return nil
	}
	at := p.fragment.At(p.fragment.Policy.FieldOf("auth-type"))
	ref, named := PasswordsOf(p.fragment, &p.settings.Auth)
	var c *Credential
	switch {
	case !named:
		p.closed = true
		return []finding.Finding{finding.NoPasswords.At(at, "", "no Secret is named by auth-secret")}
	case ref.Namespace != p.fragment.Origin.Object.Namespace:
		p.closed = true
		return []finding.Finding{finding.NoPasswords.At(at, ref.Key(), "the Secret is in another namespace")}
	case secrets != nil:
		c = secrets(ref)
	}
	if c == nil {
		p.closed = true
		return []finding.Finding{finding.NoPasswords.At(at, ref.Key(), "there is no such Secret")}
	}
	if c.Unread != nil {
		p.closed = true
		return []finding.Finding{finding.NoPasswords.At(at, ref.Key(), c.Unread)}
	}
	return p.users(c, at, ref)
}

// users gives a plan the users of a Secret.
func (p *plan) users(c *Credential, at object.Origin, ref object.Ref) []finding.Finding {
	settings := *p.settings
	lines, key := c.Users, "the key auth of the Secret has"
	if settings.AuthSecretType == policy.AuthMap {
		lines, key = c.Named, "the keys of the Secret have"
	}
	users := strings.Join(lines, ",")
	settings.Auth = settings.Auth.WithUsers(users)
	switch {
	case users == "":
		p.closed = true
		return []finding.Finding{finding.NoPasswords.At(at, ref.Key(), key+" no line that can be used")}
	case len(users) > mostUsers:
		p.closed = true
		return []finding.Finding{finding.NoPasswords.At(at, ref.Key(), "the Secret has more than 16 KiB of passwords")}
	}
	p.settings = &settings
	if p.local != nil {
		local := *p.local
		local.Auth = local.Auth.WithUsers(users)
		p.local = &local
	}
	if c.BadUsers > 0 && settings.AuthSecretType != policy.AuthMap {
		return []finding.Finding{finding.BadPasswords.At(at, ref.Key(), c.BadUsers)}
	}
	return nil
}
