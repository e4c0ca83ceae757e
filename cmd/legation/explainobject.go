package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"legation.dev/cmd/cli"
	"legation.dev/translator/finding"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/snapshot"
)

// explainedKinds are what a running Legation can be asked about, as kubectl writes
// them.
var explainedKinds = map[string]string{"ingress": "Ingress", "secret": "Secret", "ingressclass": "IngressClass"}

// objectOf is the object that an argument names, as Ref.String prints it; false if
// it is not one of explainedKinds.
func objectOf(argument string) (string, bool) {
	kind, name, _ := strings.Cut(argument, "/")
	known, ok := explainedKinds[kind]
	if !ok || name == "" {
		return "", false
	}
	return known + " " + name, true
}

// named checks that an argument that objectOf knows has a whole name.
func named(argument string) error {
	kind, name, _ := strings.Cut(argument, "/")
	namespace, name, two := strings.Cut(name, "/")
	switch {
	case kind == "ingressclass" && two:
		return fmt.Errorf("%q: want %s/NAME", argument, kind)
	case kind != "ingressclass" && (namespace == "" || name == "" || strings.Contains(name, "/")):
		return fmt.Errorf("%q: want %s/NAMESPACE/NAME", argument, kind)
	}
	return nil
}

// object prints what a running Legation makes of an object; wrong is what is wrong with its name.
func (f *inspectFlags) object(c *cobra.Command, object string, wrong error) error {
	if wrong != nil {
		return cli.Usage(c, wrong)
	}
	return f.ask(c, inspectTime, func(ctx context.Context, admin adminv1.AdminClient) error {
		answer, err := admin.Explain(ctx, &adminv1.ExplainRequest{Object: object})
		if err != nil {
			return err
		}
		names := namesOf(answer.GetMade(), func(m *adminv1.Made) string {
			return strings.ToLower(snapshot.TypeName(m.GetResource().GetTypeUrl())) + "/" + m.GetResource().GetName()
		})
		err = f.print(c.OutOrStdout(), answer, names, func() error { return f.writeObject(c.OutOrStdout(), answer) })
		if err != nil {
			return err
		}
		if err := complain(c.ErrOrStderr(), answer.GetReplicas()); err != nil {
			return err
		}
		return verdictOf(object, answer)
	})
}

// verdictOf is what makes the exit status 1: a script is to see what a person reads.
func verdictOf(object string, answer *adminv1.ExplainResponse) error {
	wrong := 0
	for _, p := range answer.GetProblems() {
		if finding.Severity(p.GetSeverity()).Rank() >= finding.Warning.Rank() {
			wrong++
		}
	}
	switch {
	case len(answer.GetMade()) == 0 && len(answer.GetProblems()) > 0:
		return fmt.Errorf("nothing is made of %s: its problems say why", object)
	case len(answer.GetMade()) == 0:
		return fmt.Errorf("nothing is made of %s: there is no such object, or no class of ours has it", object)
	case wrong > 0:
		return errors.New(count(wrong, "problem"))
	}
	return nil
}

func (f *outputFlags) writeObject(w io.Writer, answer *adminv1.ExplainResponse) error {
	table := f.newTable(w, 0)
	if len(answer.GetMade()) > 0 {
		row(table, "FLEET", "TYPE", "NAME", "VERSION", "ENVOYS", "FROM")
	}
	for _, m := range answer.GetMade() {
		r := m.GetResource()
		row(table, m.GetFleet(), snapshot.TypeName(r.GetTypeUrl()), r.GetName(), r.GetVersion(), fmt.Sprintf("%d of %d", m.GetRunning(), m.GetEnvoys()), strings.Join(m.GetFrom(), ", "))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, p := range answer.GetProblems() {
		fmt.Fprintf(w, "\nproblem %s: %s: ", p.GetCode(), p.GetObject())
		if p.GetField() != "" {
			fmt.Fprintf(w, "%s: ", p.GetField())
		}
		if p.GetValue() != "" {
			fmt.Fprintf(w, "%q: ", p.GetValue())
		}
		fmt.Fprintln(w, p.GetMessage())
	}
	return nil
}
