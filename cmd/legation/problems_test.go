package main

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/object"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
)

// TestProblemsCommand: a server is asked for what is wrong; the worst comes first, what is
// less than asked for is left out, and the exit status says whether anything was listed.
func TestProblemsCommand(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	known := []*adminv1.Problem{
		{Object: "Ingress shop/a", Code: "RestrictsNobody", Severity: "info", Message: "m1"},
		{Object: "Ingress shop/b", Code: "CertificateEnds", Severity: "warning", Message: "m2"},
		{Object: "Ingress shop/c", Code: "NoService", Severity: "error", Field: "spec.x", Value: "shop/s", Message: "m3", File: "c.yaml:3"},
	}
	for _, p := range known {
		p.Since = timestamppb.New(time.Now().Add(-3 * time.Hour))
	}
	(&admin.Service{Instance: "one", Wrong: func(asked func(object.Ref) bool) (list []*adminv1.Problem) {
		for _, p := range known {
			if o, _ := object.Parse(p.GetObject()); asked(o) {
				list = append(list, p)
			}
		}
		return list
	}}).Register(server)
	go func() { _ = server.Serve(listener) }() // that of Stop
	t.Cleanup(server.Stop)
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"", 1, "SEVERITY CODE AGE OBJECT FIELD MESSAGE error NoService 3h Ingress shop/c c.yaml:3 spec.x=\"shop/s\" m3 warning CertificateEnds 3h Ingress shop/b - m2"},
		{"--severity error", 1, "SEVERITY CODE AGE OBJECT FIELD MESSAGE error NoService 3h Ingress shop/c c.yaml:3 spec.x=\"shop/s\" m3"},
		{"--in other --severity info", 0, "nothing is wrong"},
	} {
		var out, complaints bytes.Buffer
		status := run(append([]string{"problems", "--address", listener.Addr().String()}, strings.Fields(c.args)...), &out, &complaints)
		if got := strings.Join(strings.Fields(out.String()), " "); got != c.want || status != c.status || complaints.Len() > 0 {
			t.Errorf("%s: exit status %d, got %q %s, want %d, %q", c.args, status, got, &complaints, c.status, c.want)
		}
	}
}
