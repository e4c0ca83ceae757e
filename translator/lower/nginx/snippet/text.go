package snippet

import (
	"fmt"
	"regexp"
	"strings"

	"legation.dev/translator/route"
)

// Variable is one of nginx: $host, ${host}.
var Variable = regexp.MustCompile(`\$(?:[A-Za-z0-9_]+|\{[A-Za-z0-9_]+\}?)`)

// parts are the variables that headers may have.
var parts = map[string]route.Part{"host": route.Authority, "http_host": route.Authority, "remote_addr": route.Address, "request_uri": route.PathAndQuery,
	"scheme": route.Scheme, "uri": route.PathOnly}

// Text reads a text with variables of nginx. Those that may stand in it are parts, by their
// names without $ and braces; an error names any other.
func Text(value string, parts map[string]route.Part) (text route.Text, err error) {
	for value != "" {
		at := Variable.FindStringIndex(value)
		if at == nil {
			return append(text, route.Piece{Literal: value}), nil
		}
		if at[0] > 0 {
			text = append(text, route.Piece{Literal: value[:at[0]]})
		}
		part, ok := parts[strings.Trim(value[at[0]:at[1]], "${}")]
		if !ok {
			return nil, fmt.Errorf("the variable %s is not understood", value[at[0]:at[1]])
		}
		text, value = append(text, route.Piece{Part: part}), value[at[1]:]
	}
	return text, nil
}
