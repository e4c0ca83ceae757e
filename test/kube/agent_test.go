//go:build real

package kube

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// agentName is the program that the image of this package's pods has: this test.
const agentName = "agent"

// agentImage is its image.
const agentImage = "test/agent"

// asAgent makes this process the program of a container, if it is called by its name.
func asAgent() {
	if filepath.Base(os.Args[0]) != agentName {
		return
	}
	if err := agent(os.Args[1], os.Args[2:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// agent is what the program does:
//
//	serve [NOTE...]  answers on Port and prints what happens to it; SIGTERM ends it
//	stubborn         the same, but SIGTERM does not end it
//	append FILE WORD [N]  appends a word to a file, and fails if that has fewer than N words
//	hook             has the program that serves print a line
//	hang             the same, and never ends
func agent(command string, args []string) error {
	switch command {
	case "serve", "stubborn":
		return serve(command == "stubborn", args)
	case "append":
		return appendWord(args)
	case "hook", "hang":
		answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/print?line=hook", Port))
		if err != nil {
			return err
		}
		answer.Body.Close()
		if command == "hang" {
			select {}
		}
		return nil
	}
	return fmt.Errorf("no command %s", command)
}

func appendWord(args []string) error {
	file, word := args[0], args[1]
	old, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	text := string(old) + word + " "
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		return err
	}
	if len(args) > 2 {
		if least, err := strconv.Atoi(args[2]); err != nil || len(strings.Fields(text)) < least {
			return fmt.Errorf("only %q yet, %v", text, err)
		}
	}
	return nil
}

// self is what a container says of itself.
type self struct {
	UID, GID  int
	Groups    []int
	Env, Args []string
	From      string // who asks
}

// serve answers until SIGTERM ends it.
func serve(stubborn bool, args []string) error {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	for _, path := range []string{"/ready", "/live"} { // both are well until they are told otherwise
		var ill atomic.Bool
		http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if ill.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		http.HandleFunc("/ill"+path, func(_ http.ResponseWriter, r *http.Request) { ill.Store(true) })
		http.HandleFunc("/well"+path, func(_ http.ResponseWriter, r *http.Request) { ill.Store(false) })
	}
	http.HandleFunc("/print", func(_ http.ResponseWriter, r *http.Request) { fmt.Println(r.FormValue("line")) })
	http.HandleFunc("/self", func(w http.ResponseWriter, r *http.Request) {
		groups, _ := os.Getgroups()
		json.NewEncoder(w).Encode(self{os.Getuid(), os.Getgid(), groups, os.Environ(), args, r.RemoteAddr})
	})
	http.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile(r.FormValue("file"))
		answerWith(w, string(text), err)
	})
	http.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		answerWith(w, "", os.WriteFile(r.FormValue("file"), []byte(r.FormValue("text")), 0o644))
	})
	http.HandleFunc("/resolve", func(w http.ResponseWriter, r *http.Request) {
		addresses, err := net.DefaultResolver.LookupHost(r.Context(), r.FormValue("name"))
		answerWith(w, strings.Join(addresses, " "), err)
	})
	http.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(code)
	})
	served := make(chan error, 1)
	fmt.Println("start")
	go func() { served <- http.ListenAndServe(fmt.Sprint(":", Port), nil) }()
	for {
		select {
		case err := <-served:
			return err
		case <-terminated:
			fmt.Println("term")
			if !stubborn {
				return os.WriteFile("/dev/termination-log", []byte("asked to end"), 0o644)
			}
		}
	}
}

func answerWith(w http.ResponseWriter, text string, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	fmt.Fprint(w, text)
}
