//go:build race

package delta

// defaultWalks take about 45 s under the race detector, which is ten times slower.
const defaultWalks = 750
