package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/printers"
)

// Values of --output.
const (
	formatTable = "table" // for people
	formatWide  = "wide"  // with more columns
	formatYAML  = "yaml"
	formatJSON  = "json"
	formatName  = "name"      // a name a line, as other commands take it
	formatPath  = "jsonpath=" // what a template takes out of the JSON
)

// outputFlags say how an answer is printed. All commands that list print one object as JSON,
// whose fields are in small letters; YAML is the same, and jsonpath looks into it.
type outputFlags struct {
	output string
	bare   bool // --no-headers
}

func (f *outputFlags) registerOutput(c *cobra.Command) {
	c.Flags().StringVarP(&f.output, "output", "o", formatTable, "table, wide, yaml, json, name or jsonpath=TEMPLATE")
	c.Flags().BoolVar(&f.bare, "no-headers", false, "with table and wide: no line of headers")
	complete(c, "output", formatTable, formatWide, formatYAML, formatJSON, formatName, formatPath)
}

// checkOutput says what is wrong with --output.
func (f *outputFlags) checkOutput() error {
	if template, ok := strings.CutPrefix(f.output, formatPath); ok {
		if _, err := printers.NewJSONPathPrinter(braced(template)); err != nil || template == "" {
			return fmt.Errorf("--output %s: want a template as kubectl has it, such as jsonpath='{.problems[*].code}'", f.output)
		}
		return nil
	}
	if !slices.Contains([]string{formatTable, formatWide, formatYAML, formatJSON, formatName}, f.output) {
		return fmt.Errorf("--output %q: want table, wide, yaml, json, name or jsonpath=TEMPLATE", f.output)
	}
	return nil
}

// braced is a template; one without braces is one field, as for kubectl.
func braced(template string) string {
	if strings.Contains(template, "{") {
		return template
	}
	return "{." + strings.TrimPrefix(template, ".") + "}"
}

// whole reports whether all there is is printed, and not only what people look at.
func (f *outputFlags) whole() bool {
	return f.output == formatJSON || f.output == formatYAML || strings.HasPrefix(f.output, formatPath)
}

// print writes an answer: value, which is a message or becomes JSON, or its names, or what
// people writes.
func (f *outputFlags) print(w io.Writer, value any, names []string, people func() error) error {
	switch {
	case f.whole():
		return f.encode(w, value)
	case f.output == formatName:
		for _, name := range names {
			fmt.Fprintln(w, name)
		}
		return nil
	}
	return people()
}

func (f *outputFlags) encode(w io.Writer, value any) error {
	text, err := jsonOf(value)
	if err != nil {
		return err
	}
	switch template, path := strings.CutPrefix(f.output, formatPath); {
	case path:
		object := map[string]any{}
		if err := json.Unmarshal(text, &object); err != nil {
			return err
		}
		p, err := printers.NewJSONPathPrinter(braced(template))
		if err != nil {
			return err
		}
		p.AllowMissingKeys(true) // as for kubectl: what is not there is nothing
		return p.PrintObj(&unstructured.Unstructured{Object: object}, w)
	case f.output == formatYAML:
		return writeYAML(w, json.RawMessage(text))
	}
	return writeJSON(w, json.RawMessage(text))
}

// jsonOf is a message, or anything else, as JSON.
func jsonOf(value any) ([]byte, error) {
	if m, ok := value.(proto.Message); ok {
		return protojson.MarshalOptions{EmitDefaultValues: true, UseProtoNames: true}.Marshal(m)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return b.Bytes(), err
}

// namesOf are the names of a list, for others to take.
func namesOf[T any](list []T, name func(T) string) (names []string) {
	for _, one := range list {
		names = append(names, name(one))
	}
	return names
}

// argumentOf is an object as commands take it: "ingress/shop/web" for "Ingress shop/web".
func argumentOf(object string) string {
	kind, name, ok := strings.Cut(object, " ")
	if !ok {
		return object
	}
	return strings.ToLower(kind) + "/" + name
}

// table is what people look at. The first row has its headers.
type table struct {
	w         io.Writer
	flags     *outputFlags
	wide      int  // so many columns at the end are of wide only
	continued bool // it has no headers: it goes on with an earlier one
	rows      [][]string
}

func (f *outputFlags) newTable(w io.Writer, wide int) *table {
	return &table{w: w, flags: f, wide: wide}
}

// row adds the cells of a line to a table; nothing is "-".
func row(t *table, cells ...string) {
	for i, c := range cells {
		if c == "" {
			cells[i] = "-"
		}
	}
	t.rows = append(t.rows, cells)
}

// Flush prints it, as kubectl prints tables: what would move the cursor is made harmless.
func (t *table) Flush() error {
	if len(t.rows) == 0 {
		return nil
	}
	out := &metav1.Table{}
	for i, name := range t.rows[0] {
		column := metav1.TableColumnDefinition{Name: name, Type: "string"}
		if i >= len(t.rows[0])-t.wide {
			column.Priority = 1
		}
		out.ColumnDefinitions = append(out.ColumnDefinitions, column)
	}
	rows := t.rows[1:]
	if t.continued {
		rows = t.rows
	}
	for _, cells := range rows {
		line := metav1.TableRow{}
		for _, c := range cells {
			line.Cells = append(line.Cells, c)
		}
		out.Rows = append(out.Rows, line)
	}
	return printers.NewTablePrinter(printers.PrintOptions{NoHeaders: t.flags.bare || t.continued, Wide: t.flags.output == formatWide}).PrintObj(out, t.w)
}
