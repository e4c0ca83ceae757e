package route

// Answers is what is replaced in the headers of answers.
type Answers struct {
	// CookiePath replaces the beginning of the path of a cookie, CookieDomain the whole
	// domain, a dot before it aside.
	CookiePath, CookieDomain Replacement
	// Location replaces the beginning of where a client is sent. What begins with a slash
	// afterwards becomes a URL of the host that was asked.
	Location Replacement
}

// Replacement puts To in the place of From; an empty From replaces nothing.
type Replacement struct{ From, To string }
