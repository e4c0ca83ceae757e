package route

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"legation.dev/object"
	"legation.dev/translator/finding"
)

// ConfigMapOf is the ConfigMap that a setting of a fragment names.
func ConfigMapOf(f *Fragment, name string) object.Ref {
	ref := secretOf(f.Origin.Object.Namespace, name)
	ref.Kind = object.KindConfigMap
	return ref
}

var (
	headerName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	// headerValue is what ingress-nginx takes, without variables and without what a format
	// string of anybody could mean.
	headerValue = regexp.MustCompile(`^[A-Za-z0-9_ :;.,\\/"'?!(){}\[\]@<>=\-+*#&|~^%` + "`" + `]*$`)
)

// mostValue is how long the value of a header may be, in bytes.
const mostValue = 4096

// mostNamed is how many headers a ConfigMap may have.
const mostNamed = 100

// headersIn are the headers that a ConfigMap has, in order of their names.
func (p *plan) headersIn(in *Input, ref object.Ref) (list []Header, err error) {
	if ref.Namespace != p.fragment.Origin.Object.Namespace {
		return nil, errors.New("the ConfigMap is in another namespace")
	}
	if in.ConfigMap == nil {
		return nil, errors.New("there is no such ConfigMap")
	}
	data, err := in.ConfigMap(ref)
	switch {
	case err != nil:
		return nil, err
	case len(data) > mostNamed:
		return nil, fmt.Errorf("the ConfigMap has more than %d keys", mostNamed)
	}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		value := strings.TrimSpace(data[name])
		switch {
		case !headerName.MatchString(name) || strings.EqualFold(name, "host"):
			return nil, fmt.Errorf("%q is no header that can be set", name)
		case !headerValue.MatchString(value) || len(value) > mostValue:
			return nil, fmt.Errorf("the value of %s cannot stand in a header, or has a variable", name)
		}
		list = append(list, Header{Name: strings.ToLower(name), Value: value})
	}
	return list, nil
}

// custom has all answers of a plan carry the headers of its ConfigMap. If they cannot, it is
// closed, as at ingress-nginx.
func (p *plan) custom(in *Input) []finding.Finding {
	name := p.settings.CustomHeaders
	if p.closed || name == "" {
		return nil
	}
	ref := ConfigMapOf(p.fragment, name)
	list, err := p.headersIn(in, ref)
	allowed := strings.Split(strings.ToLower(p.class.Settings.AllowedHeaders), ",")
	for _, h := range list {
		if !slices.Contains(allowed, h.Name) {
			err = fmt.Errorf("allowed-response-headers of the class has no %s", h.Name)
		}
	}
	if err != nil {
		return p.unheard("custom-headers", ref, err)
	}
	p.measures = p.measures.with(&Measures{Headers: Headers{Response: HeaderChange{Set: list}}})
	return nil
}

// telling has the service that a plan asks be told the headers of its ConfigMap.
func (p *plan) telling(in *Input) []finding.Finding {
	name := p.settings.AuthHeadersFrom
	if p.closed || name == "" || p.settings.AuthURL == "" {
		return nil
	}
	ref := ConfigMapOf(p.fragment, name)
	list, err := p.headersIn(in, ref)
	if err != nil {
		return p.unheard("auth-headers-from", ref, err)
	}
	var lines []string
	for _, h := range list {
		lines = append(lines, h.Name+": "+h.Value)
	}
	settings := *p.settings
	settings.Auth = settings.Auth.WithSet(strings.Join(lines, "\n"))
	p.settings = &settings
	return nil
}

// unheard closes a plan, and tells its owner why.
func (p *plan) unheard(setting string, ref object.Ref, err error) []finding.Finding {
	p.closed = true
	return []finding.Finding{finding.HeadersClosed.At(p.fragment.At(p.fragment.Policy.FieldOf(setting)), ref.Key(), err)}
}
