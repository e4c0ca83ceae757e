package main

import (
	"legation.dev/controller"
	"legation.dev/pmap"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/watcher/kube"
	"legation.dev/watcher/status"
)

// stateOf is what a result and all that is wrong mean for who writes to Kubernetes.
//
// takeOver: other controllers are not waited for.
func stateOf(r translator.Result, problems []finding.Problem, takeOver bool) status.State {
	view := r.View()
	s := status.State{Fleets: map[string]pmap.Map[pmap.Unit]{}, Elsewhere: map[string]bool{}, Inherited: map[string]bool{}, Problems: problems, Exists: view.Has}
	for f := range r.Fleets() {
		// What is frozen since another controller has its class goes on, but new clients are
		// that controller's.
		if class, there := view.Class(f.Name); !f.Frozen || !there || class.Controller == input.Controller {
			s.Fleets[f.Name] = f.Members
		}
	}
	for _, p := range r.Unset() { // another replica may know its settings
		s.Elsewhere[p.Object.Name] = true
	}
	for name, class := range view.Classes().All() {
		if class.Controller == kube.NotServed {
			s.Elsewhere[name] = true
		}
		if class.Claimed != "" && !takeOver {
			s.Inherited[name] = true
		}
	}
	return s
}

// toldOf are orders as Events tell them.
func toldOf(list []controller.Given) (told []status.Order) {
	reasons := map[string][2]string{controller.ApproveKind: {"RemovalApproved", "Approve"}, controller.ApproveSettingsKind: {"SettingsApproved", "Approve"},
		controller.LapseKind: {"RemovalLapsed", "Lapse"}, controller.PauseKind: {"Paused", "Pause"}, controller.ResumeKind: {"Resumed", "Resume"}}
	for _, g := range list {
		told = append(told, status.Order{ID: g.ID, Class: g.Fleet, Reason: reasons[g.Kind][0], Action: reasons[g.Kind][1], Text: g.String(), At: g.At})
	}
	return told
}
