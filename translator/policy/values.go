package policy

// Values are all settings, typed by what they shape. The zero Values are not
// useful: begin with Defaults.
type Values struct {
	Listener
	Class
	Route
	Upstream
}

// Listener is fixed at install: a change of it drains every connection of the fleet.
type Listener struct {
	Ports
	Proxies
	Clients
	AccessLogs
}

// Route is what shapes a route; an Ingress may say it of its own.
type Route struct {
	Timeouts
	Retry
	Body
	Redirect
}

// Upstream is what shapes a cluster; an Ingress that says it gets clusters of its own.
type Upstream struct {
	Limits
	Balance
	Health
	Lifetime
}
