package finding

import (
	"fmt"
	"strings"
)

// Markdown is the table for people, as docs/problems.md has it.
func Markdown() string {
	var b strings.Builder
	b.WriteString(preface)
	for _, r := range table {
		fmt.Fprintf(&b, "\n## %s\n\n%s: %s\n\n%s See [%s](%s).\n", r.Code, r.Severity, shownText(r.Text), r.Do, r.Page, r.Page)
	}
	return b.String()
}

const preface = `# Problems

Generated from the table in ` + "`translator/finding`; `legation codes`" + ` prints it, too.

What is wrong with an object is told in the log, as an Event on the object, and by the commands that tell of problems, each with its code. An
**error** means that something is not served as its owner wrote it, a **warning** that it is served, but not for long or not as its owner may
think, **info** that somebody may want to know.
`

// shownText is a text with dots for what differs from object to object.
func shownText(text string) string {
	for _, verb := range []string{"%s", "%v", "%T", "%d"} {
		text = strings.ReplaceAll(text, verb, "...")
	}
	return "*" + strings.ReplaceAll(text, "%%", "%") + "*"
}
