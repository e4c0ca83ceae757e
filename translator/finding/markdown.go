package finding

import (
	"fmt"
	"regexp"
	"strings"
)

// Markdown is the table for people, as docs/problems.md has it.
func Markdown() string {
	var b strings.Builder
	b.WriteString(preface)
	for _, r := range table {
		fmt.Fprintf(&b, "\n## %s\n\n- Severity: %s\n- Says: %s\n- Do: %s\n- More: [%s](%s)\n", r.Code, r.Severity, r.says(), r.Do, r.Page, r.Page)
	}
	return b.String()
}

const preface = `# Problems, by their codes

Generated from the table in ` + "`translator/finding`; `legation codes`" + ` prints it, too.

What is wrong with an object is a Problem. Its code is the reason of the Event on the object, and ` + "`code`" + ` in the log and in
` + "`legation translate PATH -o json`" + `. ` + "`...`" + ` stands for what differs from object to object; field and value are told beside it.

How bad it is:

- error: something is not served as its owner wrote it.
- warning: it is served, but not for long, or not as its owner may think.
- info: nothing is wrong; somebody may want to know.
`

// verb is one of package fmt.
var verb = regexp.MustCompile(`%[a-zA-Z]`)

// says is the text with "..." for what differs.
func (r Row) says() string {
	text := verb.ReplaceAllString(strings.ReplaceAll(r.Text, "%%", "\x00"), "...")
	return strings.ReplaceAll(text, "\x00", "%")
}
