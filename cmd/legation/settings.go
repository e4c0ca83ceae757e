package main

import (
	"io"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/translator/policy"
)

func settingsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "settings",
		Short: "Print all settings: where they stand, what they say, their defaults and reasons",
		Long: `Prints the reference of all settings as Markdown, the same text as docs/settings.md:
annotations with the prefix legation.dev/ on an Ingress or Service, and keys of the
ConfigMap that an IngressClass names in spec.parameters.`,
		Example: "  legation settings | less",
		Args:    cli.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), policy.Markdown())
			return err
		},
	}
	c.AddCommand(importCommand())
	return c
}
