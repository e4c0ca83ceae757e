// Package servers asks real application servers how they end connections: after how long a
// rest, after how many requests, and after a body that nobody read. Each preset of
// upstream-preset must be below what its server does, and the default below what all do
// that say nothing. A version that is raised is seen here first.
//
// It has tests only, with the build tag real; `make presets` fetches the servers, and `make
// soak` runs them. Start reading at bench_test.go; list_test.go has the servers.
package servers
