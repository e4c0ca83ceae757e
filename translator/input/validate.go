package input

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate says what of an object the API server would refuse, as far as
// translation reads it. It serves sources without an API server. One
// rule is left out: loopback addresses in an EndpointSlice are allowed, because
// a folder may describe servers on the same machine.
func Validate(o runtime.Object) (errs field.ErrorList) {
	switch o := o.(type) {
	case *networkingv1.Ingress:
		errs = append(validateMeta(o.ObjectMeta, validation.IsDNS1123Subdomain), validateIngress(&o.Spec, field.NewPath("spec"))...)
	case *networkingv1.IngressClass:
		errs = append(validateMeta(o.ObjectMeta, validation.IsDNS1123Subdomain), validateClass(&o.Spec, field.NewPath("spec"))...)
	case *corev1.Service:
		errs = append(validateMeta(o.ObjectMeta, validation.IsDNS1123Label), validateService(&o.Spec, field.NewPath("spec"))...)
	case *discoveryv1.EndpointSlice:
		errs = append(validateMeta(o.ObjectMeta, validation.IsDNS1123Subdomain), validateSlice(o)...)
	case *corev1.Secret:
		errs = append(validateMeta(o.ObjectMeta, validation.IsDNS1123Subdomain), validateSecret(o)...)
	case *corev1.ConfigMap:
		errs = validateMeta(o.ObjectMeta, validation.IsDNS1123Subdomain)
	}
	return errs
}

// invalid is what Validate says.
func invalid(o runtime.Object) (list []complaint) {
	for _, e := range Validate(o) {
		c := complaint{invalid: true, field: e.Field, text: strings.ToLower(e.Type.String())}
		if e.Detail != "" {
			c.text += ": " + e.Detail
		}
		if e.BadValue != nil && e.Type != field.ErrorTypeRequired {
			c.value = fmt.Sprint(e.BadValue)
		}
		list = append(list, c)
	}
	return list
}

// check makes an error of each complaint about value.
func check(path *field.Path, value string, complaints []string) (errs field.ErrorList) {
	for _, c := range complaints {
		errs = append(errs, field.Invalid(path, value, c))
	}
	return errs
}

func validateMeta(m metav1.ObjectMeta, name func(string) []string) field.ErrorList {
	path := field.NewPath("metadata")
	errs := check(path.Child("name"), m.Name, name(m.Name))
	if m.Namespace != "" {
		errs = append(errs, check(path.Child("namespace"), m.Namespace, validation.IsDNS1123Label(m.Namespace))...)
	}
	return errs
}

func validateIngress(s *networkingv1.IngressSpec, path *field.Path) (errs field.ErrorList) {
	if s.DefaultBackend == nil && len(s.Rules) == 0 {
		errs = append(errs, field.Required(path, "either defaultBackend or rules must be given"))
	}
	if s.DefaultBackend != nil {
		errs = append(errs, validateBackend(s.DefaultBackend, path.Child("defaultBackend"))...)
	}
	for i, r := range s.Rules {
		errs = append(errs, validateRule(&r, path.Child("rules").Index(i))...)
	}
	for i, t := range s.TLS {
		at := path.Child("tls").Index(i)
		for j, h := range t.Hosts {
			errs = append(errs, validateHost(h, at.Child("hosts").Index(j))...)
		}
		if t.SecretName != "" {
			errs = append(errs, check(at.Child("secretName"), t.SecretName, validation.IsDNS1123Subdomain(t.SecretName))...)
		}
	}
	return errs
}

func validateHost(host string, path *field.Path) field.ErrorList {
	return check(path, host, BadHost(host))
}

// BadHost says what is wrong with a host of a rule or of a TLS section, by the rules
// of the API server; empty if nothing is.
func BadHost(host string) (complaints []string) {
	if _, err := netip.ParseAddr(host); err == nil {
		return []string{"must be a DNS name, not an IP address"}
	}
	if strings.Contains(host, "*") {
		return validation.IsWildcardDNS1123Subdomain(host)
	}
	return validation.IsDNS1123Subdomain(host)
}

func validateRule(r *networkingv1.IngressRule, path *field.Path) (errs field.ErrorList) {
	if r.Host != "" {
		errs = validateHost(r.Host, path.Child("host"))
	}
	if r.HTTP == nil {
		return errs
	}
	at := path.Child("http", "paths")
	if len(r.HTTP.Paths) == 0 {
		errs = append(errs, field.Required(at, ""))
	}
	for i, p := range r.HTTP.Paths {
		errs = append(errs, validatePath(&p, at.Index(i))...)
		errs = append(errs, validateBackend(&p.Backend, at.Index(i).Child("backend"))...)
	}
	return errs
}

// badInPath are the parts that Exact and Prefix paths may not have: they would
// never match a normalised path. badAtEnd are those that may not end one.
var (
	badInPath = []string{"//", "/./", "/../", "%2f", "%2F"}
	badAtEnd  = []string{"/..", "/."}
)

// BadInPath says what is wrong with an Exact or Prefix path that begins with /, by
// the rules of the API server; empty if nothing is.
func BadInPath(path string) (complaints []string) {
	for _, bad := range badInPath {
		if strings.Contains(path, bad) {
			complaints = append(complaints, fmt.Sprintf("must not contain %q", bad))
		}
	}
	for _, bad := range badAtEnd {
		if strings.HasSuffix(path, bad) {
			complaints = append(complaints, fmt.Sprintf("must not end with %q", bad))
		}
	}
	return complaints
}

func validatePath(p *networkingv1.HTTPIngressPath, path *field.Path) (errs field.ErrorList) {
	at := path.Child("path")
	if p.PathType == nil {
		return field.ErrorList{field.Required(path.Child("pathType"), "Exact, Prefix or ImplementationSpecific")}
	}
	switch *p.PathType {
	case networkingv1.PathTypeExact, networkingv1.PathTypePrefix:
		if !strings.HasPrefix(p.Path, "/") {
			return field.ErrorList{field.Invalid(at, p.Path, "must be an absolute path")}
		}
		errs = append(errs, check(at, p.Path, BadInPath(p.Path))...)
	case networkingv1.PathTypeImplementationSpecific:
		if p.Path != "" && !strings.HasPrefix(p.Path, "/") {
			errs = append(errs, field.Invalid(at, p.Path, "must be an absolute path"))
		}
	default:
		errs = append(errs, field.NotSupported(path.Child("pathType"), *p.PathType, []networkingv1.PathType{
			networkingv1.PathTypeExact, networkingv1.PathTypePrefix, networkingv1.PathTypeImplementationSpecific}))
	}
	return errs
}

func validateBackend(b *networkingv1.IngressBackend, path *field.Path) field.ErrorList {
	switch {
	case b.Service != nil && b.Resource != nil:
		return field.ErrorList{field.Forbidden(path, "either service or resource, not both")}
	case b.Resource != nil:
		return nil
	case b.Service == nil:
		return field.ErrorList{field.Required(path, "a service with name and port")}
	}
	at := path.Child("service")
	errs := check(at.Child("name"), b.Service.Name, validation.IsDNS1123Label(b.Service.Name))
	port, at := b.Service.Port, at.Child("port")
	switch {
	case port.Name != "" && port.Number != 0:
		errs = append(errs, field.Forbidden(at, "either name or number, not both"))
	case port.Name != "":
		errs = append(errs, check(at.Child("name"), port.Name, validation.IsValidPortName(port.Name))...)
	default:
		errs = append(errs, check(at.Child("number"), fmt.Sprint(port.Number), validation.IsValidPortNum(int(port.Number)))...)
	}
	return errs
}

func validateClass(s *networkingv1.IngressClassSpec, path *field.Path) (errs field.ErrorList) {
	at := path.Child("controller")
	if s.Controller == "" {
		errs = append(errs, field.Required(at, ""))
	} else {
		errs = append(errs, validation.IsDomainPrefixedPath(at, s.Controller)...)
	}
	p, at := s.Parameters, path.Child("parameters")
	if p == nil {
		return errs
	}
	if p.Kind == "" {
		errs = append(errs, field.Required(at.Child("kind"), ""))
	}
	if p.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), ""))
	}
	if namespaced := p.Scope != nil && *p.Scope == networkingv1.IngressClassParametersReferenceScopeNamespace; namespaced != (p.Namespace != nil) {
		errs = append(errs, field.Invalid(at.Child("namespace"), valueOr(p.Namespace, ""), "must be given if and only if scope is Namespace"))
	}
	return errs
}

func validateService(s *corev1.ServiceSpec, path *field.Path) (errs field.ErrorList) {
	if s.Type == corev1.ServiceTypeExternalName {
		at, name := path.Child("externalName"), strings.TrimSuffix(s.ExternalName, ".")
		if name == "" {
			return field.ErrorList{field.Required(at, "")}
		}
		errs = check(at, s.ExternalName, validation.IsDNS1123Subdomain(name))
	} else if len(s.Ports) == 0 && s.ClusterIP != corev1.ClusterIPNone {
		errs = append(errs, field.Required(path.Child("ports"), ""))
	}
	errs = append(errs, validateFamilies(s, path)...)
	names := map[string]bool{}
	for i, p := range s.Ports {
		at := path.Child("ports").Index(i)
		errs = append(errs, validateServicePort(&p, at, len(s.Ports) > 1)...)
		if names[p.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), p.Name))
		}
		names[p.Name] = true
	}
	return errs
}

// validateFamilies wants a policy for two families. Without one a Service has a single family,
// but for one that has neither an address nor a selector.
func validateFamilies(s *corev1.ServiceSpec, path *field.Path) (errs field.ErrorList) {
	known := []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}
	for i, f := range s.IPFamilies {
		if !slices.Contains(known, f) {
			errs = append(errs, field.NotSupported(path.Child("ipFamilies").Index(i), f, known))
		}
	}
	alone := s.IPFamilyPolicy == nil && (s.ClusterIP != corev1.ClusterIPNone || len(s.Selector) > 0)
	single := alone || valueOr(s.IPFamilyPolicy, "") == corev1.IPFamilyPolicySingleStack
	if s.Type != corev1.ServiceTypeExternalName && single && len(s.IPFamilies) == 2 {
		errs = append(errs, field.Invalid(path.Child("ipFamilyPolicy"), valueOr(s.IPFamilyPolicy, ""), "must be RequireDualStack or PreferDualStack with two ipFamilies"))
	}
	return errs
}

func validateServicePort(p *corev1.ServicePort, path *field.Path, several bool) (errs field.ErrorList) {
	switch {
	case p.Name != "":
		errs = check(path.Child("name"), p.Name, validation.IsDNS1123Label(p.Name))
	case several:
		errs = append(errs, field.Required(path.Child("name"), "a Service with several ports must name each"))
	}
	errs = append(errs, check(path.Child("port"), fmt.Sprint(p.Port), validation.IsValidPortNum(int(p.Port)))...)
	switch t := p.TargetPort; {
	case t.StrVal != "":
		errs = append(errs, check(path.Child("targetPort"), t.StrVal, validation.IsValidPortName(t.StrVal))...)
	case t.IntVal != 0: // else it is the port
		errs = append(errs, check(path.Child("targetPort"), t.String(), validation.IsValidPortNum(int(t.IntVal)))...)
	}
	protocols := []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}
	if p.Protocol != "" && !slices.Contains(protocols, p.Protocol) {
		errs = append(errs, field.NotSupported(path.Child("protocol"), p.Protocol, protocols))
	}
	return errs
}

func validateSlice(o *discoveryv1.EndpointSlice) (errs field.ErrorList) {
	kinds := []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6, discoveryv1.AddressTypeFQDN}
	if !slices.Contains(kinds, o.AddressType) {
		return field.ErrorList{field.NotSupported(field.NewPath("addressType"), o.AddressType, kinds)}
	}
	for i, e := range o.Endpoints {
		at := field.NewPath("endpoints").Index(i).Child("addresses")
		if len(e.Addresses) == 0 {
			errs = append(errs, field.Required(at, ""))
		}
		for j, a := range e.Addresses {
			errs = append(errs, validateAddress(o.AddressType, a, at.Index(j))...)
		}
	}
	for i, p := range o.Ports {
		if p.Port != nil {
			errs = append(errs, check(field.NewPath("ports").Index(i).Child("port"), fmt.Sprint(*p.Port), validation.IsValidPortNum(int(*p.Port)))...)
		}
	}
	return errs
}

func validateAddress(kind discoveryv1.AddressType, address string, path *field.Path) field.ErrorList {
	if kind == discoveryv1.AddressTypeFQDN {
		return validation.IsFullyQualifiedDomainName(path, address)
	}
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" || a.Is4() != (kind == discoveryv1.AddressTypeIPv4) {
		return field.ErrorList{field.Invalid(path, address, "must be an "+string(kind)+" address")}
	}
	return nil
}

// validateSecret never repeats data.
func validateSecret(o *corev1.Secret) (errs field.ErrorList) {
	if o.Type != corev1.SecretTypeTLS {
		return nil
	}
	secret := FromSecret(o)
	for key, value := range map[string][]byte{corev1.TLSCertKey: secret.Certificate, corev1.TLSPrivateKeyKey: secret.Key} {
		if len(value) == 0 {
			errs = append(errs, field.Required(field.NewPath("data").Key(key), "a Secret of type "+string(corev1.SecretTypeTLS)+" has both tls.crt and tls.key"))
		}
	}
	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Field, b.Field) })
	return errs
}
