package snapshot

import (
	"time"

	"legation.dev/object"
)

// Cause is why there is a new snapshot, for people.
type Cause struct {
	// Text names the objects that changed, or says what else it was.
	Text string
	// Edits are the changes of objects that led to it, at most MostEdits. Read only.
	Edits []Edit
}

// MostEdits is how many edits a Cause has: who reads it looks for the one change that was
// wrong, and not for the list of a release.
const MostEdits = 10

// Edit is one change of an object. It is for people, and JSON.
type Edit struct {
	Object  object.Ref `json:"object"`
	Deleted bool       `json:"deleted,omitempty"`
	// Manager and Time are those of object.Author.
	Manager string    `json:"manager,omitempty"`
	Time    time.Time `json:"time,omitzero"`
}
