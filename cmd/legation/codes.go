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
		Short: "Print the codes of Problems: what each says, how bad it is, what to do",
		Long: `Prints all that can be wrong with objects as Markdown, the same text as
docs/problems.md. The code of a Problem is the reason of its Event, and is in the
log and in what 'legation translate -o json' says.`,
		Example: "  legation codes | less",
		Args:    cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), finding.Markdown())
			return err
		},
	}
}
