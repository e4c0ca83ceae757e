package worlds

import (
	"fmt"

	"legation.dev/translator/input"
)

// copyDomain is a domain of the cluster, beside the default one.
const copyDomain = "corp.example"

// copiedTo has the requests of an Ingress copied, perhaps: mostly to a Service.
func (w *World) copiedTo(o *input.Ingress) {
	if w.copies == nil || w.copies.IntN(2) == 0 {
		return
	}
	one := func(list ...string) string { return list[w.copies.IntN(len(list))] }
	host := fmt.Sprintf("%s.%s.svc%s", ServiceName(w.copies.IntN(w.size.Services+1)), one(Namespace, Namespace, OtherSpace), one("", ".cluster.local", "."+copyDomain, ".cluster.local."))
	if w.copies.IntN(6) == 0 {
		host = one("copy.example.org", "192.0.2.7", "127.0.0.1", "no-dot")
	}
	o.Annotations["nginx.ingress.kubernetes.io/mirror-target"] = one("http", "http", "https") + "://" + host + one("", "", ":80", ":8080", ":9901") + "$request_uri"
}

// copySettings are what a class says of where copies may go, perhaps.
func (w *World) copySettings(data map[string]string) {
	if w.copies == nil {
		return
	}
	for _, s := range []sample{
		{"external-names", []string{"true", "true", "false"}}, {"loopback-external-names", []string{"true", "false"}},
		{"external-name-suffixes", []string{OtherSpace + ".svc", "cluster.local", "example.org"}}, {"cluster-domain", []string{copyDomain, "wrong domain"}},
	} {
		if w.copies.IntN(3) == 0 {
			data[s.name] = s.texts[w.copies.IntN(len(s.texts))]
		}
	}
}
