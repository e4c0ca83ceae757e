//go:build real

package kube

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// environment are the variables of the container, and its command, in which $(NAME) is
// replaced as Kubernetes does.
func (m *member) environment(image *ImageConfig) (env, args []string) {
	env = append([]string{"PATH=" + programsPath}, image.Env...)
	env = append(env, "HOSTNAME="+m.sandbox.pod.Name, "KUBERNETES_SERVICE_HOST="+advertised, "KUBERNETES_SERVICE_PORT="+apiServerPort)
	known := map[string]string{}
	for _, e := range m.spec.Env {
		value := m.value(e, known)
		known[e.Name] = value
		env = append(env, e.Name+"="+value)
	}
	for _, a := range m.line(image) {
		args = append(args, expand(a, known))
	}
	return env, args
}

// line is the command of the container. What the pod says stands in the place of what
// the image says, and a command of the pod goes without arguments of the image.
func (m *member) line(image *ImageConfig) []string {
	command, args := m.spec.Command, m.spec.Args
	if len(command) == 0 {
		command = image.Entrypoint
		if len(args) == 0 {
			args = image.Cmd
		}
	}
	return append(append([]string{}, command...), args...)
}

// expand replaces $(NAME) of known variables; $$ is a $.
func expand(text string, known map[string]string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		text = rest
		if strings.HasPrefix(rest, "$") {
			text = rest[1:]
		} else if name, after, closed := strings.Cut(rest, ")"); closed && strings.HasPrefix(name, "(") {
			if value, ok := known[name[1:]]; ok {
				b.WriteString(value)
				text = after
				continue
			}
		}
		b.WriteByte('$')
	}
}

// value is that of a variable.
func (m *member) value(e corev1.EnvVar, known map[string]string) string {
	switch from := e.ValueFrom; {
	case from == nil:
		return expand(e.Value, known)
	case from.FieldRef != nil:
		return m.sandbox.field(from.FieldRef.FieldPath)
	case from.ResourceFieldRef != nil:
		return m.resource(from.ResourceFieldRef)
	}
	return ""
}

// field is a field of the pod, empty if there is none such.
func (s *sandbox) field(path string) string {
	if of, key, ok := strings.Cut(strings.TrimSuffix(path, "']"), "['"); ok {
		return map[string]map[string]string{"metadata.labels": s.pod.Labels, "metadata.annotations": s.pod.Annotations}[of][key]
	}
	return map[string]string{"metadata.name": s.pod.Name, "metadata.namespace": s.pod.Namespace, "metadata.uid": string(s.pod.UID),
		"spec.nodeName": s.pod.Spec.NodeName, "spec.serviceAccountName": s.pod.Spec.ServiceAccountName,
		"status.podIP": s.address, "status.hostIP": s.kubelet.nodeAddress(s.pod.Spec.NodeName)}[path]
}

// resource is a request or limit of a container of the pod, in units of the divisor,
// rounded up. Without a limit it is what the node has.
func (m *member) resource(f *corev1.ResourceFieldSelector) string {
	of := m.spec
	for _, c := range m.sandbox.pod.Spec.Containers {
		if c.Name == f.ContainerName {
			of = c
		}
	}
	kind, name, _ := strings.Cut(f.Resource, ".")
	list := of.Resources.Requests
	if kind == "limits" {
		list = of.Resources.Limits
	}
	q, ok := list[corev1.ResourceName(name)]
	if !ok && kind == "limits" {
		q = nodeStatus(0).Allocatable[corev1.ResourceName(name)]
	}
	value, unit := q.Value(), max(1, f.Divisor.Value())
	if corev1.ResourceName(name) == corev1.ResourceCPU && !f.Divisor.IsZero() {
		value, unit = q.MilliValue(), f.Divisor.MilliValue()
	}
	return strconv.FormatInt((value+unit-1)/unit, 10)
}
