// Package issuance asks whether certificates are issued and renewed with nothing but what
// docs/operating.md says: the real cert-manager, and Pebble, Let's Encrypt's own server for
// tests, on the API server of the test, and the defaults of both and of Legation. It has tests
// only, with the build tag real; `make issuance` builds what they run.
package issuance
