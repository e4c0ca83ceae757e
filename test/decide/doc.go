// Package decide asks a real Envoy what route.Decide is asked: which route takes a
// request, and what becomes of it; and what `legation why` says, of guards and limits, too. Random fragments and Ingresses are translated and
// served as `legation serve` would; requests are drawn near their rules. It has tests
// only (build tag real).
//
// Envoy says by itself which route and which cluster it chose, in headers that the
// test has it add to each answer.
//
// Start reading at TestDecide.
package decide
