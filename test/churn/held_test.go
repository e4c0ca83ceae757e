//go:build real

package churn

import (
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"legation.dev/controller"
	"legation.dev/test/inprocess"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// fixedValues are other values of what is fixed at install.
var fixedValues = map[string]string{"bind-addresses": "127.0.0.1,", "http-port": "8080", "https-port": "8443", "proxy-protocol": "required", "tcp-keepalive": "1m", "trusted-proxies": "10.0.0.0/8"}

// TestSettingsHeld: each setting that is fixed at install is changed under load, or written wrong: no
// connection ends and no listener changes until somebody approves, or the settings say that such
// changes are to be in force.
func TestSettingsHeld(t *testing.T) {
	var orders controller.Orders
	w := newSuite(t, 10, inprocess.Options{Log: warnings(t), Orders: &orders})
	still, end := w.load(w.few()...)
	before := w.listenerChanges()
	for _, s := range policy.Table() {
		if s.Fixed == "" {
			continue
		}
		value, ok := fixedValues[s.Name]
		if !ok {
			t.Errorf("%s: another value of it is not tried here", s.Name)
		}
		if s.Name == "bind-addresses" {
			address, _, _ := net.SplitHostPort(w.HTTP)
			value += address
		}
		for text, code := range map[string]finding.Code{value: finding.SettingsHeld, "wrong": finding.SettingsKept} {
			w.Settings(map[string]string{s.Name: text, "access-log": "/dev/null"})
			w.settle()
			w.toldOf(code, "data."+s.Name)
		}
		w.more(still, 50)
	}
	w.Settings(map[string]string{"tcp-keepalive": "1m"})
	w.settle()
	w.more(still, 200)
	end()
	if after := w.listenerChanges(); !maps.Equal(before, after) {
		t.Errorf("before an approval listeners changed: %v, then %v", before, after)
	}

	list := w.Result().View().Approvable(inprocess.Class)
	if len(list) != 1 {
		t.Fatalf("what waits for an approval is %+v", list)
	}
	if err := orders.Do(w.ctx, controller.Approve(controller.Given{Fleet: inprocess.Class, Digest: list[0].Digest, By: "a test", Reason: "nobody is there"})); err != nil {
		t.Fatal(err)
	}
	w.settle()
	approved := w.listenerChanges()
	w.Settings(map[string]string{"tcp-keepalive": "2m", "closing-changes": "apply"})
	w.settle()
	applied := w.listenerChanges()
	if modified := "listener_manager.listener_modified"; approved[modified] == before[modified] || applied[modified] == approved[modified] {
		t.Errorf("listeners changed before: %v, after an approval: %v, without holds: %v", before, approved, applied)
	}
	w.noneRejected()
}

// toldOf fails the test unless a Problem says that settings are held.
func (w *suite) toldOf(code finding.Code, field string) {
	w.t.Helper()
	var list []string
	for _, p := range w.Result().Problems(time.Now()) {
		if p.Code == code && p.Field == field {
			return
		}
		list = append(list, fmt.Sprint(p))
	}
	w.t.Errorf("no Problem %s of %s, but %s", code, field, strings.Join(list, "; "))
}
