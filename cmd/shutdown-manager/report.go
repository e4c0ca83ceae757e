package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"legation.dev/drain"
)

// reportFlags say where the report goes besides the log.
type reportFlags struct{ path string }

func (r *reportFlags) addReport(f *pflag.FlagSet) {
	f.StringVar(&r.path, "report", "", "`file` that the report is written to as JSON, such as /dev/termination-log, which Kubernetes shows in the status of the pod")
}

// write writes the report, if that was asked for.
func (r *reportFlags) write(report drain.Report) error {
	if r.path == "" {
		return nil
	}
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	return nil
}
