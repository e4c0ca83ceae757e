package main

import (
	"io"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/translator/finding"
)

func codesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "codes",
		Short: "Print what each code of a problem means, and what to do about it",
		Long: `Prints all kinds of problems as Markdown, the same text as docs/problems.md: the code,
which is the reason of the Event and stands in the log, how bad it is, what is said,
and what to do.`,
		Example: "  legation codes | less",
		Args:    cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), finding.Markdown())
			return err
		},
	}
}
