{{/* The name of the release's objects. */}}
{{- define "legation.name" -}}
{{- if contains "legation" .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-legation" .Release.Name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{/* The name of its objects without a namespace: two releases must not meet. */}}
{{- define "legation.clusterName" -}}
{{ printf "%s-%s" .Release.Namespace (include "legation.name" .) }}
{{- end -}}

{{- define "legation.labels" -}}
app.kubernetes.io/name: legation
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What selects the pods of the control plane. */}}
{{- define "legation.selector" -}}
app.kubernetes.io/name: legation
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: control-plane
{{- end -}}

{{/* What selects the Envoys of a fleet: (dict "root" $ "class" NAME). */}}
{{- define "legation.envoySelector" -}}
app.kubernetes.io/name: legation
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: envoy
legation.dev/fleet: {{ .class }}
{{- end -}}

{{- define "legation.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end -}}

{{/* The Secret of the control plane, and that of a fleet. */}}
{{- define "legation.tlsSecret" -}}
{{ .Values.tls.secretName | default (printf "%s-xds" (include "legation.name" .)) }}
{{- end -}}
{{- define "legation.fleetSecret" -}}
{{ printf "%s-xds-envoy-%s" (include "legation.name" .root) .class }}
{{- end -}}

{{/* The Secret that the keys of session tickets are made of. The chart only names it: a
     random value of its own would be another one whenever manifests are rendered without
     a cluster (Argo CD, Flux's post-renderers, helm template), and a Job or the control
     plane would need the right to write Secrets. So it comes with those of the wire. */}}
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

{{/* What no container of ours needs. */}}
{{- define "legation.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
{{- end -}}
{{- define "legation.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* "true" if a fleet, VALUES, follows its nodes; else empty. */}}
{{- define "legation.followsNode" -}}
{{- if or (eq (toString .nodeLeaving.enabled) "true") (and (eq (toString .nodeLeaving.enabled) "auto") (eq .kind "DaemonSet")) }}true{{ end -}}
{{- end -}}
