package policy

// GlobalAuth is the service that is asked about requests to all Ingresses of a class that
// name none of their own.
type GlobalAuth struct{ Global AuthService }

// Everywhere is a with the service of the class, unless it has one of its own.
func (g GlobalAuth) Everywhere(a Auth) Auth {
	if a.AuthURL != "" || g.Global.AuthURL == "" {
		return a
	}
	a.AuthService = g.Global
	return a
}

// NoGlobalAuth is in place of a URL that cannot be read: nobody answers there, so that
// nobody passes.
const NoGlobalAuth = "http://global-auth-url.invalid/"

// globalAuthRows are the settings of GlobalAuth: those of an Ingress, for the class.
var globalAuthRows = globally(serviceRows(func(v *Values) *AuthService { return &v.Global }))

func globally(rows []Setting) []Setting {
	for i := range rows {
		r := &rows[i]
		r.Name = "global-" + r.Name
		r.Doc = "As the setting of an Ingress with this name behind `global-`, for all Ingresses of the class that have no `auth-url` of their own, and do not say `global-auth: \"false\"`."
		if r.Name == "global-auth-url" {
			r.Doc += " Paths below `/.well-known/acme-challenge` are not asked about. If the value cannot be read, all that it is for is answered 500."
		}
	}
	return rows
}
