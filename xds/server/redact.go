package server

import (
	"strings"

	"legation.dev/xds/redact"
	"legation.dev/xds/snapshot"
)

// redactError is Envoy's error text about a response of type url. About a
// secret it may quote the whole message, key included: what is quoted there
// goes, and all that follows.
func redactError(url, text string) string {
	if url != snapshot.Secret.URL() {
		return text
	}
	if i := strings.IndexAny(text, `"{`); i >= 0 {
		text = text[:i] + redact.Text
	}
	if i := strings.Index(text, "-----BEGIN"); i >= 0 {
		text = text[:i] + redact.Text
	}
	return text
}
