package finding

import (
	"fmt"

	"legation.dev/object"
)

// Code names a kind of Problem, as the reason of an Event does: in CamelCase. A
// code that was released keeps its meaning.
type Code string

// Severity is how bad a Problem is.
type Severity string

// The severities.
const (
	// Error: something is not served as its owner wrote it.
	Error Severity = "error"
	// Warning: it is served, but not for long, or not as its owner may think.
	Warning Severity = "warning"
	// Info: nothing is wrong; somebody may want to know.
	Info Severity = "info"
)

// Row is what all Problems of one code have in common.
type Row struct {
	Code     Code
	Severity Severity
	// Text is the message, in the form of package fmt.
	Text string
	// Page explains it: a file of docs with the anchor of a heading.
	Page string
	// Do is what mends it, in a sentence.
	Do string
}

// The codes.
const (
	// Of reading objects.
	Invalid          Code = "Invalid"
	Duplicate        Code = "Duplicate"
	FileNotRead      Code = "FileNotRead"
	NamespaceNotRead Code = "NamespaceNotRead"
	SettingsKept     Code = "SettingsKept"
	NotReadable      Code = "NotReadable"
	KindNotRead      Code = "KindNotRead"

	// Of classes.
	ClassFrozen       Code = "ClassFrozen"
	NoDefaultClass    Code = "NoDefaultClass"
	NoClass           Code = "NoClass"
	SettingsKind      Code = "SettingsKind"
	NoSettings        Code = "NoSettings"
	SlashesKept       Code = "SlashesKept"
	BadDefaultBackend Code = "BadDefaultBackend"
	DefaultTaken      Code = "DefaultTaken"

	// Of settings and annotations.
	SettingIgnored    Code = "SettingIgnored"
	ShareCapped       Code = "ShareCapped"
	NotHonored        Code = "NotHonored"
	UnknownAnnotation Code = "UnknownAnnotation"
	RestrictsNobody   Code = "RestrictsNobody"
	PathsClosed       Code = "PathsClosed"
	Unprotected       Code = "Unprotected"
	CanaryWithheld    Code = "CanaryWithheld"

	// Of hosts and paths.
	BadHost           Code = "BadHost"
	BadTLSHost        Code = "BadTLSHost"
	BadPath           Code = "BadPath"
	PathTaken         Code = "PathTaken"
	PathTwice         Code = "PathTwice"
	ResourceBackend   Code = "ResourceBackend"
	BadServiceName    Code = "BadServiceName"
	BadPortNumber     Code = "BadPortNumber"
	BadPortName       Code = "BadPortName"
	HostNotServed     Code = "HostNotServed"
	ChainNotServed    Code = "ChainNotServed"
	TLSWithoutHosts   Code = "TLSWithoutHosts"
	TLSWithoutRule    Code = "TLSWithoutRule"
	CertificateTaken  Code = "CertificateTaken"
	NoSecretNamed     Code = "NoSecretNamed"
	NoSecret          Code = "NoSecret"
	BadSecret         Code = "BadSecret"
	BadSecretNamed    Code = "BadSecretNamed"
	SecretNotSent     Code = "SecretNotSent"
	CertificateEnds   Code = "CertificateEnds"
	CertificateIsOver Code = "CertificateIsOver"

	// Of Services.
	NoService          Code = "NoService"
	NoServicePort      Code = "NoServicePort"
	NoSelector         Code = "NoSelector"
	NoSlicePort        Code = "NoSlicePort"
	BadAddress         Code = "BadAddress"
	ExternalNameOff    Code = "ExternalNameOff"
	BadExternalName    Code = "BadExternalName"
	OwnExternalName    Code = "OwnExternalName"
	NoExternalPort     Code = "NoExternalPort"
	ClusterNotServed   Code = "ClusterNotServed"
	EndpointsNotServed Code = "EndpointsNotServed"

	// Of Envoys, and of what is written to Kubernetes.
	Rejected                Code = "Rejected"
	AddressContested        Code = "AddressContested"
	ServiceAddressContested Code = "ServiceAddressContested"
	MoreProblems            Code = "MoreProblems"
)

// table has a row for each code. Where a text is all that an error says, it says
// what is served instead.
var table = []Row{
	{Invalid, Error, "%s; the document is not used", "operating.md#manifests",
		"Write the document as the API server would take it; `kubectl apply --dry-run=server` says the same."},
	{Duplicate, Warning, "the object is %s; %s", "operating.md#manifests",
		"Leave one of the two."},
	{FileNotRead, Error, "%s; what it last said stays", "operating.md#manifests",
		"Mend the file, or give its reader the right to read it."},
	{NamespaceNotRead, Error, "namespace %s is not among those that are read", "install.md",
		"Add the namespace to `--namespaces`, or name an object of one that is read."},
	{NotReadable, Error, "the object cannot be read; its last good state stays", "troubleshooting.md",
		"Report it, with the object."},
	{KindNotRead, Error, "%T is not of a kind that is read", "troubleshooting.md",
		"Report it."},
	{SettingsKept, Error, "%v; all settings of the class stay as they last were", "settings.md",
		"Correct the setting in the ConfigMap of the class."},

	{ClassFrozen, Error, "the class or its settings are gone: its fleet keeps the Ingresses and settings it last had", "operating.md",
		"Create the IngressClass, or the ConfigMap that it names, again."},
	{NoDefaultClass, Warning, "there is no default class; the Ingress is not served", "install.md",
		"Name a class in `spec.ingressClassName`, or mark an IngressClass as the default."},
	{NoClass, Error, "there is no such IngressClass; the Ingress is not served, or not anew", "install.md",
		"Name an IngressClass that exists."},
	{SettingsKind, Error, "settings are read from a ConfigMap only; the defaults are in force", "settings.md",
		"Let `spec.parameters` of the IngressClass name a ConfigMap."},
	{NoSettings, Error, "there is no such ConfigMap; the defaults are in force", "settings.md",
		"Create the ConfigMap that `spec.parameters` names."},
	{SlashesKept, Warning, "a path with %%2F is matched as it stands: whatever guards /admin is passed by with /x/..%%2fadmin", "settings.md#escaped-slashes",
		"Set `escaped-slashes` to `unescape` or `reject`, unless an application needs `%2F` in paths."},
	{BadDefaultBackend, Error, "not the name of a Service port; unmatched requests are answered 404", "settings.md#default-backend",
		"Write `namespace/service:port`."},
	{DefaultTaken, Error, "%s is the older default of the class and wins", "differences.md",
		"Leave one Ingress with a default backend and no rules in the class."},

	{SettingIgnored, Error, "%v; the setting is ignored", "settings.md",
		"Correct the setting."},
	{ShareCapped, Warning, "%v; that share is in force", "settings.md#service-share",
		"Ask for less, or raise `service-share` or `connection-budget` of the class."},
	{NotHonored, Warning, "is not honoured yet", "differences.md#settings",
		"Say the same by a setting of Legation, if there is one, and remove the annotation."},
	{UnknownAnnotation, Info, "is not honoured, and ingress-nginx knows no such annotation", "differences.md#settings",
		"Remove it: it does nothing anywhere."},
	{RestrictsNobody, Info, "is not honoured yet; with this value it restricts nobody", "differences.md#settings",
		"Nothing; it can be removed."},
	{PathsClosed, Error, "is not honoured yet and restricts %s: the paths answer 503 (see the class setting serve-unprotected)", "settings.md#serve-unprotected",
		"Restrict access elsewhere and remove the annotation, or set `serve-unprotected` for the class."},
	{Unprotected, Warning, "is not honoured yet; the class serves the paths without it, though it restricts %s", "settings.md#serve-unprotected",
		"Restrict access elsewhere, and remove the annotation."},
	{CanaryWithheld, Error, "is not honoured yet: a canary takes part in no routing, and its paths and certificates count for nothing", "differences.md#settings",
		"Remove the canary until it is honoured."},

	{BadHost, Error, "is not a host: a DNS name, or one after *.; the rule is not served", "differences.md",
		"Write a DNS name, or one after `*.`."},
	{BadTLSHost, Error, "is not a host: a DNS name, or one after *.; it gets no certificate", "differences.md",
		"Write a DNS name, or one after `*.`."},
	{BadPath, Error, "%s; the path is not served", "differences.md",
		"Write the path as a request has it: beginning with `/`, without query."},
	{PathTaken, Error, "%s has this path of host %s already and is older", "security.md",
		"Agree with the owner of the other Ingress who serves the path."},
	{PathTwice, Error, "the Ingress has this path of host %s already; the first one counts", "differences.md",
		"Leave one of the two rules."},
	{ResourceBackend, Error, "resource backends are not served; the path answers 503", "differences.md",
		"Name a Service."},
	{BadServiceName, Error, "not the name of a Service; the path answers 503", "differences.md",
		"Name a Service."},
	{BadPortNumber, Error, "not a TCP port; the path answers 503", "differences.md",
		"Name a port from 1 to 65535."},
	{BadPortName, Error, "not the name of a port; the path answers 503", "differences.md",
		"Name a port of the Service."},
	{HostNotServed, Error, "%v", "troubleshooting.md",
		"Report it, with the Ingresses of the host."},
	{ChainNotServed, Error, "%v", "troubleshooting.md",
		"Report it, with the Ingresses of the host."},
	{TLSWithoutHosts, Warning, "without hosts the default certificate of the class serves, not %s", "differences.md",
		"List the hosts of the certificate, or set `default-tls-secret` for the class."},
	{TLSWithoutRule, Warning, "no rule of this Ingress is for this host; it gets no certificate and does not redirect", "differences.md",
		"Add a rule for the host, or remove it from the TLS section."},
	{CertificateTaken, Error, "%s names host %s too and is older; Secret %s serves it", "security.md",
		"Name one Secret for the host."},
	{NoSecretNamed, Error, "no Secret is named; a certificate of our own stands in", "troubleshooting.md",
		"Name a Secret in the TLS section."},
	{NoSecret, Error, "there is no such Secret; the last good certificate stays, else one of our own stands in", "troubleshooting.md",
		"Create the Secret; it is served within a second."},
	{BadSecret, Error, "%v; the last good certificate stays, else one of our own stands in", "troubleshooting.md",
		"Put a certificate and its key, PEM, into the Secret."},
	{BadSecretNamed, Error, "the Secret holds no usable certificate: %v", "troubleshooting.md",
		"Put a certificate and its key, PEM, into the Secret."},
	{SecretNotSent, Error, "cannot be sent to Envoy", "troubleshooting.md",
		"Report it, without the key."},
	{CertificateEnds, Warning, "the certificate ends at %s; nobody has renewed it yet", "operating.md",
		"Renew the certificate; see why whoever renews it has not."},
	{CertificateIsOver, Error, "the certificate expired at %s; it is served", "operating.md",
		"Renew the certificate."},

	{NoService, Error, "there is no such Service; its paths answer 503", "troubleshooting.md",
		"Create the Service, or name one that exists."},
	{NoServicePort, Error, "%s has no such TCP port; its paths answer 503", "troubleshooting.md",
		"Name a TCP port of the Service."},
	{NoSelector, Error, "there is none, and nobody has written an EndpointSlice either; its paths answer 503", "troubleshooting.md",
		"Give the Service a selector, or write an EndpointSlice for it."},
	{NoSlicePort, Error, "no TCP port %s, which %s has; its endpoints are left out", "troubleshooting.md",
		"Let the EndpointSlice have the port of its Service, by name."},
	{BadAddress, Error, "not an address of type %s; it is left out", "troubleshooting.md",
		"Correct the EndpointSlice, or its `addressType`."},
	{ExternalNameOff, Error, "the class does not serve external names; its paths answer 503", "settings.md#external-names",
		"Set `external-names` for the class, if its tenants may lead requests anywhere."},
	{BadExternalName, Error, "not a name; its paths answer 503", "settings.md#external-names",
		"Write a DNS name that a resolver takes."},
	{OwnExternalName, Error, "an external name must not lead to Envoy's own node; its paths answer 503", "settings.md#loopback-external-names",
		"Use a Service with a selector; for tests, `loopback-external-names`."},
	{NoExternalPort, Error, "no such port; its paths answer 503", "settings.md#external-names",
		"Let the Ingress name a port by number."},
	{ClusterNotServed, Error, "%v", "troubleshooting.md",
		"Report it, with the Service."},
	{EndpointsNotServed, Error, "%v", "troubleshooting.md",
		"Report it, with the EndpointSlices of the Service."},

	{Rejected, Error, "Envoy %s of class %s rejects the %s resource %s made of it and keeps the last good one: %s", "troubleshooting.md",
		"Read Envoy's words; report it if the object is right."},
	{AddressContested, Warning, "%s rewrites it: Legation writes it no more, until the Ingress or its address changes; traffic is not concerned", "status.md",
		"Let one controller own the Ingress: see the other's class."},
	{ServiceAddressContested, Warning, "%s rewrite it in turns: Ingresses keep the address %s until it has stood still; traffic is not concerned", "status.md",
		"Let one controller write the Service's status."},
	{MoreProblems, Info, "there are more problems; the log of Legation has them all", "status.md",
		"Mend those that are told, or read the log."},
}

var rows = func() map[Code]Row {
	m := map[Code]Row{}
	for _, r := range table {
		m[r.Code] = r
	}
	return m
}()

// Table are all codes, in the order in which docs/problems.md has them.
func Table() []Row { return table }

// Row is the row of a code; the zero Row if there is none.
func (c Code) Row() Row { return rows[c] }

// Of makes a Problem of this code; args are for the text of its row.
func (c Code) Of(at object.Origin, value string, args ...any) Problem {
	return Problem{Code: c, Object: at.Object, File: at.File, Field: at.Field, Value: value,
		Message: fmt.Sprintf(rows[c].Text, args...)}
}

// At makes a Finding of this code that holds at any time.
func (c Code) At(at object.Origin, value string, args ...any) Finding {
	return Finding{Problem: c.Of(at, value, args...)}
}
