package snippet

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"legation.dev/translator/route"
)

// fieldName reports whether a text is the name of a header that may be changed: those of
// the connection are Envoy's own.
func fieldName(name string) bool {
	return field.MatchString(name) && !slices.Contains(hops, strings.ToLower(name))
}

var (
	field = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~-]+$`)
	hops  = []string{"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)

// addHeader reads add_header NAME VALUE [always].
func (r *reader) addHeader(d directive) error {
	if len(d.args) != 2 && (len(d.args) != 3 || d.args[2] != "always") {
		return errors.New("needs a name and a value")
	}
	h, err := header(d.args[0], d.args[1])
	switch {
	case err != nil:
		return err
	case len(d.args) == 2 && len(h.Parts) > 0:
		return errors.New("variables are understood with always only")
	case h.Value == "" && len(h.Parts) == 0: // nginx adds none
		return nil
	}
	h.Ordinary = len(d.args) == 2
	r.measures.Headers.Response.Add = append(r.measures.Headers.Response.Add, h)
	return nil
}

// setHeaders reads more_set_headers "NAME: VALUE" ...; an empty value removes the header.
func (r *reader) setHeaders(d directive) error {
	return changes(&r.measures.Headers.Response, d.args)
}

// setInputHeaders reads more_set_input_headers, which is of requests.
func (r *reader) setInputHeaders(d directive) error {
	return changes(&r.measures.Headers.Request, d.args)
}

func (r *reader) clearHeaders(d directive) error {
	return removes(&r.measures.Headers.Response, d.args)
}

func (r *reader) clearInputHeaders(d directive) error {
	return removes(&r.measures.Headers.Request, d.args)
}

func (r *reader) hideHeader(d directive) error {
	if len(d.args) != 1 {
		return errors.New("needs a name")
	}
	return removes(&r.measures.Headers.Response, d.args)
}

// proxySetHeader reads proxy_set_header NAME VALUE. What Envoy does by itself says nothing.
func (r *reader) proxySetHeader(d directive) error {
	if len(d.args) != 2 {
		return errors.New("needs a name and a value")
	}
	name, value := strings.ToLower(d.args[0]), d.args[1]
	switch {
	case name == "host" && slices.Contains([]string{"$host", "$http_host", "$best_http_host"}, value),
		name == "upgrade" && value == "$http_upgrade", name == "connection" && slices.Contains([]string{"$connection_upgrade", "$http_connection", "upgrade", "Upgrade", ""}, value):
		return nil
	}
	return set(&r.measures.Headers.Request, d.args[0], value)
}

// changes reads words of the form NAME: VALUE.
func changes(c *route.HeaderChange, words []string) error {
	for _, word := range words {
		name, value, ok := strings.Cut(word, ":")
		if !ok || strings.HasPrefix(word, "-") {
			return fmt.Errorf("%q is not NAME: VALUE", word)
		}
		if err := set(c, strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return err
		}
	}
	return nil
}

func removes(c *route.HeaderChange, names []string) error {
	for _, name := range names {
		if !fieldName(name) || strings.Contains(name, "*") || strings.HasPrefix(name, "-") {
			return fmt.Errorf("%q is not the name of a header that can be removed", name)
		}
		c.Remove = append(c.Remove, strings.ToLower(name))
	}
	return nil
}

// set sets a header, or removes it if the value is empty.
func set(c *route.HeaderChange, name, value string) error {
	if value == "" {
		return removes(c, []string{name})
	}
	h, err := header(name, value)
	if err == nil {
		c.Set = append(c.Set, h)
	}
	return err
}

// header reads the name and the value of a header.
func header(name, value string) (h route.Header, err error) {
	if !fieldName(name) {
		return h, fmt.Errorf("%q is not the name of a header that can be set", name)
	}
	if strings.ContainsAny(value, "\r\n\t") {
		return h, errors.New("a value with line breaks or tabs is not understood")
	}
	h.Name = strings.ToLower(name)
	if !strings.Contains(value, "$") {
		h.Value = value
		return h, nil
	}
	h.Parts, err = Text(value, parts)
	return h, err
}
