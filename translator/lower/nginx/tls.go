package nginx

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// sslCiphers are the ciphers of a host.
const sslCiphers = "ssl-ciphers"

// ciphers are those of a list of OpenSSL that Envoy knows. Words such as HIGH stand for what
// it has anyway, and what is to be left out is not there.
func ciphers(text string) (string, error) {
	var list, unknown []string
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(": ,", r) }) {
		switch {
		case slices.Contains(policy.Ciphers, one):
			list = append(list, one)
		case strings.Contains(one, "-") && !strings.ContainsAny(one[:1], "!-@"):
			unknown = append(unknown, one)
		}
	}
	switch {
	case len(list) == 0 && len(unknown) > 0:
		return "", errors.New("has no cipher that Envoy knows; its own count")
	case len(unknown) > 0:
		return strings.Join(list, ","), policy.InPart{Err: fmt.Errorf("Envoy does not know %s; the others count", strings.Join(unknown, ", "))}
	}
	return strings.Join(list, ","), nil
}

// ciphersOf are the ciphers that an object wants for its hosts.
func (p Paths) ciphersOf() string {
	text, has := p.said[sslCiphers]
	if !has {
		return ""
	}
	list, err := ciphers(text)
	switch {
	case err != nil && list == "":
		p.fragment.Find(finding.SettingIgnored, field(sslCiphers), shown(text), err)
	case err != nil:
		p.fragment.Find(finding.NoEffect, field(sslCiphers), shown(text), "in part: "+err.Error())
	}
	return list
}

// onOff is on or off.
func onOff(text string) (string, error) {
	switch text {
	case "on":
		return "true", nil
	case "off":
		return "false", nil
	}
	return "", ignored("neither on nor off")
}

// versions are those of TLS that Envoy knows, too.
func versions(text string) (string, error) {
	list := strings.Fields(text)
	two, three := slices.Contains(list, "TLSv1.2"), slices.Contains(list, "TLSv1.3")
	switch {
	case two && three:
		return string(policy.TLSEither), nil
	case two:
		return string(policy.TLSOnly12), nil
	case three:
		return string(policy.TLSOnly13), nil
	}
	return "", errors.New("neither TLSv1.2 nor TLSv1.3, which are spoken")
}
