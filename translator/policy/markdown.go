package policy

import (
	"fmt"
	"strings"
)

// Markdown is the table for people, as docs/settings.md has it.
func Markdown() string {
	var b strings.Builder
	b.WriteString(preface)
	for _, s := range table {
		b.WriteString(s.markdown())
	}
	return b.String()
}

func (s Setting) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", s.Name, s.Doc)
	if len(s.Aliases) > 0 {
		fmt.Fprintf(&b, "- Also called: `%s`\n", strings.Join(s.Aliases, "`, `"))
	}
	fmt.Fprintf(&b, "- Value: %s\n- Default: %s\n", s.Type, orNone(s.Default))
	fmt.Fprintf(&b, "- Why: %s\n- Set on: %s\n- Envoy: %s\n", s.Why, s.Scopes, s.Envoy)
	switch {
	case s.Fixed != "":
		fmt.Fprintf(&b, "- **Fixed at install:** a change closes every connection of the fleet, within the drain time. %s\n", s.Fixed)
	case s.OfListener:
		b.WriteString("- A change closes no connection: those that are there keep the old value until they end, or until `renew-connections`; new ones have the new one.\n")
	}
	if s.Upstream && s.Scopes&OnIngress != 0 {
		b.WriteString("- An Ingress that sets it gets clusters, and so upstream connections, of its own.\n")
	}
	if s.More != "" {
		b.WriteString("\n" + s.More)
	}
	return b.String()
}

const preface = `# Settings

Generated from the table in ` + "`translator/policy`; `legation settings`" + ` prints it, too.

A setting is a key in the ConfigMap that ` + "`spec.parameters`" + ` of an IngressClass names, or, where it says so, an
annotation ` + "`" + Prefix + "<setting>`" + ` of an Ingress or a Service. The narrower one wins: Service before Ingress before class
before default. What cannot be read is a Problem that names object and field, and the setting counts as not there.

In the settings of a class, too, a wrong value counts as its default, alike on all replicas and after each restart, with two
exceptions in a fleet that runs: all settings of the class stay [as they last were](operating.md#settings-are-held), on all replicas and over restarts,

- if a change of them, right or wrong, would close connections of clients (` + "`SettingsHeld`" + `), until ` + "`legation approve`" + ` or until it is taken back;
  with ` + "`closing-changes: apply`" + ` it is not held;
- if a value is wrong that is fixed at install, or that says who may come (` + "`SettingsKept`" + `), until it is right.

Where nobody knows what they were, since every replica has started with the mistake and nothing is stored, a class with a wrong value of
what is **fixed at install**, as one without the ConfigMap that it names, is not published; the process is not ready and says why, and Envoys
keep what they run (` + "`SettingsUnusable`" + `).
`

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return "`" + text + "`"
}

// String is for people: "duration, 1ms to 1h0m0s", "one of all, errors".
func (t Type) String() string {
	switch {
	case t.Bounds == "":
		return t.Name
	case t.Name == "one of":
		return t.Name + " " + t.Bounds
	}
	return t.Name + ", " + t.Bounds
}

// String names the kinds of objects, the narrowest first.
func (s Scope) String() string {
	var names []string
	for _, one := range []struct {
		scope Scope
		name  string
	}{{OnService, "Service"}, {OnIngress, "Ingress"}, {OnClass, "class"}} {
		if s&one.scope != 0 {
			names = append(names, one.name)
		}
	}
	return strings.Join(names, ", ")
}
