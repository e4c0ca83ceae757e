package policy

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// chartSchema is what the values of the chart may be. What is behind chartSettings in it is
// made of the table.
const (
	chartSchema   = "../../deploy/helm/legation/values.schema.json"
	chartSettings = "\n    \"settings\": {\n      \"$comment\""
)

// TestChartSchema: the chart knows the settings that a class may have, and no others. With
// -update its schema is rewritten.
func TestChartSchema(t *testing.T) {
	text, err := os.ReadFile(chartSchema)
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(text), chartSettings)
	if !found {
		t.Fatalf("%s has no %q", chartSchema, chartSettings)
	}
	want := before + "\n    \"settings\": " + schemaOfSettings(t) + "\n  }\n}\n"
	if *update {
		if err := os.WriteFile(chartSchema, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Errorf("%s is not what the table of settings makes: run `go test ./translator/policy -update`", chartSchema)
	}
}

// TestChartPolicy: the admission policy of the chart knows the same settings, and takes what
// they may be. With -update its file is rewritten.
func TestChartPolicy(t *testing.T) {
	const file = "../../deploy/helm/legation/settings.json"
	annotations, settings := admission(OnIngress|OnService, Prefix), admission(OnClass, "")
	got, err := json.MarshalIndent(map[string]any{"$comment": "Made by `go test ./translator/policy -update` of the table of settings.", "annotations": annotations, "settings": settings}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if got = append(got, '\n'); *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the table of settings makes (%v): run `go test ./translator/policy -update`", file, err)
	}
	for _, s := range Table() {
		values := []string{s.Default}
		if s.Type.Name == "duration" {
			values = append(values, "1h30m", "1.5s", "250ms", "+.5h")
		}
		for _, value := range values {
			pattern, limited := s.pattern()
			if _, err := s.Type.parse(value); value != "" && limited && (err == nil || value != s.Default) && !regexp.MustCompile(pattern).MatchString(value) {
				t.Errorf("%s: %q is refused by %s", s.Name, value, pattern)
			}
		}
	}
}

// forAdmission is what an expression of the API server is told of settings.
type forAdmission struct {
	Names    []string            `json:"names"`
	Words    map[string][]string `json:"words"`
	Patterns map[string]string   `json:"patterns"`
}

// admission is that of the settings that may stand on an object, behind a prefix.
func admission(scope Scope, prefix string) (of forAdmission) {
	of.Words, of.Patterns = map[string][]string{}, map[string]string{}
	for _, s := range Table() {
		if s.Scopes&scope == 0 {
			continue
		}
		for _, name := range append([]string{s.Name}, s.Aliases...) {
			of.Names = append(of.Names, prefix+name)
			if words := s.words(); words != nil {
				of.Words[prefix+name] = words
			} else if pattern, limited := s.pattern(); limited {
				of.Patterns[prefix+name] = pattern
			}
		}
	}
	return of
}

// words are all values of a setting, if there are a few.
func (s Setting) words() []string {
	switch {
	case s.Type.Name == "true or false":
		return []string{"true", "false"}
	case s.Type.Name == "one of" && !strings.Contains(s.Type.Bounds, " or "):
		return strings.Split(s.Type.Bounds, ", ")
	}
	return nil
}

// pattern is what durations and whole numbers look like, without their bounds.
func (s Setting) pattern() (expression string, limited bool) {
	switch {
	case s.Type.Name == "duration":
		expression = "[+]?(0|([0-9.]+(ns|us|ms|s|m|h))+)"
	case strings.HasPrefix(s.Type.Name, "number of "):
		expression = "[0-9]+"
	default:
		return "", false
	}
	if _, word, ok := strings.Cut(s.Type.Bounds, ", or "); ok {
		expression += "|" + word
	}
	return "^(" + expression + ")$", true
}

// schemaOfSettings is JSON schema of the settings of a class.
func schemaOfSettings(t *testing.T) string {
	t.Helper()
	properties := map[string]any{}
	for _, s := range Table() {
		if s.Scopes&OnClass == 0 {
			continue
		}
		for _, name := range append([]string{s.Name}, s.Aliases...) {
			properties[name] = s.schema()
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("    ", "  ")
	if err := e.Encode(map[string]any{"$comment": "Made by `go test ./translator/policy -update` of the table of settings.",
		"type": "object", "properties": properties, "additionalProperties": false}); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// schema is that of a value in YAML. There true, false, and off without quotes, are no
// text: where a setting is none of these it is refused, rather than given as "false".
func (s Setting) schema() map[string]any {
	schema := map[string]any{"description": s.Type.String() + ". " + s.Doc}
	switch words := s.words(); {
	case s.Type.Name == "true or false":
		schema["enum"] = []any{true, false, "true", "false"}
	case words != nil:
		schema["enum"] = words
	default:
		schema["type"] = []string{"string", "number"}
	}
	return schema
}
