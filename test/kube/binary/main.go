// Command binary is etcd, kube-apiserver and kube-controller-manager in one
// binary, chosen by the first argument: one build, one copy of what they share.
//
// It is a module of its own so that the product's go.mod stays small. `make
// kube` builds it; package test/kube runs it.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	if len(os.Args) < 2 {
		fail("no program named")
	}
	program := os.Args[1]
	os.Args = append([]string{program}, os.Args[2:]...)
	switch program {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	default:
		fail(fmt.Sprintf("%q is none of them", program))
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "the first argument is etcd, kube-apiserver or kube-controller-manager:", why)
	os.Exit(2)
}
