package redact

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"

	"legation.dev/authz/rule"
	"legation.dev/xds/snapshot"
)

// versionBytes is how many bytes of a hash tell the versions of one name apart, as in
// snapshot.New.
const versionBytes = 12

// Version tells the versions of a resource apart by what people may see of them: it is that
// of the resource if that hides nothing, else a hash of its View. So nothing follows from it
// for a key or a password, not even whether a guess is right; and two that differ only in
// these are equal.
func Version(r *snapshot.Resource) string {
	if !hides(r) || r.Version == snapshot.StandInVersion {
		return r.Version
	}
	hash := sha256.Sum256(View(r).Value)
	return base64.RawURLEncoding.EncodeToString(hash[:versionBytes])
}

// hides reports whether View may differ from r: keys come by SDS and nowhere else, and
// passwords in one header of a route. To decode all resources would take a hundred times
// as long.
func hides(r *snapshot.Resource) bool {
	return r.Type == snapshot.Secret || bytes.Contains(r.Body(), []byte(rule.UsersHeader))
}
