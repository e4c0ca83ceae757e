package finding

import (
	"fmt"
	"slices"
	"time"

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

// Rank orders severities: the worst is the greatest, and what is none the least.
func (s Severity) Rank() int { return slices.Index([]Severity{Info, Warning, Error}, s) }

// Row is what all Problems of one code have in common.
type Row struct {
	Code     Code
	Severity Severity
	// Text is the message, in the form of package fmt.
	Text string
	// Page explains it: a file of docs with the anchor of a heading.
	Page string
	// Do says what the owner of the object, or who operates Legation, can do about it.
	Do string
}

// Settle is how long a Problem must last before it is worth a line or an Event: a moment
// without endpoints is part of many roll-outs.
func (c Code) Settle() time.Duration {
	if c == NoReadyEndpoint || c == NotCopied {
		return 15 * time.Second
	}
	return 0
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
	KindRefused      Code = "KindRefused"
	SettingsKept     Code = "SettingsKept"
	SettingsHeld     Code = "SettingsHeld"
	SettingsUnusable Code = "SettingsUnusable"

	// Of classes.
	ClassFrozen       Code = "ClassFrozen"
	DeletionHeld      Code = "DeletionHeld"
	FleetPaused       Code = "FleetPaused"
	KeptBack          Code = "KeptBack"
	NoDefaultClass    Code = "NoDefaultClass"
	NoClass           Code = "NoClass"
	EmptyClass        Code = "EmptyClass"
	TwoClasses        Code = "TwoClasses"
	ClassOverridden   Code = "ClassOverridden"
	DefaultTwice      Code = "DefaultTwice"
	DefaultElsewhere  Code = "DefaultElsewhere"
	ClassUnset        Code = "ClassUnset"
	ClassGone         Code = "ClassGone"
	FrozenOut         Code = "FrozenOut"
	FrozenChange      Code = "FrozenChange"
	SettingsKind      Code = "SettingsKind"
	NoSettings        Code = "NoSettings"
	SettingsNotRead   Code = "SettingsNotRead"
	SlashesKept       Code = "SlashesKept"
	RenewsConnections Code = "RenewsConnections"
	BadDefaultBackend Code = "BadDefaultBackend"
	DefaultTaken      Code = "DefaultTaken"
	DefaultUnused     Code = "DefaultUnused"

	// Of settings and annotations.
	SettingIgnored    Code = "SettingIgnored"
	ShareCapped       Code = "ShareCapped"
	NotHonored        Code = "NotHonored"
	UnknownAnnotation Code = "UnknownAnnotation"
	NoEffect          Code = "NoEffect"
	ValueIgnored      Code = "ValueIgnored"
	BadRewrite        Code = "BadRewrite"
	RestrictsNobody   Code = "RestrictsNobody"
	PathsClosed       Code = "PathsClosed"
	Unprotected       Code = "Unprotected"
	ClientsClosed     Code = "ClientsClosed"
	GuestClosed       Code = "GuestClosed"
	BeginningClosed   Code = "BeginningClosed"
	ForeignGuard      Code = "ForeignGuard"
	ForeignClosed     Code = "ForeignClosed"

	SnippetNotUnderstood Code = "SnippetNotUnderstood"
	RewriteClosed        Code = "RewriteClosed"

	// Of lint only: what no object shows by itself, and what was so before a move.
	DroppedThere    Code = "DroppedThere"
	ServedThere     Code = "ServedThere"
	MoreOpen        Code = "MoreOpen"
	HostPatterns    Code = "HostPatterns"
	HostLends       Code = "HostLends"
	ClosedByAnother Code = "ClosedByAnother"

	BadAlias    Code = "BadAlias"
	NameTaken   Code = "NameTaken"
	CanaryAlone Code = "CanaryAlone"

	OverBudget      Code = "OverBudget"
	NearBudget      Code = "NearBudget"
	OverChanges     Code = "OverChanges"
	NearChanges     Code = "NearChanges"
	OverConnections Code = "OverConnections"
	NearConnections Code = "NearConnections"
	RulesNotDeep    Code = "RulesNotDeep"
	CanaryTaken     Code = "CanaryTaken"

	// Of hosts and paths.
	BadHost                Code = "BadHost"
	BadTLSHost             Code = "BadTLSHost"
	BadPath                Code = "BadPath"
	PathTaken              Code = "PathTaken"
	PathTwice              Code = "PathTwice"
	PathCovered            Code = "PathCovered"
	HostOwned              Code = "HostOwned"
	HostShared             Code = "HostShared"
	HostClaimed            Code = "HostClaimed"
	HostFenced             Code = "HostFenced"
	HostRemembered         Code = "HostRemembered"
	PublicSuffix           Code = "PublicSuffix"
	ResourceBackend        Code = "ResourceBackend"
	BadServiceName         Code = "BadServiceName"
	BadPortNumber          Code = "BadPortNumber"
	BadPortName            Code = "BadPortName"
	HostNotServed          Code = "HostNotServed"
	ChainNotServed         Code = "ChainNotServed"
	TLSWithoutHosts        Code = "TLSWithoutHosts"
	TLSWithoutRule         Code = "TLSWithoutRule"
	CertificateTaken       Code = "CertificateTaken"
	CertificateOfOthers    Code = "CertificateOfOthers"
	CertificateNamesNobody Code = "CertificateNamesNobody"
	CertificatePurpose     Code = "CertificatePurpose"
	NoSecretNamed          Code = "NoSecretNamed"
	NoSecret               Code = "NoSecret"
	BadSecret              Code = "BadSecret"
	BadSecretNamed         Code = "BadSecretNamed"
	SecretNotSent          Code = "SecretNotSent"
	HeadersClosed          Code = "HeadersClosed"
	BackendClosed          Code = "BackendClosed"
	NoPagesService         Code = "NoPagesService"
	CertificateEnds        Code = "CertificateEnds"
	CertificateIsOver      Code = "CertificateIsOver"
	CertificateNotYet      Code = "CertificateNotYet"
	CertificateChain       Code = "CertificateChain"
	NoPasswords            Code = "NoPasswords"
	AuthAnywhere           Code = "AuthAnywhere"
	BadPasswords           Code = "BadPasswords"
	NoTicketSecret         Code = "NoTicketSecret"
	BadTicketSecret        Code = "BadTicketSecret"
	SecretNotRead          Code = "SecretNotRead"
	RootHidden             Code = "RootHidden"
	TLSNotNamed            Code = "TLSNotNamed"

	// Of Services.
	NoService          Code = "NoService"
	NoServicePort      Code = "NoServicePort"
	NoCollector        Code = "NoCollector"
	NoSelector         Code = "NoSelector"
	NoSlicePort        Code = "NoSlicePort"
	NoReadyEndpoint    Code = "NoReadyEndpoint"
	BadAddress         Code = "BadAddress"
	UnknownAppProtocol Code = "UnknownAppProtocol"
	ExternalNameOff    Code = "ExternalNameOff"
	BadExternalName    Code = "BadExternalName"
	OwnExternalName    Code = "OwnExternalName"
	NoExternalPort     Code = "NoExternalPort"

	ExternalNameOutside Code = "ExternalNameOutside"
	OwnPort             Code = "OwnPort"
	NameThrough         Code = "NameThrough"
	NameCopied          Code = "NameCopied"
	NotCopied           Code = "NotCopied"
	NameUnchecked       Code = "NameUnchecked"
	ClusterNotServed    Code = "ClusterNotServed"
	EndpointsNotServed  Code = "EndpointsNotServed"

	// Of Envoys.
	Rejected          Code = "Rejected"
	ServerClosesFirst Code = "ServerClosesFirst"

	// Of changes that were seen.
	EndpointsRestless Code = "EndpointsRestless"

	// Of writing to Kubernetes.
	AddressContested Code = "AddressContested"
	AddressInTurns   Code = "AddressInTurns"
	AddressInherited Code = "AddressInherited"
	MoreProblems     Code = "MoreProblems"
)

// unserved is what a Service without endpoints means for the requests that are led to it. See
// Where for those that are not.
const unserved = "requests to it answer 503"

// table has a row for each code; Markdown makes docs/problems.md of it. Where a text is all that an error says, it says
// what is served instead.
var table = []Row{
	{Unreadable, Error, "%s; the document is not used", "operating.md#manifests",
		"Mend the document where file and line say; `kubectl apply --dry-run=server` says the same. If only the version is not read, write the one that is named."},
	{Invalid, Error, "%s; the document is not used", "operating.md#manifests",
		"Mend the field. The API server would refuse the object with the same words."},
	{Duplicate, Warning, "the object is in this file twice; the first one counts", "operating.md#manifests",
		"Delete one of the two documents."},
	{InAnotherFile, Warning, "the object is also in another file, whose name comes first; that one counts", "operating.md#manifests",
		"Delete one of the two documents, or move what is to count into the file whose name comes first."},
	{FileNotRead, Error, "%s; what it last said stays", "operating.md#manifests",
		"Give the process the right to read the file or folder, or mount it again. Nothing that it said is taken back meanwhile."},
	{ObjectNotRead, Error, "the object cannot be read; its last good state stays", "troubleshooting.md",
		"Compare the object with others of its kind, as `kubectl get -o yaml` prints it, for a value that no tool writes, and report it: the API server should not have let it pass."},
	{KindNotRead, Error, "%T is not of a kind that is read; it is not used", "troubleshooting.md",
		"Report it: Legation asked for a kind that it does not know."},
	{NamespaceNotRead, Error, "namespace %s is not among those that are read: the object counts as not there", "install.md",
		"Add the namespace to `--namespaces` (`controlPlane.namespaces` of the chart), or move the Secret or ConfigMap."},
	{KindRefused, Error, "no %s may be read there: %s; what was read stays, and what never was is not served", "install.md#what-may-be-read-and-written",
		"Give the service account of Legation the right to get, list and watch the kind there; or, if the namespace is gone, take it from `--namespaces` (`controlPlane.namespaces` of the chart)."},
	{SettingsKept, Error, "%v; all settings of the class stay as they last were", "settings.md",
		"Mend the value in the ConfigMap. Until then a change of another key of it does nothing, either."},
	{SettingsHeld, Error, "it is not in force: with it, %s; all settings of the class stay as they last were until somebody approves it (legation approve %s), or until it is taken back", "operating.md#settings-are-held",
		"`legation holds` says how many connections it would close. If it is meant, `legation approve` lets it, at a time when clients may connect again; if not, write what was there before. With `closing-changes: apply` in the ConfigMap such a change is not held."},

	{SettingsUnusable, Error, "%v; it is fixed at install, and its default would close every connection: the class is not served by a process that never saw a right value, and Envoys keep what they run", "settings.md",
		"Mend the value in the ConfigMap, as it was when the Envoys were started, or take it out to have the default."},

	{ClassFrozen, Error, "the class or its settings are gone: its fleet keeps the Ingresses and settings it last had", "operating.md",
		"Create the IngressClass and its ConfigMap again, if they were deleted by mistake. If they were to go, take the Envoys of the class away."},
	{DeletionHeld, Error, "more than %d %% of its hosts were removed together: they are served as they last were %s", "operating.md#a-deletion-is-held",
		"`legation holds` says which hosts. If they were to go, `legation approve` lets them; if not, put the objects back, and it ends by itself."},
	{FleetPaused, Warning, "%s has paused its fleet (%s): routes, clusters and listeners stay as they were; endpoints and certificates are live", "operating.md#pausing-a-fleet",
		"`legation resume` when the reason is gone. Until then no change of an Ingress, a class or its settings is served."},
	{KeptBack, Warning, "is not served as it is now: the fleet of IngressClass %s is paused", "operating.md#pausing-a-fleet",
		"Nothing is wrong with the object: it is served when the fleet is resumed. Whoever paused it is named by the Problem of the class."},
	{NoDefaultClass, Warning, "there is no default class; the Ingress is not served", "install.md",
		"Name a class in `spec.ingressClassName`, or mark one IngressClass as the default."},
	{NoClass, Error, "there is no such IngressClass; the Ingress is not served", "install.md",
		"Mend the name in `spec.ingressClassName`, or create the class."},
	{EmptyClass, Error, "the annotation names no class, so the default class does not count either; the Ingress is not served", "install.md#which-class",
		"Delete the annotation, and name a class in `spec.ingressClassName` or leave that to the default class."},
	{TwoClasses, Warning, "spec.ingressClassName names %q: class %s goes by the %s and serves the Ingress", "install.md#which-class",
		"Delete the annotation, and name the class in `spec.ingressClassName` alone."},
	{ClassOverridden, Error, "spec.ingressClassName names %q: class %s goes by the %s and does not serve the Ingress", "install.md#which-class",
		"Delete the annotation, and name the class in `spec.ingressClassName` alone."},
	{DefaultTwice, Warning, "class %s is marked as the default, too; the newer one, %s, has the Ingresses that name no class", "install.md#which-class",
		"Take the mark from one of the two classes, or name the class in the Ingresses."},
	{DefaultElsewhere, Warning, "no class is named, and class %s is the newest that is marked as the default: the Ingress is of it, and not served by class %s", "install.md#which-class",
		"Name the class in `spec.ingressClassName`; or take the mark from the class that is not to be the default."},
	{ClassUnset, Error, "the settings of class %s are not there, or are wrong in what is fixed at install: the Ingress is not served by a process that never saw them, and Envoys keep what they run", "settings.md",
		"Create the ConfigMap that the class names, or mend its name there, or what is said to be wrong in it (`SettingsUnusable`)."},
	{ClassGone, Warning, "class %s is gone, or another controller's; the Ingress is served as it last was", "operating.md",
		"Create the IngressClass again, or name another class."},
	{FrozenOut, Error, "class %s or its settings are gone, and its fleet is frozen: the Ingress is not served until they are back", "operating.md",
		"Create the IngressClass and its ConfigMap again, or name another class."},
	{FrozenChange, Error, "class %s or its settings are gone, and its fleet is frozen: the Ingress is served as it was then, and what has changed in it counts when they are back", "operating.md",
		"Create the IngressClass and its ConfigMap again, or name another class."},
	{SettingsKind, Error, "settings are read from a ConfigMap only; the defaults are in force", "settings.md",
		"Let `spec.parameters` of the class name a ConfigMap."},
	{NoSettings, Error, "there is no such ConfigMap: the class is not served by a process that never saw it, and Envoys keep what they run", "settings.md",
		"Create the ConfigMap, or mend its name and namespace in `spec.parameters`. A class that is to have the defaults names no ConfigMap."},
	{SettingsNotRead, Error, "the ConfigMap may not be read: %s: the class is not served by a process that never saw it, and Envoys keep what they run", "settings.md",
		"Give the service account of Legation the right to get ConfigMaps in that namespace, and have the namespace read (`--namespaces`)."},
	{SlashesKept, Warning, "a path with %%2F is matched as it stands: whatever guards /admin is passed by with /x/..%%2fadmin", "settings.md#escaped-slashes",
		"Know that a rule for `/admin` does not guard what a backend decodes to it; use another value of `escaped-slashes` unless a backend needs this one."},
	{RenewsConnections, Info, "clients are told to leave connections from before this moment, from then until %s", "operating.md#renewing-connections",
		"Nothing: it ends by itself, and the setting may stay. To end it earlier, unset it."},
	{BadDefaultBackend, Error, "not the name of a Service port; unmatched requests are answered 404", "settings.md#default-backend",
		"Write `namespace/service:port` in the ConfigMap of the class."},
	{DefaultTaken, Error, "%s has a default for the class too and %s; this one is not used", "differences.md",
		"Delete `spec.defaultBackend` from one of the two Ingresses."},
	{DefaultUnused, Warning, "%s is the oldest of host %s and decides over paths that no rule has; this default gets none of them there", "differences.md#a-compatible-class",
		"Move `spec.defaultBackend` to the oldest Ingress of the host, or say a rule for `/`."},

	{SettingIgnored, Error, "%v; the setting is ignored", "settings.md",
		"Mend the value; `legation settings` says what the setting takes."},
	{ShareCapped, Warning, "%v; that share is in force", "settings.md#service-share",
		"Ask for less on the Service, have fewer combinations of settings on its Ingresses, or raise `service-share` or `connection-budget` of the class."},
	{NotHonored, Warning, "is not honoured: %s", "differences.md#settings",
		"Look for the setting of Legation that does the same, or delete the annotation."},
	{UnknownAnnotation, Info, "is not honoured, and ingress-nginx knows no such annotation", "differences.md#settings",
		"Look for a typing error in its name; else nothing."},
	{NoEffect, Info, "has no effect here: %s", "differences.md",
		"Nothing has to be done. The annotation can stay, for the controller that you come from."},
	{ValueIgnored, Info, "%v; ingress-nginx ignores the value, too, so nothing changes", "ingress-nginx.md",
		"Nothing has to be done to keep what is. If the owner meant something by it, it never was so: mend the value."},
	{BadRewrite, Error, "%v; the path answers 503", "differences.md",
		"Write the target and the path so that the message no longer holds. What would reach the Service under a wrong path is not sent there."},
	{RestrictsNobody, Info, "is not honoured; with this value it restricts nobody", "differences.md#settings",
		"Nothing. Delete the annotation when nothing else reads it."},
	{PathsClosed, Error, "is not honoured and restricts %s: the paths answer 503 (see the class setting serve-unprotected)", "settings.md#serve-unprotected",
		"Restrict access elsewhere (in the backend, in front of Envoy, by a NetworkPolicy) and delete the annotation; or, if the paths may be open, set `serve-unprotected` on the class."},
	{Unprotected, Warning, "is not honoured; the class serves the paths without it, though it restricts %s", "settings.md#serve-unprotected",
		"Make sure that something else restricts access. Then delete the annotation."},
	{SnippetNotUnderstood, Warning, "%v; nothing of the snippet has an effect", "differences.md#settings",
		"Say it by an annotation or a setting, or write it without what is not understood. A snippet that may restrict access closes its paths meanwhile, as another Problem says."},
	{RewriteClosed, Warning, "%v: requests of these paths answer 503", "differences.md#settings",
		"Write `break` if the same backend is meant, or let each rule have its paths by `rewrite-target`."},
	{ClientsClosed, Error, "client certificates cannot be checked: %v; https of the host answers 503", "security.md",
		"Name a Secret of the same namespace that has the certificates of the authorities in `ca.crt`, as PEM, and give the host a TLS section."},
	{GuestClosed, Error, "restricts %s of a host that belongs to another namespace, which decides over that: the paths of this Ingress answer 503 there", "security.md#neighbours",
		"Have the annotation on an Ingress of the namespace that the host belongs to, and delete it here; or use a host of your own."},
	{BeginningClosed, Error, "the Ingress restricts access and this path cannot be served: all that begins with %s answers 503, as far as no rule comes before it", "security.md#neighbours",
		"Mend the path as another Problem of it says. What it guards would be open in the meantime, so it is closed."},
	{ForeignGuard, Warning, "is of another controller (%s) and restricts %s: it is not honoured, the paths are served without it (see the class setting foreign-guards)", "settings.md#foreign-guards",
		"Say it by an annotation that is honoured, then delete this one; or set `foreign-guards: close` on the class."},
	{ForeignClosed, Error, "is of another controller (%s), is not honoured, and restricts %s: the paths answer 503 (see the class setting foreign-guards)", "settings.md#foreign-guards",
		"Say it by an annotation that is honoured, then delete this one."},
	{OverBudget, Error, "the Ingress is not served: it needs %d of %s, and older ones leave less of the %d that the namespace has", "settings.md#namespace-hosts",
		"Delete what is not needed of the namespace's Ingresses, or split them over namespaces; or have who operates the class raise the budget."},
	{NearBudget, Warning, "the namespace uses %d of %d, with this Ingress and those that come before it: more than 80 %% of %s", "settings.md#namespace-hosts",
		"Ask who operates the class for a larger budget before it is used up: Ingresses that do not fit are not served."},
	{OverChanges, Warning, "the objects of the namespace change more than %d times a second: rules that are added or moved wait for their turn, endpoints for a tenth of a second. What closes or deletes something does not wait", "settings.md#namespace-changes",
		"Find what changes them without end: `kubectl get --watch` of its Ingresses, Services and EndpointSlices. Or have who operates the class raise `namespace-changes`."},
	{NearChanges, Warning, "the objects of the namespace change nearly as often as they may, which is %d times a second", "settings.md#namespace-changes",
		"Find what changes them without end: `kubectl get --watch` of its Ingresses, Services and EndpointSlices."},
	{OverConnections, Warning, "Ingresses lead to %d Service ports of the namespace: each may have %d connections in one Envoy, its part of %d, which is less than Envoy's own 1,024", "settings.md#namespace-connections",
		"Split them over namespaces, or have who operates the class raise `namespace-connections`."},
	{NearConnections, Warning, "Ingresses lead to %d Service ports of the namespace: each may have %d connections in one Envoy, its part of %d. With some more it will be less than Envoy's own 1,024", "settings.md#namespace-connections",
		"Split them over namespaces, or have who operates the class raise `namespace-connections`."},
	{RulesNotDeep, Warning, "there are more than %d rules without a host: they do not take names more than one label below a wildcard of the class (requests to a.b.example.com, where there is *.example.com); those are answered as if no rule matched", "security.md#neighbours",
		"Write the rules for the hosts that they are meant for, or fewer of them."},
	{CanaryAlone, Error, "no rule of another Ingress has this path of host %s, with the same type, and leads to another Service: the canary gets no requests", "differences.md#settings",
		"Write the host, the path and the `pathType` as the Ingress has them whose requests the canary is to get a share of."},
	{CanaryTaken, Error, "%s is a canary of Service %s, too, and comes first, by age or else by name: this one gets no requests", "differences.md#settings",
		"Keep one canary of a Service at a time, and delete the other."},

	{DroppedThere, Warning, "ingress-nginx %s; here the Ingress is served", "migrate.md#1-what-would-change",
		"Look whether the Ingress is meant to be served at all: with ingress-nginx it may never have been. If not, delete it before the move."},
	{ServedThere, Info, "ingress-nginx %s", "migrate.md#1-what-would-change",
		"Nothing. Know that its versions differ, if you compare answers."},
	{MoreOpen, Error, "is not honoured: %s, and here not", "migrate.md#1-what-would-change",
		"Decide whether that may be open here. If not, restrict it elsewhere: in the backend, in front of Envoy, or by a NetworkPolicy."},
	{HostPatterns, Info, "makes patterns of all paths of host %s, also of those of %d other Ingresses: any case, and longer paths, match", "migrate.md#1-what-would-change",
		"Nothing, it was so before. Whoever has a path there should know."},
	{HostLends, Info, "is the oldest of host %s, which has no rule for /: what it asks of its own paths it asks of all that no rule has", "migrate.md#1-what-would-change",
		"Nothing, it was so before. A rule for / takes it back."},
	{ClosedByAnother, Error, "%s closes all of host %s, these paths, too: they answer 503", "migrate.md#1-what-would-change",
		"Mend what that Ingress says, which has a Problem of its own."},

	{BadAlias, Error, "is not a host: a DNS name, or one after *.; it is no alias", "differences.md",
		"Write the names one by one; regular expressions are not supported."},
	{NameTaken, Warning, "another host has this name already, by a rule or by a claim that comes first; host %s does not get it", "differences.md",
		"Delete the alias or the annotation, or the rule for the name if that is to have it."},
	{BadHost, Error, "is not a host: a DNS name, or one after *.; the rule is not served", "differences.md",
		"Mend the host of the rule."},
	{BadTLSHost, Error, "is not a host: a DNS name, or one after *.; it gets no certificate", "differences.md",
		"Mend the host of the TLS section."},
	{BadPath, Error, "%s; the path is not served", "differences.md",
		"Mend the path or its type as the message says."},
	{PathTaken, Error, "%s has this path of host %s already and %s", "security.md",
		"Agree with the owner of the other Ingress on who has the path; delete it from one of the two."},
	{PathTwice, Error, "the Ingress has this path of host %s already; the first one counts", "differences.md",
		"Delete one of the two paths."},
	{PathCovered, Warning, "a prefix matches with and without a slash at its end, and %s has %s, which goes first: no request of host %s gets here", "differences.md",
		"Delete one of the two paths, or give both the same backend."},
	{RootHidden, Warning, "the paths of host %s are patterns, where / of type Exact gets no request, as in ingress-nginx: / of type Prefix is tried first, also where no rule has it", "differences.md",
		"Write the rule with the type Prefix, which takes every path that no other rule has."},
	{HostOwned, Error, "%s: what this Ingress says of it is not served", "ownership.md",
		"Use a host of your own; or have who operates the class name both namespaces in `host-owners`, or set `host-ownership: shared`."},
	{HostShared, Info, "%s: of this Ingress the paths are served, but its certificate, redirect, default backend and all else that concerns the whole host count for nothing", "ownership.md",
		"Nothing, if that is meant. What concerns the whole host is for an Ingress of the owner's namespace to say."},
	{HostClaimed, Info, "%s of another namespace has rules for host %s, too; they are %s", "ownership.md",
		"Nothing, if that is meant. Else talk to the owner of the other Ingress."},
	{HostFenced, Info, "host %s has no certificate of its own, and the wildcard above it belongs to namespace %s: clients that ask for it by TLS get the default certificate, and not that of the wildcard", "ownership.md",
		"Nothing, if the host is served by http, or the default certificate is for it. Else give the host a TLS section with a Secret of its own namespace."},
	{HostRemembered, Warning, "the namespace keeps the host by its former %s, which this process remembers; one that starts later does not, and gives it to %s, which is older than this Ingress", "ownership.md#memory",
		"Have who operates the class name the namespace in `host-owners`, before Legation is restarted; or have the other Ingress deleted."},
	{PublicSuffix, Error, "is a wildcard directly below a public suffix: everybody's names are below it. It is not served unless `host-owners` of the class names it", "ownership.md#public-suffixes",
		"Name a wildcard of a domain of your own; or have who operates the class name the wildcard in `host-owners`."},
	{ResourceBackend, Error, "resource backends are not served; the path answers 503", "differences.md",
		"Name a Service as the backend."},
	{BadServiceName, Error, "not the name of a Service; the path answers 503", "differences.md",
		"Mend the name of the Service."},
	{BadPortNumber, Error, "not a TCP port; the path answers 503", "differences.md",
		"Write a number from 1 to 65535, as the Service has it."},
	{BadPortName, Error, "not the name of a port; the path answers 503", "differences.md",
		"Mend the name of the port, as the Service has it."},
	{HostNotServed, Error, "%v", "troubleshooting.md",
		"Shorten what the message names: Envoy takes no header of more than 16 KiB, for example. Else report it with the Ingresses of the host. Other paths and hosts are not concerned."},
	{ChainNotServed, Error, "%v", "troubleshooting.md",
		"Report it with the Ingresses of the host: its TLS could not be made. Other hosts are not concerned."},
	{TLSWithoutHosts, Warning, "without hosts the default certificate of the class serves, not %s", "differences.md",
		"Name the hosts in the TLS section, or delete the section."},
	{TLSWithoutRule, Warning, "no rule of this Ingress is for this host; it gets no certificate and does not redirect", "differences.md",
		"Add a rule for the host, or delete the host from the TLS section."},
	{TLSNotNamed, Warning, "no TLS section names host %s, and no certificate of this Ingress covers it: it has the default certificate, and http is sent to https, as by ingress-nginx", "differences.md",
		"Name the host in a TLS section, with a Secret whose certificate covers it; or move its rules to an Ingress without TLS."},
	{CertificateTaken, Error, "%s names host %s too and %s; Secret %s serves it", "security.md",
		"Name the same Secret in both Ingresses, or delete the TLS section of one."},
	{NoSecretNamed, Error, "no Secret is named; a certificate of our own stands in", "troubleshooting.md",
		"Name a Secret in the TLS section."},
	{NoSecret, Error, "there is no such Secret; the last good certificate stays, else one of our own stands in", "troubleshooting.md",
		"Create the Secret in the namespace of the Ingress. If cert-manager is to make it, look at its Certificate. It is live within a second of coming."},
	{SecretNotRead, Error, "the Secret may not be read: %s; the last good certificate stays, else one of our own stands in", "install.md#what-may-be-read-and-written",
		"Give the service account of Legation the right to get Secrets in the namespace of the Ingress, and to list and watch them."},
	{BadSecret, Error, "%v; the last good certificate stays, else one of our own stands in", "troubleshooting.md",
		"Write a certificate with its chain to `tls.crt` and the key that belongs to it to `tls.key`, both as PEM."},
	{BadSecretNamed, Error, "the Secret holds no usable certificate: %v; the last good one stays, else one of our own stands in", "troubleshooting.md",
		"Mend the Secret that is named; its own Events say what is wrong with it."},
	{AuthAnywhere, Error, "has the service named by the client, who may name any host here, and so one that lets it in; the paths answer 503", "settings.md#auth-url",
		"Name the service without {host}, $host and the like, or give the rules a host."},
	{NoPasswords, Error, "asks for passwords of which there are none: %v; the paths answer 503", "settings.md",
		"Create the Secret in the namespace of the Ingress, with a key `auth` as htpasswd writes it."},
	{BadPasswords, Warning, "%v lines of the Secret name nobody who could come: they have no hash of a kind that is known", "settings.md",
		"Write these lines anew by `htpasswd -B` or `openssl passwd -6`."},
	{HeadersClosed, Error, "headers cannot be set: %v; the paths answer 503", "settings.md",
		"Create the ConfigMap in the namespace of the Ingress, with headers that can stand in a message and, for answers, that the class setting `allowed-response-headers` names."},
	{BackendClosed, Error, "the Service cannot be spoken to as the owner wants: %v; the paths answer 503", "settings.md",
		"Create the Secret in the namespace of the Ingress, with `ca.crt`, `tls.crt` and `tls.key` as PEM; for verification `ca.crt` is enough."},
	{NoPagesService, Warning, "there is no such Service; the annotation is ignored", "ingress-nginx.md",
		"Create the Service, or mend its name. Paths answer by their own Service meanwhile, and statuses of custom-http-errors go to the default backend of the class, if it has one."},
	{SecretNotSent, Error, "cannot be sent to Envoy; a certificate of our own stands in", "troubleshooting.md",
		"Report it, without the key: what kind of key and certificate it is."},
	{CertificateEnds, Warning, "the certificate ends at %s, and clients refuse it then; nobody has renewed it yet", "operating.md",
		"Find out why nobody renews it: with cert-manager, `kubectl describe certificate`."},
	{CertificateIsOver, Error, "the certificate expired at %s; it is served, and clients refuse it", "operating.md",
		"Renew it now: clients refuse it."},
	{CertificateNotYet, Error, "the certificate is not valid before %s; it is served", "operating.md",
		"Look at the clock of whoever issued it, or serve the one before until then: clients refuse it."},
	{CertificateOfOthers, Error, "the certificate is for %s, not for host %s; it is served", "troubleshooting.md",
		"Name the Secret of the host, or have the host added to the certificate: clients refuse it."},
	{CertificateNamesNobody, Error, "the certificate has no name in its subjectAltName, and so none of host %s; it is served", "troubleshooting.md",
		"Have it issued with its hosts in subjectAltName: clients look at nothing else, whatever the common name is."},
	{CertificatePurpose, Error, "the certificate is not for servers: %s; it is served", "troubleshooting.md",
		"Have it issued for servers, with digitalSignature and serverAuth: clients refuse it."},
	{CertificateChain, Warning, "the chain is broken: %s; it is served", "troubleshooting.md",
		"Write the certificates to `tls.crt` from that of the host to that of the last authority which clients do not know. Browsers often find what is missing, programs do not."},
	{NoTicketSecret, Warning, "there is no such Secret; the last keys of session tickets stay, else each replica has its own", "operating.md",
		"Create the Secret, of type kubernetes.io/tls. Until then TLS sessions are not resumed at another Envoy."},
	{BadTicketSecret, Warning, "the Secret has no usable key: %v; the last keys of session tickets stay, else each replica has its own", "operating.md",
		"Write a private key as PEM to `tls.key` of the Secret."},

	{NoService, Error, "there is no such Service; the endpoints that it had are used for 10 s, then " + unserved, "troubleshooting.md",
		"Create the Service in the namespace of the Ingress, or mend the name of the backend."},
	{NoServicePort, Error, "%s has no such TCP port; the endpoints that it had are used for 10 s, then " + unserved, "troubleshooting.md",
		"Mend the port of the backend, by number or by name, or add it to the Service."},
	{NoCollector, Warning, "there is no such Service, or it has no such TCP port: spans are lost, and requests are served as ever", "tracing.md",
		"Create the Service, or mend `tracing-collector` in the ConfigMap of the class."},
	{NoSelector, Error, "there is none, and nobody has written an EndpointSlice either; " + unserved, "troubleshooting.md",
		"Give the Service a selector, or write an EndpointSlice for it."},
	{NoSlicePort, Error, "no TCP port %s, which %s has; its endpoints are left out", "troubleshooting.md",
		"Add the port to the EndpointSlice, under the name that the Service has for it."},
	{NoReadyEndpoint, Error, "no endpoint of it is ready; " + unserved, "troubleshooting.md",
		"Look at the pods of the Service: `kubectl get endpointslices` says which are not ready. `legation explain service/NAMESPACE/NAME` counts them."},
	{BadAddress, Error, "not an address of type %s; it is left out", "troubleshooting.md",
		"Mend the address, or `addressType` of the EndpointSlice."},
	{UnknownAppProtocol, Warning, "not known here, so %s is spoken", "settings.md#upstream-protocol",
		"Set `upstream-protocol` on the Service, or a name that is known: `http`, `https`, `kubernetes.io/h2c`, `kubernetes.io/ws`, `kubernetes.io/wss`, `grpc`, `grpcs`, `h2`."},
	{ExternalNameOff, Error, "the class does not serve external names; " + unserved, "settings.md#external-names",
		"Set `external-names` on the class, if its tenants may name any host; else use a Service with endpoints."},
	{BadExternalName, Error, "not a name; " + unserved, "settings.md#external-names",
		"Write a DNS name in `spec.externalName`."},
	{OwnExternalName, Error, "an external name must not lead to Envoy's own node; " + unserved, "settings.md#loopback-external-names",
		"Name another host; or set `loopback-external-names` on the class, if Services may lead to Envoy's own node."},
	{ExternalNameOutside, Error, "the class serves external names only below its external-name-suffixes; " + unserved, "settings.md#external-name-suffixes",
		"Name another host; or add the suffix to `external-name-suffixes` of the class."},
	{OwnPort, Error, "a port of Envoy's own, to which no external name leads; " + unserved, "settings.md#external-names",
		"Have the service listen on a port other than 9901 to 9904."},
	{NameThrough, Error, "connections cannot be passed as they are (ssl-passthrough) to a Service of names, since no request is seen whose address could be checked; they end at once", "settings.md#external-names",
		"Use a Service with endpoints, or let TLS end at Envoy."},
	{NameCopied, Error, "copies of requests (mirror-target) do not go to a name that Envoy resolves, since it checks no address for them; there are none, and requests go on to their Service", "settings.md#external-names",
		"Name a Service of the cluster, as `http://NAME.NAMESPACE.svc`, or an address; or set `loopback-external-names` on the class, if its tenants may have Envoy ask what is on its own node."},
	{NotCopied, Error, "there are no copies of requests (mirror-target): %s; requests go on to their Service", "ingress-nginx.md",
		"Mend the URL: a Service that there is, with its port. One of another namespace needs [`external-names`](settings.md#external-names) on the class, and a name below its `external-name-suffixes`, if it has any."},
	{NameUnchecked, Warning, "endpoints that are names have no health checks: Envoy would send them wherever the name resolves to", "settings.md#external-names",
		"Delete the settings of health checks from the Service; requests that fail take an endpoint out for a while, as everywhere."},
	{NoExternalPort, Error, "no such port; " + unserved, "settings.md#external-names",
		"Mend the port of the backend: a number, or a name that the Service has."},
	{ClusterNotServed, Error, "%v", "troubleshooting.md",
		"Report it with the Service and its annotations: a resource could not be made of them. Other Services are not concerned."},
	{EndpointsNotServed, Error, "%v", "troubleshooting.md",
		"Report it with the Service and its EndpointSlices: a resource could not be made of them. Other Services are not concerned."},

	{Rejected, Error, "Envoy %s of class %s rejects the %s resource %s made of it and %s: %s", "troubleshooting.md",
		"Read Envoy's words, and what was changed last (`legation history`): most often the Envoy is of another version. `legation fleet` reports whether others reject it, too. Report what is not a mistake in the object."},

	{ServerClosesFirst, Warning, "%s; %s: a request that Envoy sends just then fails. Set %s", "upstream.md#who-closes-first",
		"Set what is named on the Service, so that Envoy closes first; or have the server keep connections longer. It ends when that is set, or half an hour after Envoys last saw it."},

	{EndpointsRestless, Warning, "its endpoints changed more than %d times in %d minutes%s: each change is sent to all Envoys; requests go to those that are ready", "observed.md#endpoints-that-change-too-often",
		"Look at who changes them: pods whose readiness comes and goes (`kubectl get pods -w`), an autoscaler that swings, or two writers of the same EndpointSlices. A roll-out of many pods is no fault, and passes. It ends when they changed at most half as often in the same time."},

	{AddressContested, Warning, "%s rewrites it: Legation writes it no more, until the Ingress or its address changes; traffic is not concerned", "status.md#other-writers",
		"Decide who writes the status of the Ingress, and stop the other one: most often another controller that serves the same class."},
	{AddressInTurns, Warning, "%s rewrite it in turns: Ingresses keep the address %s until it has stood still; traffic is not concerned", "status.md#other-writers",
		"Decide who gives the Service its address, and stop the other one."},
	{AddressInherited, Warning, "%s has written the addresses of its Ingresses, and may be at work: Legation writes them when that has been silent for 10 minutes and undoes nothing; traffic is not concerned", "status.md#a-class-of-another-controller",
		"Stop the other controller when no client needs it any more. If it is gone already, `--take-over-status` (`controlPlane.takeOverStatus` of the chart) waits for nothing."},
	{MoreProblems, Info, "there are more problems; the log of Legation has them all", "status.md#events",
		"Mend those that are told; the next ones follow. The log has all at once."},
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
	return Problem{Code: c, Object: at.Object, File: at.Place(), Field: at.Field, Value: value,
		Message: fmt.Sprintf(rows[c].Text, args...)}
}

// At makes a Finding of this code that holds at any time.
func (c Code) At(at object.Origin, value string, args ...any) Finding {
	return Finding{Problem: c.Of(at, value, args...)}
}
