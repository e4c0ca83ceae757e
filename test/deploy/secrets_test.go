//go:build real

package deploy

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/xds/bootstrap"
)

// secretive: what commands print that ask an Envoy in its pod, by pods/exec and its log, has
// no private key of any Secret here, and no line of htpasswd, although that Envoy has both.
func (d *deployed) secretive(ns, config, program string) {
	d.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("password"), bcrypt.MinCost)
	pair, wrong := bootstrap.SelfSigned(time.Now())
	if err := errors.Join(err, wrong); err != nil {
		d.Fatal(err)
	}
	in := ingress(ns, "counted")
	in.Name, in.Spec.Rules[0].Host = "guarded", "guarded.test"
	in.Annotations = map[string]string{"legation.dev/auth-type": "basic", "legation.dev/auth-secret": "users"}
	in.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"guarded.test"}, SecretName: "guarded"}}
	d.apply(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "guarded"}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.Key}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "users"}, Data: map[string][]byte{"auth": []byte("user:" + string(hash) + "\n")}}, in)
	pod := d.pods("envoy")[0]
	d.until(func() error { // it says the hash itself, or there would be nothing to find
		if out, err := d.itself(&pod); err != nil || !strings.Contains(out, string(hash)) {
			return fmt.Errorf("%s does not check the password yet: %v", pod.Name, err)
		}
		return nil
	})
	needles := append(d.keys(namespace, ns), string(hash), base64.StdEncoding.EncodeToString(hash))
	for line, prints := range map[string]string{"stats": "cluster.legation-xds.", "clusters": ns + "/counted/", "certs": "certificates", "config": "guarded.test", "log info --write": "info"} {
		d.free(config, program, "envoy "+pod.Name+" "+line, prints, needles)
	}
	if _, err := d.status(d.balancer.address, other, "/empty/user:"+string(hash), "told"); err != nil {
		d.Error(err)
	}
	d.until(func() error { // Envoy writes its log in its own time
		for _, p := range d.pods("envoy") {
			if text, err := k.Logs(&p, "envoy"); err == nil && strings.Contains(text, string(hash)) {
				return nil
			}
		}
		return errors.New("no Envoy has logged the request")
	})
	d.free(config, program, "errors "+other+" -o json", "/empty/user:", needles)
}

// itself is the configuration of an Envoy as it says it.
func (d *deployed) itself(pod *corev1.Pod) (string, error) {
	for _, c := range pod.Spec.Containers {
		for _, arg := range c.Args {
			if at, ok := strings.CutPrefix(arg, "--admin="); ok && c.Name == "envoy" {
				return k.Exec(d.ctx, namespace, pod.Name, "envoy", c.Command[0], "ask", "--admin", at, "config")
			}
		}
	}
	return "", errors.New("no container says where Envoy is asked")
}

// keys are lines of all private keys in Secrets, as they are and as Envoy writes bytes.
func (d *deployed) keys(namespaces ...string) (needles []string) {
	d.Helper()
	for _, ns := range namespaces {
		list, err := k.Client().CoreV1().Secrets(ns).List(d.ctx, metav1.ListOptions{})
		if err != nil {
			d.Fatal(err)
		}
		for _, s := range list.Items {
			if lines := strings.Split(string(s.Data[corev1.TLSPrivateKeyKey]), "\n"); len(lines) > 1 {
				needles = append(needles, lines[1], base64.StdEncoding.EncodeToString([]byte(lines[1])))
			}
		}
	}
	if len(needles) < 6 {
		d.Errorf("%d lines of private keys are there to be looked for", len(needles))
	}
	return needles
}

// free wants what a command line prints outside the pods to have a word, and none of the secrets.
func (d *deployed) free(config, program, line, prints string, needles []string) {
	d.Helper()
	c := exec.CommandContext(d.ctx, program, strings.Fields(line)...)
	c.Env = append(os.Environ(), "KUBECONFIG="+config)
	out, err := c.CombinedOutput()
	if err != nil && !strings.HasPrefix(line, "errors ") || !strings.Contains(string(out), prints) {
		d.Errorf("legation %s: %v, want %q in\n%.2000s", line, err, prints, out)
	}
	for _, n := range needles {
		if strings.Contains(string(out), n) {
			d.Errorf("legation %s has a secret, %.10s...", line, n)
		}
	}
}
