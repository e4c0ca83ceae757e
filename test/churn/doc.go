// Package churn holds what Legation promises against a real Envoy: whatever
// changes, no request fails and no connection ends. It has tests only (build tag
// real).
//
// Start reading at TestChurn; suite_test.go has what is under load,
// changes_test.go the changes, drive_test.go how they are applied and judged.
package churn
