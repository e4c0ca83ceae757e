//go:build real

package deploy

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// deployment are the values without which a fleet cannot be a Deployment.
const deployment = "envoy.kind=Deployment,envoy.hostPorts.http=0,envoy.hostPorts.https=0"

// TestRefused: values that are misspelt, or fit nothing, are refused, and what is said
// names the field.
func TestRefused(t *testing.T) {
	for _, s := range []struct{ set, says string }{
		{"controlPlane.replica=3", "replica"},
		{"envoy.upgrades=cut", "upgrades"},
		{"envoy.hostPorts.http=70000", "http"},
		{"envoy.settings.http-port=80", "envoy.settings.http-port of fleet legation: it follows from envoy.hostPorts"},
		{"fleets.Public.default=true", "fleets.Public: "},
		{"fleets.my\\.class.default=true", "fleets.my.class: "},
		{"fleets.legation=null", "fleets"},
		{"fleets.public.default=true,envoy.default=true", "fleets.legation.default=true and fleets.public.default=true"},
		{"envoy.publish=anywhere", "publish"},
		{"tls.certmanager.enabled=true", "certmanager"},
		{"envoy.podLabels.legation\\.dev/fleet=x", "envoy.podLabels.legation.dev/fleet of fleet legation: the chart says"},
		{"imagePullSecrets[0].nmae=x", "imagePullSecrets"},
		{"envoy.terminationGracePeriodSeconds=1", "envoy.terminationGracePeriodSeconds=1 of fleet legation: must be at least 5"},
		{"fleets.public.terminationGracePeriodSeconds=4", "envoy.terminationGracePeriodSeconds=4 of fleet public: must be at least 5"},
		{"envoy.kind=StatefulSet", "kind"},
		{"envoy.kind=Deployment", "envoy.hostPorts.http=80 of fleet legation"},
		{"envoy.kind=Deployment,envoy.hostPorts.http=0", "envoy.hostPorts.https=443 of fleet legation"},
		{"envoy.autoscaling.enabled=true", "envoy.autoscaling.enabled=true of fleet legation: envoy.kind is DaemonSet"},
		{deployment + ",envoy.autoscaling.minReplicas=5,envoy.autoscaling.maxReplicas=3", "envoy.autoscaling.minReplicas=5 of fleet legation"},
		{deployment + ",envoy.autoscaling.maxreplicas=3", "maxreplicas"},
		{"envoy.nodeLeaving.enabled=maybe", "enabled"},
		{"envoy.nodeLeaving.taint=x", "taint"},
		{"envoy.drainEvents=maybe", "drainEvents"},
		{"controlPlane.state.coldStartAfter=soon", "coldStartAfter"},
		{"controlPlane.state.persistence.enabled=true,controlPlane.state.persistence.accessModes={ReadWriteOnce}", "controlPlane.state.persistence.accessModes=[ReadWriteOnce]: 2 replicas"},
		{"nameOfNothing=1", "nameOfNothing"},
		{"commonLabels.app\\.kubernetes\\.io/name=x", "commonLabels.app.kubernetes.io/name: the chart says"},
		{"envoy.settings.retrys=1", "at '/envoy/settings': additional properties 'retrys' not allowed"},
		{"fleets.legation.settings.host-ownership=mine", "at '/fleets/legation/settings/host-ownership': value must be one of 'namespace', 'shared'"},
		{"envoy.settings.request-timeout=false", "at '/envoy/settings/request-timeout': got boolean, want number or string"},
		{"envoy.service.loadBalancerSourceRanges={10.0.0.1}", "at '/envoy/service/loadBalancerSourceRanges/0'"},
		{"envoy.service.ipFamilies={IPv5}", "at '/envoy/service/ipFamilies/0'"},
		{"envoy.service.internal.enabled=true", "envoy.service.internal.enabled=true of fleet legation: it is a second Service"},
		{"envoy.kind=Deployment,envoy.hostNetwork=true", "envoy.hostNetwork=true of fleet legation: envoy.kind is Deployment"},
		{"image.digest=latest", "at '/image/digest'"},
		{"fullnameOverride=a-name-that-is-longer-than-those-of-objects-may-be", "at '/fullnameOverride'"},
		{"controlPlane.livenessProbe.httpGet.path=/x", "at '/controlPlane/livenessProbe': additional properties 'httpGet'"},
		{"monitoring.scrape.port=x", "at '/monitoring/scrape/port'"},
		{"fleets.a-class-with-a-name-that-is-rather-long.service.enabled=true", "more than 63 characters"},
	} {
		_, err := helm(t, "legation-of-the-whole-company", "legation", "--set", s.set)
		if err == nil || !strings.Contains(strings.TrimPrefix(err.Error(), "helm template"), s.says) {
			t.Errorf("%s: %v, want %q", s.set, err, s.says)
			continue
		}
		t.Logf("%s: %s", s.set, err)
	}
}

// workload is what runs the Envoys of a class.
func workload(t *testing.T, class string, text []byte) *unstructured.Unstructured {
	t.Helper()
	for _, o := range objects(t, text) {
		if isFleet(o) && strings.HasSuffix(o.GetName(), "-envoy-"+class) {
			return o
		}
	}
	t.Fatalf("nothing runs the Envoys of class %s", class)
	return nil
}

// TestFleets: a field of a fleet stands before that of all, also where it says no.
func TestFleets(t *testing.T) {
	text := render(t, "legation", "legation", "--set", "envoy.service.enabled=true,fleets.public.kind=Deployment,fleets.public.hostPorts.http=0,"+
		"fleets.public.hostPorts.https=0,fleets.public.replicas=null,fleets.public.createClass=false,fleets.public.service.enabled=false")
	if o := workload(t, "legation", text); o.GetKind() != "DaemonSet" {
		t.Errorf("the first fleet is a %s", o.GetKind())
	}
	public := workload(t, "public", text)
	if n, found, _ := unstructured.NestedInt64(public.Object, "spec", "replicas"); public.GetKind() != "Deployment" || found {
		t.Errorf("the second fleet is a %s with %d replicas, want a Deployment that says no number", public.GetKind(), n)
	}
	got := map[string]bool{}
	for _, o := range objects(t, text) {
		got[o.GetKind()+" "+o.GetName()] = true
	}
	for name, want := range map[string]bool{
		"IngressClass legation": true, "IngressClass public": false, "ConfigMap legation-class-public": true,
		"Service legation-envoy-legation": true, "Service legation-envoy-public": false,
		"PodDisruptionBudget legation-envoy-legation": false, "PodDisruptionBudget legation-envoy-public": true,
	} {
		if got[name] != want {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
}

// TestSettings: a number of the values is the same number in the ConfigMap.
func TestSettings(t *testing.T) {
	text := render(t, "legation", "legation", "--set", "envoy.settings.max-request-body=10485760,envoy.settings.panic-threshold=0.25,envoy.settings.slow-start=30s,envoy.settings.cors=true")
	for _, o := range objects(t, text) {
		if o.GetKind() != "ConfigMap" {
			continue
		}
		got, _, _ := unstructured.NestedStringMap(o.Object, "data")
		want := map[string]string{"max-request-body": "10485760", "panic-threshold": "0.25", "slow-start": "30s", "cors": "true",
			"http-port": "8080", "https-port": "8443", "drain-upgrades": "hold", "session-ticket-secret": "legation/legation-session-tickets"}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		return
	}
	t.Fatal("no ConfigMap")
}

// TestTicketSecret: each class names the Secret of session tickets that `legation certs`
// prints, or cert-manager makes, for its release; or the one that its settings name. Its
// name is all that the chart says of it, so that to render it again changes no key.
func TestTicketSecret(t *testing.T) {
	for _, c := range []struct{ release, namespace, set, want string }{
		{"legation", "legation", "tls.certManager.enabled=true,fleets.public.default=true", "legation-session-tickets"},
		{"edge", "staging", "", "edge-legation-session-tickets"},
		{"legation", "legation", "envoy.settings.session-ticket-secret=other/seed", ""},
	} {
		text := render(t, c.release, c.namespace, "--set", c.set)
		if !bytes.Equal(text, render(t, c.release, c.namespace, "--set", c.set)) {
			t.Errorf("%+v: rendered again, it differs", c)
		}
		made := map[string]bool{"other/seed": c.want == ""}
		for _, o := range objects(t, text) {
			if name, _, _ := unstructured.NestedString(o.Object, "spec", "secretName"); o.GetKind() == "Certificate" {
				made[o.GetNamespace()+"/"+name] = true
			}
		}
		if c.want != "" && !strings.Contains(c.set, "certManager") {
			out, err := exec.CommandContext(t.Context(), path(t, "bin", "legation"), "certs", "--namespace", c.namespace, "--release", "edge-legation").Output()
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range objects(t, out) {
				made[o.GetNamespace()+"/"+o.GetName()] = true
			}
		}
		for _, o := range objects(t, text) {
			if got, found, _ := unstructured.NestedString(o.Object, "data", "session-ticket-secret"); o.GetKind() == "ConfigMap" &&
				(!found || !made[got] || !strings.HasSuffix(got, c.want)) {
				t.Errorf("%+v: %s names %q, and there are %v", c, o.GetName(), got, made)
			}
		}
	}
}

// TestSignal: the rule of docs/operating.md gives the metric that the autoscaler asks
// for.
func TestSignal(t *testing.T) {
	text, err := os.ReadFile(path(t, "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	rule := regexp.MustCompile(`name: \{as: (\w+)\}`).FindSubmatch(text)
	if rule == nil {
		t.Fatal("docs/operating.md has no rule")
	}
	for _, o := range objects(t, named(t, "autoscaled").render(t)) {
		if o.GetKind() != "HorizontalPodAutoscaler" {
			continue
		}
		metrics, _, _ := unstructured.NestedSlice(o.Object, "spec", "metrics")
		if name, _, _ := unstructured.NestedString(metrics[0].(map[string]any), "pods", "metric", "name"); name != string(rule[1]) {
			t.Errorf("the autoscaler asks for %q, and the rule gives %q", name, rule[1])
		}
		return
	}
	t.Fatal("no HorizontalPodAutoscaler")
}

// odd are values that few set, in one file each; all of them are admitted.
var odd = map[string]string{
	"one of each": "controlPlane.replicas=1,envoy.replicas=1," + deployment,
	"scheduling": `imagePullSecrets[0].name=registry,commonLabels.cost=edge,envoy.podLabels.team=edge,controlPlane.podLabels.team=edge,envoy.priorityClassName=high,` +
		`envoy.tolerations[0].key=edge,envoy.tolerations[0].operator=Exists,envoy.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.` +
		`nodeSelectorTerms[0].matchExpressions[0].key=edge,envoy.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.` +
		`nodeSelectorTerms[0].matchExpressions[0].operator=Exists,controlPlane.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.` +
		`nodeSelectorTerms[0].matchExpressions[0].key=plane,controlPlane.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.` +
		`nodeSelectorTerms[0].matchExpressions[0].operator=Exists`,
	"kept":          "controlPlane.replicas=1,controlPlane.state.persistence.enabled=true,controlPlane.state.persistence.storageClassName=fast,controlPlane.state.persistence.accessModes={ReadWriteOnce},controlPlane.state.keySecret=key",
	"nothing kept":  "controlPlane.state.enabled=false",
	"page":          "controlPlane.ui.enabled=true,controlPlane.ui.tokenSecret=page,controlPlane.ui.hosts={page.example.com},controlPlane.ui.from[0].podSelector.matchLabels.app=proxy",
	"updates":       "envoy.updateStrategy.type=OnDelete,envoy.minReadySeconds=20",
	"percent":       deployment + ",envoy.maxUnavailable=25%",
	"long drain":    deployment + ",envoy.autoscaling.enabled=true,envoy.terminationGracePeriodSeconds=7200,envoy.autoscaling.workerCPU=1.5",
	"own metrics":   deployment + ",envoy.autoscaling.enabled=true,envoy.autoscaling.metrics[0].type=Resource,envoy.autoscaling.metrics[0].resource.name=memory,envoy.autoscaling.metrics[0].resource.target.type=Utilization,envoy.autoscaling.metrics[0].resource.target.averageUtilization=70",
	"no ports":      "envoy.hostPorts.http=0,envoy.hostPorts.https=0,envoy.publish=none",
	"own autoscale": deployment + ",envoy.replicas=null,envoy.createClass=false",
	"annotations":   `envoy.podAnnotations.cluster-autoscaler\.kubernetes\.io/enable-ds-eviction=no`,
	"names":         "fullnameOverride=edge,nameOverride=gate,commonAnnotations.owner=edge,global.imageRegistry=mirror.example:5000,image.digest=sha256:" + strings.Repeat("ab", 32),
	"accounts":      "serviceAccount.controlPlane.create=false,serviceAccount.controlPlane.name=theirs,serviceAccount.envoy.create=false,rbac.create=false,priorityClass.create=false",
	"two stacks":    deployment + ",fullnameOverride=edge,envoy.service.enabled=true,envoy.service.ipFamilyPolicy=RequireDualStack,envoy.service.ipFamilies={IPv6,IPv4},envoy.service.internal.enabled=true,envoy.service.internal.ipFamilyPolicy=SingleStack,envoy.service.internal.ipFamilies={IPv6}",
	"balancer": deployment + ",fullnameOverride=edge,envoy.service.enabled=true,envoy.service.loadBalancerClass=example.com/edge,envoy.service.loadBalancerSourceRanges={10.0.0.0/8,2001:db8::/32},envoy.service.healthCheckNodePort=31000," +
		"envoy.service.nodePorts.http=31080,envoy.service.sessionAffinity=ClientIP,envoy.service.labels.team=edge,envoy.service.externalIPs={192.0.2.1},envoy.service.internal.enabled=true,envoy.service.internal.type=ClusterIP," +
		`envoy.service.ports.http=0,envoy.service.annotations.example\.com/kind=edge`,
	"without node ports": deployment + ",envoy.service.enabled=true,envoy.service.externalTrafficPolicy=Cluster,envoy.service.allocateLoadBalancerNodePorts=false",
	"of the node":        "envoy.hostNetwork=true,envoy.hostPorts.http=8080,controlPlane.hostNetwork=true,controlPlane.dnsPolicy=Default",
	"no networks":        "networkPolicy.enabled=false,monitoring.rules=true,monitoring.labels.release=prometheus",
}

// TestExtras: what a user adds is in the pods of both workloads, and what he takes away is not.
func TestExtras(t *testing.T) {
	looked := 0
	for _, o := range objects(t, render(t, "legation", "legation", "--values", "testdata/extras.yaml")) {
		template, found, _ := unstructured.NestedMap(o.Object, "spec", "template", "spec")
		if !found {
			continue
		}
		looked++
		var pod corev1.PodSpec
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod); err != nil {
			t.Fatal(err)
		}
		main, spread := pod.Containers[0], pod.TopologySpreadConstraints[0]
		for what, is := range map[string]bool{
			"variable": main.Env[len(main.Env)-1].Name == "ZONE_OF", "mount": main.VolumeMounts[len(main.VolumeMounts)-1].MountPath == "/extra",
			"volume": pod.Volumes[0].Name == "extra", "container": pod.Containers[1].Name == "beside", "init container": pod.InitContainers[len(pod.InitContainers)-1].Name == "before",
			"spread":  len(pod.TopologySpreadConstraints) == 1 && spread.TopologyKey == "rack" && spread.LabelSelector.MatchLabels["app.kubernetes.io/instance"] == "legation",
			"classes": pod.PriorityClassName == "high" && *pod.RuntimeClassName == "gvisor" && pod.SchedulerName == "other",
			"DNS":     pod.DNSPolicy == corev1.DNSNone && pod.DNSConfig.Nameservers[0] == "192.0.2.53", "sysctl": pod.SecurityContext.Sysctls[0].Name == "net.ipv4.ip_local_port_range",
			"no numbers": pod.SecurityContext.RunAsUser == nil && pod.SecurityContext.RunAsGroup == nil && pod.SecurityContext.FSGroup == nil && *pod.SecurityContext.RunAsNonRoot,
			"capability": slices.Equal(main.SecurityContext.Capabilities.Add, []corev1.Capability{"NET_BIND_SERVICE"}) && slices.Equal(main.SecurityContext.Capabilities.Drop, []corev1.Capability{"ALL"}),
			"probes":     main.StartupProbe.FailureThreshold == 60 && main.LivenessProbe.TimeoutSeconds == 9 && main.LivenessProbe.PeriodSeconds == 10 && main.ReadinessProbe.PeriodSeconds == 1,
		} {
			if !is {
				t.Errorf("%s %s: wrong %s", o.GetKind(), o.GetName(), what)
			}
		}
	}
	if looked != 2 {
		t.Errorf("%d workloads, want 2", looked)
	}
}

// TestNames: what objects are called, and where images come from, follows from the values
// that say so, everywhere.
func TestNames(t *testing.T) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	text := render(t, "legation", "legation", "--set", "fullnameOverride=edge,nameOverride=gate,commonAnnotations.owner=me,commonLabels.cost=edge,global.imageRegistry=mirror.example:5000,image.digest="+digest)
	for _, o := range objects(t, text) {
		if name := o.GetName(); !strings.HasPrefix(name, "edge") && !strings.HasPrefix(name, "legation-edge") && o.GetKind() != "IngressClass" {
			t.Errorf("%s %s has another name", o.GetKind(), name)
		}
		if o.GetAnnotations()["owner"] != "me" || o.GetLabels()["cost"] != "edge" || o.GetLabels()["app.kubernetes.io/name"] != "gate" {
			t.Errorf("%s %s: annotations %v, labels %v", o.GetKind(), o.GetName(), o.GetAnnotations(), o.GetLabels())
		}
	}
	if bytes.Contains(text, []byte("app.kubernetes.io/name: legation\n")) {
		t.Error("something has, or selects by, the name that the values replace")
	}
	for image, want := range map[string]int{"mirror.example:5000/legation/legation:0.1.0@" + digest: 3, "mirror.example:5000/envoyproxy/envoy:distroless-v1.40.0": 1} {
		if got := bytes.Count(text, []byte("image: \""+image+"\"\n")); got != want || bytes.Count(text, []byte("image: ")) != 4 {
			t.Errorf("%d containers have image %s, want %d", got, image, want)
		}
	}
}

// TestServices: the Services of Envoys are what the values say; the second one is as the
// first in what is not its own.
func TestServices(t *testing.T) {
	text := render(t, "legation", "legation", "--set", odd["balancer"])
	got := map[string]corev1.ServiceSpec{}
	for _, o := range objects(t, text) {
		if o.GetKind() != "Service" {
			continue
		}
		var s corev1.Service
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &s); err != nil {
			t.Fatal(err)
		}
		got[s.Name] = s.Spec
	}
	first, second := got["edge-envoy-legation"], got["edge-envoy-legation-internal"]
	if *first.LoadBalancerClass != "example.com/edge" || len(first.LoadBalancerSourceRanges) != 2 || first.HealthCheckNodePort != 31000 || first.SessionAffinity != corev1.ServiceAffinityClientIP ||
		len(first.ExternalIPs) != 1 || len(first.Ports) != 1 || first.Ports[0].Port != 443 {
		t.Errorf("the Service is %+v", first)
	}
	if second.Type != corev1.ServiceTypeClusterIP || second.LoadBalancerClass != nil || len(second.LoadBalancerSourceRanges) != 0 || second.HealthCheckNodePort != 0 || len(second.ExternalIPs) != 0 ||
		second.SessionAffinity != corev1.ServiceAffinityClientIP || second.ExternalTrafficPolicy != "" || len(second.Ports) != 1 || !maps.Equal(first.Selector, second.Selector) {
		t.Errorf("the second Service is %+v", second)
	}
}

// TestUI: the page is off by default. Where it is on, it has a port, a Service and its token,
// and nobody reaches it whom the values do not name.
func TestUI(t *testing.T) {
	if text := render(t, "legation", "legation"); bytes.Contains(text, []byte("18090")) {
		t.Error("by default there is a page")
	}
	of := func(set, policy string) string {
		for _, o := range objects(t, render(t, "legation", "legation", "--set", "controlPlane.ui.enabled=true"+set)) {
			if o.GetKind()+" "+o.GetName() == policy {
				text, err := o.MarshalJSON()
				if err != nil {
					t.Fatal(err)
				}
				return string(text)
			}
		}
		t.Fatalf("there is no %s", policy)
		return ""
	}
	if text := of("", "NetworkPolicy legation"); strings.Contains(text, `"ui"`) {
		t.Errorf("anybody reaches it: %s", text)
	}
	const from = `,controlPlane.ui.from[0].namespaceSelector.matchLabels.kubernetes\.io/metadata\.name=ops`
	if text := of(from, "NetworkPolicy legation"); !strings.Contains(text, `"ui"`) || !strings.Contains(text, `"ops"`) {
		t.Errorf("nobody reaches it: %s", text)
	}
	text := of(",controlPlane.ui.tokenSecret=page,controlPlane.ui.hosts={legation.example.com}", "Deployment legation")
	for _, want := range []string{"--ui=*:18090", "--ui-token-file=/etc/legation/ui/token", "--ui-host=legation.example.com,legation-ui,", `"secretName":"page"`} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in %s", want, text)
		}
	}
	of("", "Service legation-ui")
}

// TestControllerClasses: the control plane takes the place of the controllers that the
// values name, and of none by default.
func TestControllerClasses(t *testing.T) {
	const flag = "--controller-class="
	if text := render(t, "legation", "legation"); bytes.Contains(text, []byte(flag)) {
		t.Errorf("by default there is %s", flag)
	}
	text := render(t, "legation", "legation", "--set", "controlPlane.controllerClasses={k8s.io/ingress-nginx,example.com/other}", "--set", "fleets.legation=null,fleets.nginx.createClass=false")
	if bytes.Contains(text, []byte("--take-over-status")) {
		t.Error("by default the other controller is not waited for")
	}
	if text := render(t, "legation", "legation", "--set", "controlPlane.takeOverStatus=true"); !bytes.Contains(text, []byte("- --take-over-status\n")) {
		t.Error("takeOverStatus has no effect")
	}
	if want := flag + "k8s.io/ingress-nginx,example.com/other\n"; !bytes.Contains(text, []byte(want)) {
		t.Errorf("there is no %s", want)
	}
	for _, o := range objects(t, text) {
		if o.GetKind() == "IngressClass" {
			t.Errorf("IngressClass %s is made, which the other controller has", o.GetName())
		}
	}
}

// TestNodeLeaving: the Envoys of a DaemonSet have a token to read nodes and to leave Events of
// their drains, those of a Deployment none, and the control plane tells of their drains; either
// can be said, of each.
func TestNodeLeaving(t *testing.T) {
	const off, on, auto = ",envoy.nodeLeaving.enabled=false", ",envoy.nodeLeaving.enabled=true", ",envoy.nodeLeaving.enabled=auto"
	const silent, telling = ",envoy.drainEvents=false", ",envoy.drainEvents=true"
	const daemons = "envoy.kind=DaemonSet"
	for _, c := range []struct {
		set          string
		nodes, tells bool
	}{
		{daemons, true, true}, {daemons + off, false, false}, {daemons + on, true, true},
		{daemons + silent, true, false}, {daemons + off + telling, false, true},
		{deployment, false, false}, {deployment + on, true, true}, {deployment + auto, false, false},
		{deployment + telling, false, true}, {deployment + on + silent, true, false},
	} {
		text, err := helm(t, "legation", "legation", "--set", c.set)
		if err != nil {
			t.Fatal(err)
		}
		for part, want := range map[string]bool{
			"serviceAccountToken": c.nodes || c.tells, "--api-credentials=/etc/legation/api": c.nodes || c.tells,
			"--node=$(NODE_NAME)": c.nodes, "name: legation-legation-envoy-nodes": c.nodes,
			"--event-on=legation/$(POD_NAME)/$(POD_UID)": c.tells, "name: legation-envoy-events": c.tells,
			"--tell-drains=legation/app.kubernetes.io/instance=legation,legation.dev/fleet=legation\n": !c.tells && !strings.Contains(c.set, silent),
		} {
			if got := bytes.Contains(text, []byte(part)); got != want {
				t.Errorf("%q: has %s: %v, want %v", c.set, part, got, want)
			}
		}
	}
	text, err := helm(t, "legation", "legation", "--set", "envoy.nodeLeaving.taints={a/b,c},envoy.nodeLeaving.onCordon=true")
	if err != nil || !bytes.Contains(text, []byte(`"--leaving-taints=a/b,c"`)) || !bytes.Contains(text, []byte("- --drain-on-cordon\n")) {
		t.Errorf("taints and cordon are not handed on: %v", err)
	}
}
