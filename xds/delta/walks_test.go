//go:build !race

package delta

// defaultWalks take about 20 s on one core.
const defaultWalks = 1300
