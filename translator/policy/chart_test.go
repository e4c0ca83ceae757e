package policy

import (
	"bytes"
	"encoding/json"
	"os"
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
	switch {
	case s.Type.Name == "true or false":
		schema["enum"] = []any{true, false, "true", "false"}
	case s.Type.Name == "one of" && !strings.Contains(s.Type.Bounds, " or "):
		schema["enum"] = strings.Split(s.Type.Bounds, ", ")
	default:
		schema["type"] = []string{"string", "number"}
	}
	return schema
}
