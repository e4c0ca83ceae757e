#!/bin/sh
# A connection that is cut is tried again eleven times before the caller hears of it;
# one that is refused is not tried again at all.
#
# client-go v0.37.2, a typed client's List.
#
# The guess: a request that fails returns its error, and retries are the caller's (the
# Reflector's). What happens: for a GET whose connection is closed before an answer,
# rest.Request waits 1 s and tries again, ten times, inside the one call. A port that
# refuses fails at once. So a balancer or proxy that still accepts for a dead API
# server hides the outage for ten seconds from every health check that counts errors,
# and a test that cuts connections in a proxy measures other waits than a server that
# is down.
#
# Seen:
#   accepted and closed: 10.0 s, 11 connections
#   refused:              0.0 s
#
# Needs Go and the Go module proxy; takes 20 s. Fails if either differs.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func list(address string) time.Duration {
	c := kubernetes.NewForConfigOrDie(&rest.Config{Host: "https://" + address, QPS: -1, TLSClientConfig: rest.TLSClientConfig{Insecure: true}})
	begin := time.Now()
	if _, err := c.CoreV1().Services("").List(context.Background(), metav1.ListOptions{}); err == nil {
		panic("a list without a server")
	}
	return time.Since(begin)
}

func main() {
	var connections atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			c.Close()
		}
	}()
	cut := list(l.Addr().String())
	l.Close()
	refused := list(l.Addr().String())
	fmt.Printf("accepted and closed: %.1f s, %d connections\nrefused: %.1f s\n", cut.Seconds(), connections.Load(), refused.Seconds())
	if connections.Load() != 11 || cut < 9*time.Second || refused > 2*time.Second {
		fmt.Println("CHANGED")
		os.Exit(1)
	}
}
GO
go mod init example.test/retries 2>/dev/null
go get k8s.io/client-go@v0.37.2 k8s.io/apimachinery@v0.37.2 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
go run . 2>/dev/null
