package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/cmd/cli"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/snapshot"
)

// inspectTime bounds how long a question to a running Legation may take, those to
// its peers included.
const inspectTime = 10 * time.Second

// maxAnswer bounds an answer, in bytes: 100,000 certificates, or problems.
const maxAnswer = 64 << 20

// inspectFlags are those of the commands that ask a running Legation.
type inspectFlags struct {
	reachFlags
	outputFlags
	fleet string
}

func (f *inspectFlags) register(c *cobra.Command) {
	f.registerWhere(c)
	f.registerOutput(c)
}

func (f *inspectFlags) registerFleet(c *cobra.Command) {
	c.Flags().StringVar(&f.fleet, "fleet", "", "the fleet, which is the name of an IngressClass (default: the only one)")
	f.completeFlag(c, "fleet", knownFleets)
}

// ask runs a command with a connection to Legation.
func (f *inspectFlags) ask(c *cobra.Command, bound time.Duration, run func(context.Context, adminv1.AdminClient) error) error {
	return f.dial(c, bound, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		return run(ctx, adminv1.NewAdminClient(conn))
	})
}

// dial is ask, for any service.
func (f *inspectFlags) dial(c *cobra.Command, bound time.Duration, run func(context.Context, grpc.ClientConnInterface) error) error {
	if err := f.checkOutput(); err != nil {
		return cli.Usage(c, err)
	}
	ctx := c.Context()
	if bound > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, bound)
		defer cancel()
	}
	way, err := f.way(ctx, c)
	if err != nil {
		return err
	}
	defer way.close()
	conn, err := grpc.NewClient(way.address, grpc.WithTransportCredentials(dialCredentials(way.folder)), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return fmt.Errorf("--address: %w", err)
	}
	defer conn.Close()
	err = run(ctx, conn)
	if s, ok := status.FromError(err); ok && err != nil && c.Context().Err() == nil {
		if way.folder == nil && s.Code() == codes.Unavailable { // a server with TLS hangs up on who speaks without
			return fmt.Errorf("%s, asked without --tls: %s", way.name, s.Message())
		}
		return fmt.Errorf("%s: %s", way.name, s.Message())
	}
	return err
}

// errIncomplete says that some replica did not answer. That was said already.
var errIncomplete = errors.New("the answer is not that of all replicas")

// complain says which replicas did not answer.
func complain(w io.Writer, replicas []*adminv1.Replica) error {
	var err error
	for _, r := range replicas {
		if r.GetError() != "" {
			fmt.Fprintf(w, "replica %s did not answer: %s\n", r.GetAddress(), r.GetError())
			err = errIncomplete
		}
	}
	return err
}

// age is how long ago something was, for people.
func age(t *timestamppb.Timestamp) string { return rounded(time.Since(t.AsTime())) }

// lasted is a duration for people; none is empty.
func lasted(d *durationpb.Duration) string {
	if d == nil {
		return ""
	}
	return rounded(d.AsDuration())
}

func rounded(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// shortDigest is enough of a digest to tell versions apart.
func shortDigest(text string) string { return text[:min(len(text), 12)] }

// typeNames are the types of resources by the names of their discovery services, in
// small letters: "cds".
func typeNames() (names []string) {
	for t := range snapshot.Types() {
		names = append(names, strings.ToLower(t.String()))
	}
	return names
}

// typeURL is the type of a name of typeNames.
func typeURL(name string) (string, error) {
	for t := range snapshot.Types() {
		if strings.EqualFold(t.String(), name) {
			return t.URL(), nil
		}
	}
	return "", fmt.Errorf("%q: want one of %s", name, strings.Join(typeNames(), ", "))
}
