// Package deploy holds that what deploy/ has can be deployed: the chart renders
// each of its examples to what deploy/manifests has, a real API server takes every
// object of it, and the numbers in it fit together. It has tests only.
package deploy
