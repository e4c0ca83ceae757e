// Command images makes the two container images of Legation, legation and envoy,
// from programs that are built already, without a daemon, and an OCI artifact of the
// chart: `make images`, `make chart`, `make release` and `make push` call it.
//
// Equal programs give equal bytes: files have no time but 1970, the compressor is
// pinned in go.mod, and what else has a time has that of the commit. So an image that
// somebody published can be built again, and its digest compared.
//
// Nothing is executed of what goes into an image, and nothing is fetched but by
// `images push`, which writes to the registry that it is told.
//
// It is a module of its own, so that its libraries are none of the product's. Start
// reading at main.go; image.go says what is in each image.
package main
