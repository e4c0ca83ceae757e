// Package cli is what the commands of Legation have in common: what they print and
// with which status they end when a command line is wrong, and their version.
//
// It knows nothing of what they do.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	OK      = 0
	Failure = 1 // it could not be done, or what was looked at is wrong
	Wrong   = 2 // the command line is wrong
)

// Exit is an error that ends the process with its status, without a further word.
type Exit int

// Error implements error.
func (e Exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a command line that cannot be followed.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

// Usage makes err an error of the command line of c; nil stays nil.
func Usage(c *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return &usageError{c.CommandPath(), err}
}

// Arguments checks the number of arguments of a command. The error says what it wants; or, of
// a command with commands below it, which one may be meant.
func Arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case check(c, args) == nil:
			return nil
		case c.HasSubCommands() && len(args) > 0:
			c.SuggestionsMinimumDistance = wrongLetters
			return Usage(c, fmt.Errorf("there is no command %q%s", strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")+" "+args[0], meant(c, args[0])))
		}
		return Usage(c, fmt.Errorf("%d arguments are given; what it wants: %s", len(args), strings.TrimSuffix(c.UseLine(), " [flags]")))
	}
}

// wrongLetters is how many letters of a command may be wrong for it to be meant.
const wrongLetters = 2

// Root completes the command of a program, whose subcommands are those given and
// "version". Without a subcommand it prints its help.
func Root(root *cobra.Command, subcommands ...*cobra.Command) *cobra.Command {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return Usage(c, fmt.Errorf("there is no command %q%s", args[0], meant(c, args[0])))
	}
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	root.SuggestionsMinimumDistance = wrongLetters
	root.Version = Version()
	root.SetVersionTemplate(versionText(root.Name()))
	root.SetFlagErrorFunc(Usage)
	root.AddCommand(append(subcommands, versionCommand(root.Name()))...)
	return root
}

// meant are the commands that somebody may have meant.
func meant(c *cobra.Command, word string) string {
	names := c.SuggestionsFor(word)
	if len(names) == 0 {
		return ""
	}
	return ": did you mean " + strings.Join(names, " or ") + "?"
}

// Run executes a program and returns its exit status. Errors go to stderr, one line
// each.
func Run(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	var exit Exit
	switch {
	case err == nil:
		return OK
	case errors.As(err, &exit):
		return int(exit)
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s: %v\nSee '%s --help'.\n", root.DisplayName(), usage.err, usage.command)
		return Wrong
	}
	fmt.Fprintf(stderr, "%s: %v\n", root.DisplayName(), err)
	return Failure
}
