package ui

import (
	"fmt"
	"net/http"
	"time"

	"legation.dev/inspect"
	"legation.dev/translator/finding"
)

// problems are what is wrong, the worst first.
func (p *Pages) problems(r *http.Request) (*sheet, error) {
	q := r.URL.Query()
	ask := inspect.ProblemQuery{Severity: finding.Severity(q.Get("severity")), Code: finding.Code(q.Get("code")), Namespace: q.Get("namespace"), Skip: skipOf(q)}
	if ask.Severity.Rank() < 0 {
		ask.Severity = ""
	}
	all, s, now := p.Problems.Overview(), &sheet{}, time.Now()
	s.Lead, s.Tone = leadOf(all)
	s.Form = &form{Submit: "Show", Fields: []field{
		{Name: "severity", Label: "Severity", Value: string(ask.Severity), Options: []string{"", string(finding.Error), string(finding.Warning), string(finding.Info)}},
		{Name: "code", Label: "Code", Value: clean(string(ask.Code))},
		{Name: "namespace", Label: "Namespace", Value: clean(ask.Namespace)},
	}}
	ask.Limit = s.left()
	rows, total := all.Find(ask)
	of := s.section("", "Severity", "Code", "Known since", "Object", "Field", "What it means")
	for _, one := range rows {
		s.add(severity(one.Code.Row().Severity), text(string(one.Code)).to("/problems", "code", string(one.Code)), ago(one.Since, now), objectOf(one.Problem), fieldOf(one.Problem), text(one.Message))
	}
	of.page("/problems", q, ask.Skip, total)
	of.Note = clean(ask.Code.Row().Do)
	if ask.Code == "" {
		of.Note = "What Envoys of other replicas reject is on the first page."
	}
	return s, nil
}

func leadOf(all *inspect.Overview) (lead, tone string) {
	counts := map[finding.Severity]int{}
	for _, c := range all.Codes {
		counts[c.Severity] += c.Count
	}
	switch {
	case all.Len() == 0:
		return "Nothing is wrong.", "good"
	case counts[finding.Error] > 0:
		tone = "bad"
	case counts[finding.Warning] > 0:
		tone = "warn"
	}
	return fmt.Sprintf("%s, %s, %s.", count(counts[finding.Error], "error", "errors"), count(counts[finding.Warning], "warning", "warnings"), count(counts[finding.Info], "note", "notes")), tone
}

func severity(s finding.Severity) cell {
	tone := map[finding.Severity]string{finding.Error: "bad", finding.Warning: "warn", finding.Info: "dim"}[s]
	return cell{Text: string(s), Tone: tone + " badge"}
}

func objectOf(p finding.Problem) cell {
	c := text(p.Object.String())
	c.Small = clean(p.File)
	return c
}

func fieldOf(p finding.Problem) cell {
	if p.Value == "" {
		return code(p.Field)
	}
	return code(fmt.Sprintf("%s=%q", p.Field, p.Value))
}
