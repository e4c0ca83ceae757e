package object

import "time"

// Author is who wrote an object last, as far as its managedFields say. The zero Author is
// somebody unknown: a file has none, and neither has a deletion.
type Author struct {
	// Manager is the name of the field manager, such as "kubectl-edit" or "helm".
	Manager string
	// Time is when that was, by the clock of the API server.
	Time time.Time
}
