package policy

// Values are all settings, typed, by what they shape. The zero Values are not
// useful: begin with Defaults.
type Values struct {
	Listener
	Class
	Route
	Upstream
}

// Listener are the settings of a class that its listeners have. A change of one is for
// new connections, but for those that are Fixed: these close every connection.
type Listener struct {
	Ports
	Proxies
	Clients
	Log
	Tracing
}

// Route are the settings of what happens to a request: an Ingress has its own,
// or those of its class.
type Route struct {
	Timeouts
	Retry
	Body
	Redirect
	Addresses
	Rate
	Toward
	Cors
	Auth
	Session
	Exempt
	Logged
	Custom
}

// Upstream are the settings of the connections to a Service port, which are a
// cluster of Envoy. A Service, an Ingress and a class may give them.
type Upstream struct {
	Limits
	Balance
	Health
	Lifetime
	Speaks
	UpstreamTLS
	Measured
}
