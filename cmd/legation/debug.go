package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
)

// socketVariable names the debug socket where no flag does.
const socketVariable = "LEGATION_DEBUG_SOCKET"

func debugCommand() *cobra.Command {
	var socket, set string
	c := &cobra.Command{
		Use:   "debug [PATH]",
		Short: "Change the level of the log of a control plane on this machine, or take a profile of it",
		Long: `Asks the debug socket of 'legation serve --debug-socket', which only the user may use who
runs that: in a cluster by 'kubectl exec'. /loglevel is the least level that is logged,
and /debug/pprof/ lists the profiles of Go.`,
		Example: `  legation debug --set debug /loglevel
  legation debug /debug/pprof/heap > heap.pprof`,
		Args: cli.Arguments(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			path := "/loglevel"
			if len(args) > 0 {
				path = args[0]
			}
			if socket == "" {
				return cli.Usage(c, errors.New("--socket: where is the debug socket?"))
			}
			return askSocket(c.Context(), c.OutOrStdout(), socket, path, set)
		},
	}
	c.Flags().StringVar(&socket, "socket", os.Getenv(socketVariable), "path of the socket (default: $"+socketVariable+")")
	c.Flags().StringVar(&set, "set", "", "what to put there: debug, info, warn or error for /loglevel")
	return c
}

// askSocket gets a path of a server on a socket, or puts text there, and writes the answer.
func askSocket(ctx context.Context, w io.Writer, socket, path, text string) error {
	method := http.MethodGet
	if text != "" {
		method = http.MethodPut
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://debug/"+strings.TrimPrefix(path, "/"), strings.NewReader(text))
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
		return fmt.Errorf("%s: %s", answer.Status, strings.TrimSpace(string(said)))
	}
	_, err = io.Copy(w, answer.Body)
	return err
}
