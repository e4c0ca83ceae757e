// Package deploy holds that what deploy/ has can be deployed: the chart renders
// each of its examples to what deploy/manifests has, a real API server takes every
// object of it, the numbers in it fit together, the images of `make images` run as they
// say, and the pods run: each process in namespaces of its own, as its pod says. It has
// tests only.
package deploy
