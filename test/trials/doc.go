// Package trials applies the patches of docs/trials to a clean copy of the last
// commit. It has a test only (build tag real); with -run-patches it also builds the
// copy, and runs what the patch tests.
package trials
