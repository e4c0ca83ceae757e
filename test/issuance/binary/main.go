// Command binary is the controllers and the solver of cert-manager in one binary, chosen by
// the first argument, with the settings that cert-manager has by default. Its own commands
// are modules that nobody can require, and one of its issuers, Venafi's, is left out.
//
// It is a module of its own so that the product's go.mod stays small. `make issuance` builds
// it; package test/issuance runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmechallenges"
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmeorders"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/ingresses"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/acme"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/acme"
	"github.com/cert-manager/cert-manager/pkg/issuer/acme/http/solver"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"k8s.io/apimachinery/pkg/api/resource"
)

// workers is how many goroutines each controller has, cert-manager's default.
const workers = 5

func main() {
	if len(os.Args) < 2 {
		fail("no program named")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var err error
	switch flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError); os.Args[1] {
	case "controller":
		err = control(ctx, flags, os.Args[2:])
	case "acmesolver":
		err = solve(flags, os.Args[2:])
	default:
		fail(fmt.Sprintf("%q is none of them", os.Args[1]))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "the first argument is controller or acmesolver:", why)
	os.Exit(2)
}

// control runs all controllers until ctx ends.
func control(ctx context.Context, flags *flag.FlagSet, args []string) error {
	var o controller.ContextOptions
	flags.StringVar(&o.Kubeconfig, "kubeconfig", "", "`file` that says where the API server is")
	flags.StringVar(&o.HTTP01SolverImage, "solver-image", "", "image of the pods that answer challenges")
	nameserver := flags.String("nameserver", "", "`HOST:PORT` of the DNS by which a challenge is looked at before it is told to the CA")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.HTTP01SolverNameservers = []string{*nameserver}
	defaults(&o)
	factory, err := controller.NewContextFactory(logf.NewContext(ctx, logf.Log), o)
	if err != nil {
		return err
	}
	shared, err := factory.Build()
	if err != nil {
		return err
	}
	var all []controller.Interface
	for name, build := range controller.Known() {
		c, err := build(factory)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, c)
	}
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	shared.HTTP01ResourceMetadataInformersFactory.Start(ctx.Done())
	var running sync.WaitGroup
	for _, c := range all {
		running.Go(func() { err = c.Run(workers, ctx) })
	}
	running.Wait()
	return nil
}

// defaults are those of cert-manager's own command.
func defaults(o *controller.ContextOptions) {
	o.KubernetesAPIQPS, o.KubernetesAPIBurst = 20, 50
	o.ClusterResourceNamespace, o.ClusterIssuerAmbientCredentials = "kube-system", true
	o.HTTP01SolverResourceRequestCPU, o.HTTP01SolverResourceRequestMemory = resource.MustParse("10m"), resource.MustParse("64Mi")
	o.HTTP01SolverResourceLimitsCPU, o.HTTP01SolverResourceLimitsMemory = resource.MustParse("100m"), resource.MustParse("64Mi")
	o.ACMEHTTP01SolverRunAsNonRoot = true
	o.DNS01CheckAuthoritative, o.DNS01CheckRetryPeriod = true, 10*time.Second
	o.DefaultIssuerKind, o.DefaultIssuerGroup = "Issuer", "cert-manager.io"
	o.DefaultAutoCertificateAnnotations = []string{"kubernetes.io/tls-acme"}
	o.CopiedAnnotationPrefixes = []string{"*", "-kubectl.kubernetes.io/", "-fluxcd.io/", "-argocd.argoproj.io/"}
	o.CertificateRequestMinimumBackoffDuration, o.CertificateRequestMaximumBackoffDuration = time.Hour, 32*time.Hour
	o.MaxConcurrentChallenges = 60
}

// solve answers one challenge.
func solve(flags *flag.FlagSet, args []string) error {
	var s solver.HTTP01Solver
	flags.IntVar(&s.ListenPort, "listen-port", 8089, "")
	flags.StringVar(&s.Domain, "domain", "", "")
	flags.StringVar(&s.Token, "token", "", "")
	flags.StringVar(&s.Key, "key", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return s.Listen(logf.Log)
}
