package redact

import "testing"

func TestMessage(t *testing.T) {
	for text, want := range map[string]string{
		"there is no such Service": "there is no such Service",
		"costs $1.50":              "costs $1.50",
		`bad: "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n" in field`: `bad: "[redacted]\n" in field`,
		"-----BEGIN PRIVATE KEY-----\nMHcCAQ":                                                  "[redacted]",
		"value ann:$apr1$Zq$1abc/., next":                                                      "value ann:[redacted], next",
		"bob:$2y$05$abcdefg":                                                                   "bob:[redacted]",
		"eve:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=\nx":                                             "eve:[redacted]\nx",
	} {
		if got := Message(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
