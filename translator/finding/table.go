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
}

// The codes.
const (
	// Of reading objects.
	Unreadable       Code = "Unreadable"
	Invalid          Code = "Invalid"
	Duplicate        Code = "Duplicate"
	InAnotherFile    Code = "InAnotherFile"
	FileNotRead      Code = "FileNotRead"
	ObjectNotRead    Code = "ObjectNotRead"
	KindNotRead      Code = "KindNotRead"
	NamespaceNotRead Code = "NamespaceNotRead"
	SettingsKept     Code = "SettingsKept"

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

	// Of Envoys.
	Rejected Code = "Rejected"

	// Of writing to Kubernetes.
	AddressContested Code = "AddressContested"
	AddressInTurns   Code = "AddressInTurns"
	MoreProblems     Code = "MoreProblems"
)

// table has a row for each code. Where a text is all that an error says, it says
// what is served instead.
var table = []Row{
	{Unreadable, Error, "%s; the document is not used", "operating.md#manifests"},
	{Invalid, Error, "%s; the document is not used", "operating.md#manifests"},
	{Duplicate, Warning, "the object is in this file twice; the first one counts", "operating.md#manifests"},
	{InAnotherFile, Warning, "the object is also in another file, whose name comes first; that one counts", "operating.md#manifests"},
	{FileNotRead, Error, "%s; what it last said stays", "operating.md#manifests"},
	{ObjectNotRead, Error, "the object cannot be read; its last good state stays", "troubleshooting.md"},
	{KindNotRead, Error, "%T is not of a kind that is read", "troubleshooting.md"},
	{NamespaceNotRead, Error, "namespace %s is not among those that are read", "install.md"},
	{SettingsKept, Error, "%v; all settings of the class stay as they last were", "settings.md"},

	{ClassFrozen, Error, "the class or its settings are gone: its fleet keeps the Ingresses and settings it last had", "operating.md"},
	{NoDefaultClass, Warning, "there is no default class; the Ingress is not served", "install.md"},
	{NoClass, Error, "there is no such IngressClass; the Ingress is not served, or not anew", "install.md"},
	{SettingsKind, Error, "settings are read from a ConfigMap only; the defaults are in force", "settings.md"},
	{NoSettings, Error, "there is no such ConfigMap; the defaults are in force", "settings.md"},
	{SlashesKept, Warning, "a path with %%2F is matched as it stands: whatever guards /admin is passed by with /x/..%%2fadmin", "settings.md#escaped-slashes"},
	{BadDefaultBackend, Error, "not the name of a Service port; unmatched requests are answered 404", "settings.md#default-backend"},
	{DefaultTaken, Error, "%s is the older default of the class and wins", "differences.md"},

	{SettingIgnored, Error, "%v; the setting is ignored", "settings.md"},
	{ShareCapped, Warning, "%v; that share is in force", "settings.md#service-share"},
	{NotHonored, Warning, "is not honoured yet", "differences.md#settings"},
	{UnknownAnnotation, Info, "is not honoured, and ingress-nginx knows no such annotation", "differences.md#settings"},
	{RestrictsNobody, Info, "is not honoured yet; with this value it restricts nobody", "differences.md#settings"},
	{PathsClosed, Error, "is not honoured yet and restricts %s: the paths answer 503 (see the class setting serve-unprotected)", "settings.md#serve-unprotected"},
	{Unprotected, Warning, "is not honoured yet; the class serves the paths without it, though it restricts %s", "settings.md#serve-unprotected"},
	{CanaryWithheld, Error, "is not honoured yet: a canary takes part in no routing, and its paths and certificates count for nothing", "differences.md#settings"},

	{BadHost, Error, "is not a host: a DNS name, or one after *.; the rule is not served", "differences.md"},
	{BadTLSHost, Error, "is not a host: a DNS name, or one after *.; it gets no certificate", "differences.md"},
	{BadPath, Error, "%s; the path is not served", "differences.md"},
	{PathTaken, Error, "%s has this path of host %s already and is older", "security.md"},
	{PathTwice, Error, "the Ingress has this path of host %s already; the first one counts", "differences.md"},
	{ResourceBackend, Error, "resource backends are not served; the path answers 503", "differences.md"},
	{BadServiceName, Error, "not the name of a Service; the path answers 503", "differences.md"},
	{BadPortNumber, Error, "not a TCP port; the path answers 503", "differences.md"},
	{BadPortName, Error, "not the name of a port; the path answers 503", "differences.md"},
	{HostNotServed, Error, "%v", "troubleshooting.md"},
	{ChainNotServed, Error, "%v", "troubleshooting.md"},
	{TLSWithoutHosts, Warning, "without hosts the default certificate of the class serves, not %s", "differences.md"},
	{TLSWithoutRule, Warning, "no rule of this Ingress is for this host; it gets no certificate and does not redirect", "differences.md"},
	{CertificateTaken, Error, "%s names host %s too and is older; Secret %s serves it", "security.md"},
	{NoSecretNamed, Error, "no Secret is named; a certificate of our own stands in", "troubleshooting.md"},
	{NoSecret, Error, "there is no such Secret; the last good certificate stays, else one of our own stands in", "troubleshooting.md"},
	{BadSecret, Error, "%v; the last good certificate stays, else one of our own stands in", "troubleshooting.md"},
	{BadSecretNamed, Error, "the Secret holds no usable certificate: %v", "troubleshooting.md"},
	{SecretNotSent, Error, "cannot be sent to Envoy", "troubleshooting.md"},
	{CertificateEnds, Warning, "the certificate ends at %s; nobody has renewed it yet", "operating.md"},
	{CertificateIsOver, Error, "the certificate expired at %s; it is served", "operating.md"},

	{NoService, Error, "there is no such Service; its paths answer 503", "troubleshooting.md"},
	{NoServicePort, Error, "%s has no such TCP port; its paths answer 503", "troubleshooting.md"},
	{NoSelector, Error, "there is none, and nobody has written an EndpointSlice either; its paths answer 503", "troubleshooting.md"},
	{NoSlicePort, Error, "no TCP port %s, which %s has; its endpoints are left out", "troubleshooting.md"},
	{BadAddress, Error, "not an address of type %s; it is left out", "troubleshooting.md"},
	{ExternalNameOff, Error, "the class does not serve external names; its paths answer 503", "settings.md#external-names"},
	{BadExternalName, Error, "not a name; its paths answer 503", "settings.md#external-names"},
	{OwnExternalName, Error, "an external name must not lead to Envoy's own node; its paths answer 503", "settings.md#loopback-external-names"},
	{NoExternalPort, Error, "no such port; its paths answer 503", "settings.md#external-names"},
	{ClusterNotServed, Error, "%v", "troubleshooting.md"},
	{EndpointsNotServed, Error, "%v", "troubleshooting.md"},

	{Rejected, Error, "Envoy %s of class %s rejects the %s resource %s made of it and keeps the last good one: %s", "troubleshooting.md"},

	{AddressContested, Warning, "%s rewrites it: Legation writes it no more, until the Ingress or its address changes; traffic is not concerned", "status.md#other-writers"},
	{AddressInTurns, Warning, "%s rewrite it in turns: Ingresses keep the address %s until it has stood still; traffic is not concerned", "status.md#other-writers"},
	{MoreProblems, Info, "there are more problems; the log of Legation has them all", "status.md#events"},
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
