//go:build !race

package server

// manyNames are those of each Envoy of TestManyReconnect.
const manyNames = 50_000
