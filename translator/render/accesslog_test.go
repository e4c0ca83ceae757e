package render

import (
	"testing"

	"legation.dev/translator/policy"
)

// TestLogFields: each field that a class may ask for has an operator, and no other.
func TestLogFields(t *testing.T) {
	for _, name := range policy.LogFields {
		if logFields[name] == "" {
			t.Errorf("%s has no operator", name)
		}
	}
	if len(logFields) != len(policy.LogFields) {
		t.Errorf("%d fields have an operator, %d may be asked for", len(logFields), len(policy.LogFields))
	}
}
