package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/inspect"
	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/worlds"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
	"legation.dev/xds/observed"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// stage is what `legation serve` answers commands with: a world of Ingresses of which half
// have a Problem, a full history, and Envoys that are far behind.
type stage struct {
	service *admin.Service
	address string
	conn    *grpc.ClientConn // of this process
	answers *inspect.Served
	watch   *inspect.Problems
	result  translator.Result
	changes func() []input.Change
	newest  atomic.Pointer[pmap.Sum] // digest of what Problems are to be looked for in; nil: they were
	looked  chan struct{}            // tells that they were
	rest    func()                   // ends the look for Problems
}

// stageSize is how large it is.
type stageSize struct{ ingresses, envoys, versions int }

// window is of what Envoys report: so long that none ends while a stage is looked at.
const window = time.Hour

func newStage(t testing.TB, size stageSize) *stage {
	t.Helper()
	n := size.ingresses
	quiet := slog.New(slog.DiscardHandler)
	fleets, snapshots := fleet.New(fleet.Config{}), store.New(store.Config{})
	book := observed.New(observed.Config{Window: window, Known: func(string) func(string) bool { return func(string) bool { return true } }})
	s := &stage{watch: inspect.NewProblems(quiet, fleets, book.Closing), looked: make(chan struct{})}
	s.traffic(book, n/2) // before anybody looks, who would end the window
	s.service = &admin.Service{Instance: "one", Fleets: fleets, Store: snapshots, Wrong: s.watch.Of, Observed: book}
	peers, err := admin.NewPeers(s.service, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.service.Peers = peers
	s.answers = (&serving{controllers: []string{"legation.dev/ingress-controller"}}).answering(s.service, snapshots, s.watch)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	s.watch.Tell = func(r translator.Result, _ []finding.Problem) { s.tell(ctx, r) }
	go func() { defer close(ended); s.watch.Run(ctx) }()
	s.rest = func() { cancel(); <-ended }
	t.Cleanup(s.rest)

	w := worlds.New(1, worlds.Size{Services: n / 2, Endpoints: 2, Ingresses: n, TLS: 0.2})
	first := w.All()
	for i := 0; i < n; i += 2 {
		first = append(first, input.Delete(object.Ref{Kind: object.KindService, Namespace: worlds.Namespace, Name: worlds.ServiceName(i)}))
	}
	s.with(t, first...)
	turn := 1
	s.changes = func() []input.Change {
		turn += 2
		return []input.Change{w.Endpoint(turn % (n / 2)), w.Secret(turn % (n / 5))}
	}
	for range size.versions {
		s.with(t, s.changes()...)
	}
	s.join(size.envoys)
	s.serve(t)
	return s
}

// with translates and publishes changes, and waits until Problems were looked for: what that
// costs is no cost of a command.
func (s *stage) with(t testing.TB, changes ...input.Change) {
	t.Helper()
	s.result = translator.Translate(s.result, s.result.View().With(changes...))
	s.answers.Report(s.result)
	for f := range s.result.Fleets() {
		s.service.Store.Publish(f.Name, f.Snapshot, "test")
	}
	s.newest.Store(new(s.result.View().Digest()))
	s.watch.Report(s.result)
	select {
	case <-s.looked:
	case <-time.After(time.Minute):
		t.Fatal("Problems are never looked for")
	}
}

// tell says that Problems of a result were looked for, if it is the newest.
func (s *stage) tell(ctx context.Context, r translator.Result) {
	newest := s.newest.Load()
	if newest == nil || *newest != r.View().Digest() {
		return
	}
	s.newest.Store(nil) // once
	select {
	case s.looked <- struct{}{}:
	case <-ctx.Done():
	}
}

// join connects Envoys, each of another one of the versions.
func (s *stage) join(n int) {
	versions := s.service.Store.History(worlds.Class)
	for i := range n {
		runs := versions[i%max(1, len(versions)-1)].Snapshot
		s.service.Fleets.Join(fleet.Node{ID: fmt.Sprint("envoy-", i), Fleet: worlds.Class, Version: "1.40.0"}, time.Now().Add(-time.Hour)).Serve(func() (status delta.Status) {
			for t := range snapshot.Types() {
				status.Types[t].Requested, status.Types[t].Have = true, runs.Of(t)
			}
			return status
		})
	}
}

// traffic reports requests of each Service in the last whole window.
func (s *stage) traffic(book *observed.Book, services int) {
	last := time.Now().Truncate(window).Add(-window)
	for i := range services {
		cluster := fmt.Sprintf("%s/%s/80", worlds.Namespace, worlds.ServiceName(i))
		book.Add(observed.Report{Fleet: worlds.Class, Envoy: "envoy-0", Points: []observed.Point{{Cluster: cluster, Stat: observed.RqCompleted, Value: 7},
			{Cluster: cluster, Stat: observed.RqTime, Lengths: observed.Lengths{Count: 7, Sum: 7}, Buckets: &observed.Buckets{5, 2}}}}, last)
	}
}

// serve has it answer by gRPC.
func (s *stage) serve(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	s.service.Register(server)
	go func() { _ = server.Serve(l) }() // that of Stop
	t.Cleanup(server.Stop)
	s.address = l.Addr().String()
	if s.conn, err = dial(s.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close() })
}

func dial(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{}), grpc.MaxCallRecvMsgSize(maxAnswer)))
}

// Who asks is a process of its own, so that its CPU time is not the server's: this program, told
// by these variables whom to ask, and of how many Ingresses.
const (
	askAddress   = "LEGATION_TEST_ASK"
	askIngresses = "LEGATION_TEST_INGRESSES"
)

func TestMain(m *testing.M) {
	address := os.Getenv(askAddress)
	if address == "" {
		os.Exit(m.Run())
	}
	if err := askAsTold(address, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// askAsTold asks the questions whose numbers are the lines of in, and answers each with a line.
func askAsTold(address string, in io.Reader, out io.Writer) error {
	n, err := strconv.Atoi(os.Getenv(askIngresses))
	if err != nil {
		return err
	}
	conn, err := dial(address)
	if err != nil {
		return err
	}
	defer conn.Close()
	client, list := adminv1.NewAdminClient(conn), questions(n)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		i, err := strconv.Atoi(lines.Text())
		if err == nil {
			err = list[i].ask(context.Background(), client)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "answered")
	}
	return nil
}

// questioner is such a process.
type questioner struct {
	in  io.Writer
	out *bufio.Scanner
}

func newQuestioner(b *testing.B, address string, ingresses int) *questioner {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), askAddress+"="+address, fmt.Sprint(askIngresses, "=", ingresses)), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	return &questioner{in, bufio.NewScanner(out)}
}

// ask waits until a question was answered.
func (a *questioner) ask(b *testing.B, question int) {
	if _, err := fmt.Fprintln(a.in, question); err != nil || !a.out.Scan() {
		b.Fatalf("who asks is gone: %v", err)
	}
}

// question is what one command asks of the server.
type question struct {
	command string
	ask     func(context.Context, adminv1.AdminClient) error
	// grows says that it lists, or looks for something in, all that there is.
	grows bool
}

// questions are those of all commands that ask a running Legation for something, for a world
// of n Ingresses.
func questions(n int) []question {
	ingress := fmt.Sprintf("Ingress %s/i%05d", worlds.Namespace, n/10)
	resources := func(r *adminv1.ResourcesRequest) func(context.Context, adminv1.AdminClient) error {
		return func(ctx context.Context, c adminv1.AdminClient) error {
			r.Page = pageSize
			stream, err := c.Resources(ctx, r)
			for err == nil {
				_, err = stream.Recv()
			}
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
	return []question{
		{"fleet", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.Envoys(ctx, &adminv1.EnvoysRequest{})
			return err
		}, false},
		{"problems", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.Problems(ctx, &adminv1.ProblemsRequest{})
			return err
		}, true},
		{"problems --in other", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.Problems(ctx, &adminv1.ProblemsRequest{Namespace: "other"})
			if status.Code(err) == codes.NotFound { // none of the objects is in it
				return nil
			}
			return err
		}, false},
		{"traffic", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.Traffic(ctx, &adminv1.TrafficRequest{})
			return err
		}, true},
		{"holds", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.Holds(ctx, &adminv1.HoldsRequest{})
			return err
		}, false},
		{"history", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.History(ctx, &adminv1.HistoryRequest{Fleet: worlds.Class})
			return err
		}, false},
		{"history --since 1h --object", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.History(ctx, &adminv1.HistoryRequest{Fleet: worlds.Class, Object: ingress, Since: timestamppb.New(time.Now().Add(-time.Hour))})
			return err
		}, false},
		{"diff", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.Diff(ctx, &adminv1.DiffRequest{Fleet: worlds.Class})
			return err
		}, false},
		{"explain", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.Explain(ctx, &adminv1.ExplainRequest{Object: ingress})
			return err
		}, false},
		{"certs list", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.Certificates(ctx, &adminv1.CertificatesRequest{})
			return err
		}, true},
		{"certs show", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.Certificates(ctx, &adminv1.CertificatesRequest{Host: worlds.HostOf(n / 10)})
			return err
		}, false},
		{"why", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.Why(ctx, &adminv1.WhyRequest{Url: "https://" + worlds.HostOf(n/10) + "/a"})
			return err
		}, true},
		{"plan", func(ctx context.Context, c adminv1.AdminClient) error {
			_, err := c.Plan(ctx, &adminv1.PlanRequest{Deleted: []string{ingress}})
			return err
		}, true},
		{"snapshot NAME", resources(&adminv1.ResourcesRequest{Fleet: worlds.Class, Name: worlds.HostOf(n / 10)}), false},
		{"snapshot", resources(&adminv1.ResourcesRequest{Fleet: worlds.Class}), true},
		{"snapshot -o json", resources(&adminv1.ResourcesRequest{Fleet: worlds.Class, Bodies: true}), true},
	}
}

// raw is a codec that leaves an answer as it came: what a client makes of it is no cost of the
// server.
type raw struct{}

var decoded atomic.Int64 // bytes

func (raw) Name() string { return "proto" }

func (raw) Marshal(m any) (mem.BufferSlice, error) {
	text, err := proto.Marshal(m.(proto.Message))
	return mem.BufferSlice{mem.SliceBuffer(text)}, err
}

func (raw) Unmarshal(text mem.BufferSlice, _ any) error { decoded.Add(int64(text.Len())); return nil }

// BenchmarkCommands is what each command costs the server, by the CPU of this process, right
// after a change, with 10,000 Ingresses and 100 Envoys that are up to 63 versions behind.
func BenchmarkCommands(b *testing.B) {
	const n = 10000
	s := newStage(b, stageSize{ingresses: n, envoys: 100, versions: 64})
	questioner := newQuestioner(b, s.address, n)
	for i, q := range questions(n) {
		b.Run(strings.ReplaceAll(q.command, " ", "_"), func(b *testing.B) {
			var cpu time.Duration
			for b.Loop() {
				b.StopTimer()
				s.with(b, s.changes()...)
				b.StartTimer()
				before := used(b)
				questioner.ask(b, i)
				cpu += used(b) - before
			}
			b.ReportMetric(float64(cpu.Microseconds())/float64(b.N)/1000, "cpu-ms/op")
		})
	}
}

// TestCommandsAreBounded: with four times the Ingresses the answer to a command makes no more
// garbage, or four times as much if it lists or looks through all of them; and those of Envoys
// that are far behind are looked at once.
func TestCommandsAreBounded(t *testing.T) {
	sizes := []int{500, 2000}
	cost := map[int][]float64{}
	for _, n := range sizes {
		s := newStage(t, stageSize{ingresses: n, envoys: 50, versions: 20})
		s.rest() // what it allocates is not the commands'
		client := adminv1.NewAdminClient(s.conn)
		for _, q := range questions(n) {
			ask := func() {
				if err := q.ask(t.Context(), client); err != nil {
					t.Fatalf("%s: %v", q.command, err)
				}
			}
			ask() // the first one remembers
			cost[n] = append(cost[n], testing.AllocsPerRun(3, ask))
		}
	}
	small, big := cost[sizes[0]], cost[sizes[1]]
	for i, q := range questions(sizes[0]) {
		most := 1.2*small[i] + 300
		if q.grows {
			most = 4.4*small[i] + 300
		}
		if q.command == "snapshot -o json" {
			// What hides nothing is sent as it is, and none is decoded. Of a certificate the key goes,
			// at three depths.
			const certificates = 2000 / 5
			most = min(most, 2*big[i-1]+4*certificates)
		}
		if big[i] > most {
			t.Errorf("%s: %.0f allocations with %d Ingresses, %.0f with %d", q.command, small[i], sizes[0], big[i], sizes[1])
		}
		t.Logf("%-30s %7.0f %7.0f allocations", q.command, small[i], big[i])
	}
}

// used is the CPU time of this process, without what the garbage collector took because nobody
// else wanted it.
func used(b *testing.B) time.Duration {
	idle := []metrics.Sample{{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"}}
	metrics.Read(idle)
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano()+u.Stime.Nano()) - time.Duration(idle[0].Value.Float64()*float64(time.Second))
}
