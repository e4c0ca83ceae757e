package nginx

import (
	"fmt"
	"slices"
	"strings"

	"legation.dev/translator/policy"
)

// ofArguments are the arguments of the ingress-nginx controller (pkg/flags of its source).
var ofArguments = map[string]key{
	"annotations-prefix":              {fate: Lost, why: "annotations are read under nginx.ingress.kubernetes.io alone"},
	"apiserver-host":                  {fate: Elsewhere, why: "legation serve --kubeconfig"},
	"certificate-authority":           {fate: Elsewhere, why: "legation serve --kubeconfig"},
	"configmap":                       {fate: NoEffect, why: "it is what --nginx-configmap is of"},
	"controller-class":                {fate: Elsewhere, why: "legation serve --controller-class (chart: controlPlane.controllerClasses)"},
	"deep-inspect":                    {fate: NoEffect, why: "no annotation becomes configuration text"},
	"default-backend-service":         {fate: ToDecide, why: "default-backend is this with the port of the Service: NAMESPACE/NAME:PORT"},
	"default-server-port":             {fate: NoEffect, why: "Envoy answers 404 itself"},
	"default-ssl-certificate":         {says: []policy.Word{{Setting: "default-tls-secret", Ours: asIs}}},
	"disable-catch-all":               {fate: Lost, why: "an Ingress without a host is served, at hosts that nobody has"},
	"disable-full-test":               {fate: NoEffect, why: "there is no admission webhook"},
	"disable-leader-election":         {fate: Elsewhere, why: "legation serve without --lease writes no status"},
	"disable-svc-external-name":       {says: []policy.Word{{Setting: "external-names", Ours: either("false", "true")}}},
	"disable-sync-events":             {fate: NoEffect, why: "Events are of what is wrong, not of each change"},
	"dynamic-configuration-retries":   {fate: NoEffect, why: "nothing is sent to a Lua endpoint"},
	"election-id":                     {fate: Elsewhere, why: "legation serve --lease"},
	"election-ttl":                    {fate: NoEffect, why: "the Lease has its own times"},
	"enable-annotation-validation":    {fate: NoEffect, why: "what is wrong in a value is told on its Ingress, which is served or closed (docs/ingress-nginx.md)"},
	"enable-metrics":                  {fate: NoEffect, why: "metrics are always there"},
	"enable-ssl-chain-completion":     {fate: Lost, why: "a Secret must have the whole chain"},
	"enable-ssl-passthrough":          {fate: NoEffect, why: "ssl-passthrough is honoured without it"},
	"enable-topology-aware-routing":   {says: []policy.Word{{Setting: "same-zone-endpoints", Ours: sameZone}}},
	"exclude-socket-metrics":          {fate: NoEffect, why: "metrics are Envoy's"},
	"health-check-path":               {says: []policy.Word{{Setting: "health-path", Ours: asIs}}},
	"health-check-timeout":            {fate: NoEffect, why: "probes ask shutdown-manager"},
	"healthz-host":                    {fate: NoEffect, why: "probes ask shutdown-manager"},
	"healthz-port":                    {fate: NoEffect, why: "probes ask shutdown-manager"},
	"http-port":                       {fate: Elsewhere, why: "--http-port of this command is where Envoys listen"},
	"https-port":                      {fate: Elsewhere, why: "--https-port of this command is where Envoys listen"},
	"ingress-class":                   {fate: Elsewhere, why: "legation serve --class: the annotation of an Ingress is read as the name of an IngressClass"},
	"ingress-class-by-name":           {fate: NoEffect, why: "a class is found by its name in any case"},
	"internal-logger-address":         {fate: NoEffect, why: "Envoy logs to its own output"},
	"kubeconfig":                      {fate: Elsewhere, why: "legation serve --kubeconfig"},
	"metrics-per-host":                {fate: NoEffect, why: "metrics are by Service"},
	"monitor-max-batch-size":          {fate: NoEffect, why: "metrics are Envoy's"},
	"post-shutdown-grace-period":      {fate: NoEffect, why: "shutdown-manager ends Envoy when its work is done"},
	"profiler-port":                   {fate: NoEffect, why: "legation debug asks by a Unix socket"},
	"profiling":                       {fate: NoEffect, why: "legation debug asks by a Unix socket"},
	"publish-service":                 {fate: Elsewhere, why: "legation serve --publish-service (the chart names the Service of its own Envoys)"},
	"publish-status-address":          {fate: Elsewhere, why: "legation serve --publish-address"},
	"report-node-internal-ip-address": {fate: Elsewhere, why: "legation serve --publish-nodes"},
	"report-status-classes":           {fate: NoEffect, why: "metrics are Envoy's"},
	"shutdown-grace-period":           {fate: Elsewhere, why: "shutdown-manager --min-drain"},
	"ssl-passthrough-proxy-port":      {fate: NoEffect, why: "Envoy looks at the name of a connection itself"},
	"status-port":                     {fate: NoEffect, why: "Envoy's admin interface is a Unix socket"},
	"status-update-interval":          {fate: NoEffect, why: "addresses are written when they change"},
	"stream-port":                     {fate: NoEffect, why: "nothing is sent to a Lua endpoint"},
	"sync-period":                     {fate: NoEffect, why: "objects are watched"},
	"tcp-services-configmap":          {fate: Lost, why: "only Ingresses are served: TCP needs a Service of its own"},
	"udp-services-configmap":          {fate: Lost, why: "only Ingresses are served: UDP needs a Service of its own"},
	"update-status":                   {fate: Elsewhere, why: "legation serve writes addresses only with --publish-service, --publish-nodes or --publish-address"},
	"update-status-on-shutdown":       {fate: NoEffect, why: "addresses stay while another replica serves"},
	"validating-webhook":              {fate: NoEffect, why: "there is no admission webhook (docs/install.md)"},
	"validating-webhook-certificate":  {fate: NoEffect, why: "there is no admission webhook (docs/install.md)"},
	"validating-webhook-key":          {fate: NoEffect, why: "there is no admission webhook (docs/install.md)"},
	"version":                         {fate: NoEffect, why: "legation version"},
	"watch-ingress-without-class":     {fate: ToDecide, why: "an Ingress without a class is served by the default IngressClass: mark it, or name the class on those Ingresses"},
	"watch-namespace":                 {fate: Elsewhere, why: "legation serve --namespaces (chart: controlPlane.namespaces)"},
	"watch-namespace-selector":        {fate: ToDecide, why: "legation serve --namespaces takes names of namespaces, and no selector"},
	// Of package klog.
	"v":           {fate: NoEffect, why: "legation serve --log-level"},
	"logtostderr": {fate: NoEffect, why: "legation serve logs there"},
}

// switches are the arguments that say true when they have no value.
var switches = []string{"disable-catch-all", "disable-full-test", "disable-leader-election", "disable-svc-external-name", "disable-sync-events", "deep-inspect", "enable-annotation-validation",
	"enable-metrics", "enable-ssl-chain-completion", "enable-ssl-passthrough", "enable-topology-aware-routing", "exclude-socket-metrics", "ingress-class-by-name", "logtostderr", "metrics-per-host",
	"profiling", "report-node-internal-ip-address", "report-status-classes", "update-status", "update-status-on-shutdown", "version", "watch-ingress-without-class"}

// sameZone is whether requests stay in their zone.
func sameZone(text string) (string, error) {
	ours, err := boolean(text)
	if err == nil && ours == "true" {
		return "1", nil
	}
	return "", err
}

// ImportArguments adds to settings of a class what the arguments of the ingress-nginx
// controller say, as they stand in its Deployment, and says what became of each. The name of
// the program before them is passed over; an argument that begins with no dash is an error.
func ImportArguments(settings map[string]string, arguments []string) (keys []Key, err error) {
	for i := 0; i < len(arguments); i++ {
		name, value, found := strings.Cut(strings.TrimLeft(arguments[i], "-"), "=")
		switch {
		case i == 0 && strings.HasSuffix(arguments[i], "nginx-ingress-controller"):
			continue
		case !strings.HasPrefix(arguments[i], "-"):
			return nil, fmt.Errorf("%q is no argument of ingress-nginx: want --NAME=VALUE", arguments[i])
		case found:
		case slices.Contains(switches, name):
			value = "true"
		case i+1 < len(arguments):
			i++
			value = arguments[i]
		}
		k, known := ofArguments[name]
		key := Key{Fate: Lost, Why: "is not known here: look for it in docs/differences.md"}
		switch {
		case known && k.fate != "" && slices.Contains(switches, name) && value == "false":
			key = Key{Fate: NoEffect, Why: "is off"}
		case known:
			key = k.read(settings, value)
		}
		key.Name, key.Value = "--"+name, value
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b Key) int { return strings.Compare(a.Name, b.Name) })
	return keys, nil
}
