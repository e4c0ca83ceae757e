{{/* The name of the release's objects. */}}
{{- define "legation.name" -}}
{{- $chart := include "legation.chartName" . -}}
{{- if .Values.fullnameOverride -}}{{ .Values.fullnameOverride }}
{{- else if contains $chart .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name $chart | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{/* What the chart is called in names and in the label app.kubernetes.io/name. */}}
{{- define "legation.chartName" -}}
{{ .Values.nameOverride | default "legation" }}
{{- end -}}

{{/* The name of its objects without a namespace: two releases must not meet. */}}
{{- define "legation.clusterName" -}}
{{ printf "%s-%s" .Release.Namespace (include "legation.name" .) }}
{{- end -}}

{{- define "legation.labels" -}}
app.kubernetes.io/name: {{ include "legation.chartName" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Annotations of an object, before its labels: those of all, and its `own` (dict "Values" $.Values
     "own" ANNOTATIONS), which stand before them. */}}
{{- define "legation.annotations" -}}
{{- with mustMergeOverwrite (deepCopy .Values.commonAnnotations) (deepCopy (.own | default dict)) }}
  annotations: {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}

{{/* What selects the pods of the control plane. */}}
{{- define "legation.selector" -}}
app.kubernetes.io/name: {{ include "legation.chartName" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: control-plane
{{- end -}}

{{/* What selects the Envoys of a fleet: (dict "root" $ "class" NAME). */}}
{{- define "legation.envoySelector" -}}
app.kubernetes.io/name: {{ include "legation.chartName" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: envoy
legation.dev/fleet: {{ .class }}
{{- end -}}

{{- define "legation.image" -}}
{{ include "legation.imageOf" (dict "root" . "image" .Values.image) }}
{{- end -}}

{{/* An image: (dict "root" $ "image" VALUES). A registry for all takes the place of the one in the
     repository: what is before the first slash and has a dot or a colon. A digest decides,
     and the tag beside it is for people. */}}
{{- define "legation.imageOf" -}}
{{- $repository := .image.repository -}}
{{- with .root.Values.global.imageRegistry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^(localhost|[^/]*[.:][^/]*)/" $repository "") -}}
{{- end -}}
{{ $repository }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ with .image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{/* The accounts of the control plane, and of the Envoys. */}}
{{- define "legation.account" -}}
{{ .Values.serviceAccount.controlPlane.name | default (include "legation.name" .) }}
{{- end -}}
{{- define "legation.envoyAccount" -}}
{{ .Values.serviceAccount.envoy.name | default (printf "%s-envoy" (include "legation.name" .)) }}
{{- end -}}

{{/* The Secret of the control plane, and that of a fleet. */}}
{{- define "legation.tlsSecret" -}}
{{ .Values.tls.secretName | default (printf "%s-xds" (include "legation.name" .)) }}
{{- end -}}
{{/* Whether the control plane keeps these Secrets itself: "true", or nothing. */}}
{{- define "legation.keeps" -}}
{{- with .Values.tls -}}{{- if and .renew (not .secretName) (not .certManager.enabled) -}}true{{- end -}}{{- end -}}
{{- end -}}
{{- define "legation.fleetSecret" -}}
{{ printf "%s-xds-envoy-%s" (include "legation.name" .root) .class }}
{{- end -}}

{{/* The Secret that the keys of session tickets are made of. The chart only names it: a
     random value of its own would be another one whenever manifests are rendered without
     a cluster (Argo CD, Flux's post-renderers, helm template). So it comes with those of
     the wire. */}}
{{- define "legation.ticketSecret" -}}
{{ printf "%s-session-tickets" (include "legation.name" .) }}
{{- end -}}

{{/* The headless Service of the replicas. */}}
{{- define "legation.xdsHost" -}}
{{ printf "%s-xds.%s.svc" (include "legation.name" .) .Release.Namespace }}
{{- end -}}

{{/* The classes, in order. */}}
{{- define "legation.classes" -}}
{{- $names := list -}}
{{- range $class, $own := .Values.fleets -}}{{- if not (kindIs "invalid" $own) -}}{{- $names = append $names $class -}}{{- end -}}{{- end -}}
{{- join "," (sortAlpha $names) -}}
{{- end -}}

{{/* The values of a fleet, as JSON: (dict "root" $ "class" NAME). */}}
{{- define "legation.fleet" -}}
{{- mustMergeOverwrite (deepCopy .root.Values.envoy) (deepCopy (index .root.Values.fleets .class)) | toJson -}}
{{- end -}}

{{/* Which addresses the Ingresses of a fleet get: service, nodes, none or addresses. */}}
{{- define "legation.publish" -}}
{{- $fleet := include "legation.fleet" . | fromJson -}}
{{- if kindIs "slice" $fleet.publish -}}addresses
{{- else if ne $fleet.publish "auto" -}}{{ $fleet.publish }}
{{- else if $fleet.service.enabled -}}service
{{- else if eq $fleet.kind "DaemonSet" -}}nodes
{{- else -}}none
{{- end -}}
{{- end -}}

{{/* Annotations of the pods of a fleet. A cluster-autoscaler drains pods of a DaemonSet only
     if they ask for it, and keeps nodes with pods that have volumes there unless they do
     not mind. */}}
{{- define "legation.envoyAnnotations" -}}
{{- $ours := dict "kubectl.kubernetes.io/default-container" "envoy" -}}
{{- if eq .kind "DaemonSet" -}}
{{- $_ := set $ours "cluster-autoscaler.kubernetes.io/enable-ds-eviction" "true" -}}
{{- else -}}
{{- $_ := set $ours "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes" "programs,config,run" -}}
{{- end -}}
{{- mustMergeOverwrite $ours (deepCopy .podAnnotations) | toYaml -}}
{{- end -}}

{{/* How many Envoys a Deployment is to have: (dict "name" NAME "namespace" NAMESPACE "fleet" VALUES).
     With an autoscaler it is as many as there are now, if there are any: a Deployment that
     loses this field is given one pod. */}}
{{- define "legation.envoyReplicas" -}}
{{- $number := .fleet.replicas -}}
{{- if .fleet.autoscaling.enabled -}}
{{- $number = dig "spec" "replicas" nil (lookup "apps/v1" "Deployment" .namespace .name | default dict) -}}
{{- end -}}
{{- if not (kindIs "invalid" $number) -}}{{ int $number }}{{- end -}}
{{- end -}}

{{/* How old Envoys of a fleet are replaced by new ones. */}}
{{- define "legation.envoyStrategy" -}}
{{- if .updateStrategy -}}{{ toYaml .updateStrategy }}
{{- else if eq .kind "DaemonSet" -}}
type: RollingUpdate
# Ports of a node are taken until the old Envoy is gone.
rollingUpdate: {maxUnavailable: {{ .maxUnavailable }}, maxSurge: 0}
{{- else -}}
type: RollingUpdate
# An old Envoy begins its drain when a new one is ready.
rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
{{- end -}}
{{- end -}}

{{/* The security context of a pod, or a container, without what the values take away by null:
     (dict "context" VALUES). */}}
{{- define "legation.security" -}}
{{- $context := dict -}}
{{- range $name, $value := .context -}}{{- if not (kindIs "invalid" $value) -}}{{- $_ := set $context $name $value -}}{{- end -}}{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{/* What the pods of the control plane and of Envoys have in common:
     (dict "root" $ "of" VALUES "selector" LABELS). */}}
{{- define "legation.pod" -}}
enableServiceLinks: false
{{- $security := deepCopy .of.podSecurityContext -}}
{{- with .of.sysctls }}{{- $_ := set $security "sysctls" . -}}{{- end }}
securityContext: {{- include "legation.security" (dict "context" $security) | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or .of.priorityClassName .root.Values.priorityClass.create }}
priorityClassName: {{ .of.priorityClassName | default (include "legation.clusterName" .root) }}
{{- end }}
{{- with .of.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .of.schedulerName }}
schedulerName: {{ . }}
{{- end }}
{{- if .of.hostNetwork }}
hostNetwork: true
{{- end }}
{{- if or .of.dnsPolicy .of.hostNetwork }}
# In the network of the node the names of the cluster are found only by a policy that says so.
dnsPolicy: {{ .of.dnsPolicy | default "ClusterFirstWithHostNet" }}
{{- end }}
{{- with .of.dnsConfig }}
dnsConfig: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Constraints of the values, each with our selector unless it has its own:
     (dict "constraints" LIST "selector" LABELS). */}}
{{- define "legation.spread" -}}
{{- $all := list -}}
{{- range .constraints -}}
{{- $all = append $all (mustMergeOverwrite (dict "labelSelector" (dict "matchLabels" (fromYaml $.selector))) (deepCopy .)) -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* Probes of a container: (dict "of" VALUES "port" NAME "live" PATH "ready" PATH). One that is
     for the start is the same question as whether it lives. */}}
{{- define "legation.probes" -}}
{{- with .of.startupProbe -}}
startupProbe:
  httpGet: {path: {{ $.live }}, port: {{ $.port }}}
  {{- toYaml . | nindent 2 }}
{{ end -}}
livenessProbe:
  httpGet: {path: {{ .live }}, port: {{ .port }}}
  {{- toYaml .of.livenessProbe | nindent 2 }}
readinessProbe:
  httpGet: {path: {{ .ready }}, port: {{ .port }}}
  {{- toYaml .of.readinessProbe | nindent 2 }}
{{- end -}}

{{/* A Service of the Envoys of a fleet: (dict "root" $ "class" NAME "name" NAME "service" VALUES). */}}
{{- define "legation.envoyService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  {{- include "legation.annotations" (dict "Values" .root.Values "own" .service.annotations) }}
  labels: {{- include "legation.labels" .root | nindent 4 }}
    {{- with .service.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  type: {{ .service.type }}
  {{- if or (ne .service.type "ClusterIP") .service.externalIPs }}
  externalTrafficPolicy: {{ .service.externalTrafficPolicy }}
  {{- end }}
  {{- /* What does not fit the type is refused by the API server, and so not forgotten in silence. */}}
  {{- range $field := list "loadBalancerClass" "loadBalancerSourceRanges" "externalIPs" "ipFamilyPolicy" "ipFamilies" "healthCheckNodePort" "sessionAffinity" }}
  {{- with index $.service $field }}
  {{ $field }}: {{ toJson . }}
  {{- end }}
  {{- end }}
  {{- if not .service.allocateLoadBalancerNodePorts }}
  allocateLoadBalancerNodePorts: false
  {{- end }}
  selector: {{- include "legation.envoySelector" . | nindent 4 }}
  ports:
  {{- range $name := list "http" "https" }}
  {{- with index $.service.ports $name }}
  - {name: {{ $name }}, port: {{ int . }}, targetPort: {{ $name }}{{ with index ($.service.nodePorts | default dict) $name }}, nodePort: {{ int . }}{{ end }}}
  {{- end }}
  {{- end }}
{{- end -}}

{{/* Where the listeners of a fleet are, in the network of the pod; in that of the node they are the
     ports of the node. The context is the values of the fleet. */}}
{{- define "legation.httpPort" -}}
{{- if and .hostNetwork .hostPorts.http -}}{{ int .hostPorts.http }}{{- else -}}8080{{- end -}}
{{- end -}}
{{- define "legation.httpsPort" -}}
{{- if and .hostNetwork .hostPorts.https -}}{{ int .hostPorts.https }}{{- else -}}8443{{- end -}}
{{- end -}}

{{/* "true" if a fleet, VALUES, follows its nodes; else empty. */}}
{{- define "legation.followsNode" -}}
{{- if or (eq (toString .nodeLeaving.enabled) "true") (and (eq (toString .nodeLeaving.enabled) "auto") (eq .kind "DaemonSet")) }}true{{ end -}}
{{- end -}}

{{/* "true" if the drains of a fleet, VALUES, leave Events; else empty. */}}
{{- define "legation.drainEvents" -}}
{{- if or (eq (toString .drainEvents) "true") (and (eq (toString .drainEvents) "auto") (include "legation.followsNode" .)) }}true{{ end -}}
{{- end -}}

{{/* Whether the control plane tells of the drains of a fleet: where nobody forbids it, and the
     pods have no token to do so. */}}
{{- define "legation.drainsTold" -}}
{{- if and (eq (toString .drainEvents) "auto") (not (include "legation.drainEvents" .)) }}true{{ end -}}
{{- end -}}

{{/* "true" if the Envoys of a fleet, VALUES, have a token for the API server; else empty. */}}
{{- define "legation.envoyToken" -}}
{{- if or (include "legation.followsNode" .) (include "legation.drainEvents" .) }}true{{ end -}}
{{- end -}}
