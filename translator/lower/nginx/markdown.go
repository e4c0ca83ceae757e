package nginx

import (
	"fmt"
	"strings"
)

// Markdown is the table for people, as docs/ingress-nginx.md has it.
func Markdown() string {
	count := map[as]int{}
	for _, a := range annotations {
		count[a.as]++
	}
	var b strings.Builder
	fmt.Fprintf(&b, preface, len(annotations), count[setting]+count[ours], count[nothing], count[refused])
	for _, a := range annotations {
		fmt.Fprintf(&b, "| `%s` | %s |\n", a.name, a.does())
	}
	return b.String()
}

const preface = `# Annotations of ingress-nginx

Generated from the table in ` + "`translator/lower/nginx`" + `.

Of the %d annotations under ` + "`nginx.ingress.kubernetes.io/`" + ` that ingress-nginx 1.15.1 documents, %d are honoured, %d have no effect here and need none, and %d are refused, with the reason.
None is dropped in silence: what is refused is a Problem of its Ingress, and so is a name that ingress-nginx does not know. What restricts access and is refused,
or cannot be read, closes its paths: they answer 503, unless the class says ` + "`serve-unprotected: \"true\"`" + `.

A setting that an annotation says has the same meaning as if it were written in our words, and a number has nginx's unit; [settings.md](settings.md) explains each.
Where the two controllers differ beside that, and what the class setting ` + "`compatibility: ingress-nginx`" + ` decides, [differences.md](differences.md) has it.

| annotation | what becomes of it |
|---|---|
`

// does says what becomes of an annotation.
func (a annotation) does() string {
	switch {
	case a.as == setting:
		var names []string
		for _, w := range words[a.name] {
			names = append(names, "[`"+w.Setting+"`](settings.md#"+w.Setting+")")
		}
		return "the setting " + strings.Join(names, " with ")
	case a.as == ours:
		return a.why
	case a.as == nothing:
		return "no effect: " + a.why
	case a.restricts != "":
		return "refused: " + a.why + "; it restricts " + a.restricts + ", so its paths are closed"
	}
	return "refused: " + a.why
}
