// Package grpcurl holds a test: the real grpcurl, without protos at hand, reads
// a running server. It needs the build tag real and the binary that `make
// tools` installs.
package grpcurl
