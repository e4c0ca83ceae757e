{{/* What fits nothing is refused with the field and the reason, where values.schema.json
     cannot say them. (Of names that are wrong, helm does not say where they are.) */}}

{{/* A fleet: (dict "root" $ "class" NAME "fleet" VALUES). */}}
{{- define "legation.checkFleet" -}}
{{- if or (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" .class)) (gt (len .class) 40) -}}
  {{- fail (printf "fleets.%s: the name of a fleet is part of the names of its objects: at most 40 lower-case letters, digits and hyphens" .class) -}}
{{- end -}}
{{- $of := printf "of fleet %s" .class -}}
{{- $service := printf "%s-envoy-%s%s" (include "legation.name" .root) .class (ternary "-internal" "" .fleet.service.internal.enabled) -}}
{{- with .fleet -}}
{{- range $name := list "http-port" "https-port" "drain-upgrades" -}}
  {{- if hasKey $.fleet.settings $name -}}
    {{- fail (printf "envoy.settings.%s %s: it follows from envoy.%s" $name $of (ternary "upgrades" "hostPorts and envoy.service" (eq $name "drain-upgrades"))) -}}
  {{- end -}}
{{- end -}}
{{- include "legation.checkLabels" (dict "field" "envoy.podLabels" "of" (print " " $of) "labels" .podLabels) -}}
{{- if and .service.internal.enabled (not .service.enabled) -}}
  {{- fail (printf "envoy.service.internal.enabled=true %s: it is a second Service, and envoy.service.enabled is false: set that, too; a single one for clients inside is made so by its annotations" $of) -}}
{{- end -}}
{{- if and .hostNetwork (eq .kind "Deployment") -}}
  {{- fail (printf "envoy.hostNetwork=true %s: envoy.kind is Deployment, whose Envoys may meet on a node and cannot share its ports: set envoy.kind to DaemonSet" $of) -}}
{{- end -}}
{{- if eq .kind "Deployment" -}}
  {{- range $name, $port := .hostPorts -}}
    {{- if $port -}}
      {{- fail (printf "envoy.hostPorts.%s=%v %s: envoy.kind is Deployment, whose Envoys may meet on a node and cannot share its ports: set envoy.hostPorts to {http: 0, https: 0} and let clients in by envoy.service" $name $port $of) -}}
    {{- end -}}
  {{- end -}}
{{- else if .autoscaling.enabled -}}
  {{- fail (printf "envoy.autoscaling.enabled=true %s: envoy.kind is DaemonSet, which has an Envoy on every node and no other number: set envoy.kind to Deployment" $of) -}}
{{- end -}}
{{- if gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas) -}}
  {{- fail (printf "envoy.autoscaling.minReplicas=%v %s: must not be above envoy.autoscaling.maxReplicas=%v" .autoscaling.minReplicas $of .autoscaling.maxReplicas) -}}
{{- end -}}
{{- if lt (int .terminationGracePeriodSeconds) 5 -}}
  {{- fail (printf "envoy.terminationGracePeriodSeconds=%v %s: must be at least 5: Envoy must be able to accept until balancers have noticed, finish what is under way, and end before kubelet kills it" .terminationGracePeriodSeconds $of) -}}
{{- end -}}
{{- if and .service.enabled (gt (len $service) 63) -}}
  {{- fail (printf "envoy.service.enabled=true %s: the name of the Service, %s, would have more than 63 characters: choose a shorter name of the release or of the fleet" $of $service) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels by which objects are found: (dict "field" NAME "of" WHERE "labels" LABELS). */}}
{{- define "legation.checkLabels" -}}
{{- range $name, $_ := .labels -}}
  {{- if regexMatch "^(app\\.kubernetes\\.io/(name|instance|component|version|managed-by)|helm\\.sh/chart|legation\\.dev/fleet)$" $name -}}
    {{- fail (printf "%s.%s%s: the chart says what this label is" $.field $name $.of) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* What is not of one fleet. One class at most is the default of the cluster. */}}
{{- define "legation.check" -}}
{{- include "legation.checkLabels" (dict "field" "commonLabels" "of" "" "labels" .Values.commonLabels) -}}
{{- include "legation.checkLabels" (dict "field" "controlPlane.podLabels" "of" "" "labels" .Values.controlPlane.podLabels) -}}
{{- with .Values.controlPlane.state.persistence -}}
  {{- if and .enabled (not .existingClaim) (gt (int $.Values.controlPlane.replicas) 1) (not (has "ReadWriteMany" .accessModes)) -}}
    {{- fail (printf "controlPlane.state.persistence.accessModes=%v: %v replicas share the volume, also on different nodes: set ReadWriteMany, or one replica" .accessModes (int $.Values.controlPlane.replicas)) -}}
  {{- end -}}
{{- end -}}
{{- $defaults := list -}}
{{- range $class := splitList "," (include "legation.classes" .) -}}
  {{- if (include "legation.fleet" (dict "root" $ "class" $class) | fromJson).default -}}{{- $defaults = append $defaults $class -}}{{- end -}}
{{- end -}}
{{- if gt (len $defaults) 1 -}}
  {{- fail (printf "fleets.%s.default=true and fleets.%s.default=true: only one class can have the Ingresses without a class" (index $defaults 0) (index $defaults 1)) -}}
{{- end -}}
{{- end -}}
