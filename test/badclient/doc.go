// Package badclient has clients that mean harm to a control plane, or are broken: ten
// thousand connections that say nothing, garbage, readers that do not read, huge
// requests, and only the beginnings of such. A good Envoy beside them must notice nothing, and memory must stay
// bounded. It has tests only.
//
// The bad client is a process of its own: what it costs itself is not counted. The server
// is the real one, with mutual TLS; but for one, bad clients have a valid certificate.
//
// Start reading at badclient_test.go; child_test.go has what bad clients do.
package badclient
