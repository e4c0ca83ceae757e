// Package nginx asks Legation, with a real Envoy, what the last ingress-nginx was asked,
// and holds its answers against those that ingress-nginx gave. It has tests only (build
// tag real).
//
// A case is a folder of testdata/cases: ingress.yaml has objects as teams write them,
// requests.json what was asked, expected.json the answers, nginx-configmap.yaml, where
// there is one, the ConfigMap of the controller. All cases are served by one Legation.
// Each has a namespace, host names and backends of its own, so that none acts on another;
// a case that sets what holds for a whole class has an IngressClass and an Envoy of its
// own.
//
// An answer that differs fails unless that is one of the Differences, which say where they
// may show, and are what docs/differences.md lists. A request that is let through where
// ingress-nginx refuses it is no difference: testdata/open.tsv has those that there are,
// and may only shrink.
//
//	go test -tags real ./test/nginx -update
//
// writes the list of the page anew, and takes out of open.tsv what is mended. The answers
// of cases from number 60 on are those that test/oracle was given.
//
// Start reading at TestCases; case_test.go has how a case is read, ask_test.go how a request
// is sent and what counts of an answer, judge.go what becomes of a difference.
package nginx
