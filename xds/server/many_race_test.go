//go:build race

package server

// manyNames are what TestManyReconnect has the time for under the race detector.
const manyNames = 5_000
