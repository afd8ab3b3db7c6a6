package gate

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// Local authenticates while there are no accounts: whoever calls from this machine is core.Local. Credentials are not
// looked at, since none exist.
type Local struct {
	// Anyone lets callers from other machines in as well: the operator's explicit wish. They may do everything but
	// administer, so that the first account cannot be a stranger's.
	Anyone bool
	// Names are further names of this machine, beside localhost and its loopback addresses.
	Names []string
}

// Authenticate looks at the address of the connection. Headers only take away: a connection from this machine may carry
// somebody else's request, from a proxy here, or from a browser here that a page sent to a name of its own.
func (l Local) Authenticate(r *http.Request) (core.Principal, error) {
	p := core.Local()
	if l.here(r) {
		return p, nil
	}
	if l.Anyone {
		p.Scopes &^= core.ScopeAdmin
		p.Role = core.AccountOperator
		return p, nil
	}
	return core.Principal{}, core.Errorf(
		core.CodeUnauthenticated,
		"This server has no accounts and answers callers on its own machine only, not through a proxy. Call it there, or have its operator make accounts or set server.insecure_no_auth.",
	)
}

// here reports whether a request comes from this machine itself.
func (l Local) here(r *http.Request) bool {
	return loopback(r.RemoteAddr) && l.own(hostName(r.Host)) && !forwarded(r)
}

// own reports whether a name in the Host header is one of this machine's. HTTP/1.0 has none, and no browser speaks it.
func (l Local) own(name string) bool {
	return name == "" || localName(name) || slices.ContainsFunc(l.Names, func(n string) bool { return strings.EqualFold(n, name) })
}

// forwarded reports whether a request carries a header that proxies write, with whatever in it: what stands in its first line the
// caller may have written, nothing at all too.
func forwarded(r *http.Request) bool {
	for name, lines := range r.Header {
		switch name {
		case "Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For", "X-Envoy-External-Address",
			"True-Client-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip", "Fly-Client-Ip":
		default:
			if !strings.HasPrefix(name, "X-Forwarded") {
				continue
			}
		}
		if len(lines) > 0 {
			return true
		}
	}
	return false
}

func loopback(hostport string) bool {
	a, err := netip.ParseAddrPort(hostport)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// Hosts is the check of the Host header against DNS rebinding: a page on the internet can point a name of its own at
// 127.0.0.1 and have a browser call a server there, but it cannot forge the name that the browser then sends.
type Hosts struct {
	// Bound is the address the server listens on, as host:port. On a loopback address only local names are answered.
	Bound string
	// Allowed are further names, without a port; when there are some, they are checked on every bind.
	Allowed []string
}

func (h Hosts) check(r *http.Request) error {
	bound, _, err := net.SplitHostPort(h.Bound)
	if err != nil {
		bound = h.Bound
	}
	if !localName(bound) && len(h.Allowed) == 0 {
		return nil
	}
	name := hostName(r.Host)
	// HTTP/1.0 has no Host, and no browser speaks it.
	if name == "" || localName(name) || strings.EqualFold(name, bound) || slices.ContainsFunc(h.Allowed, func(a string) bool {
		return strings.EqualFold(a, name)
	}) {
		return nil
	}
	shown := name
	if len(shown) > 80 {
		shown = shown[:80]
	}
	return core.Errorf(
		core.CodeForbidden,
		"The name %q in the Host header is not one of this server's. Call it by its address, or add the name to server.allowed_hosts.", shown,
	)
}

func hostName(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

func localName(name string) bool {
	if strings.EqualFold(name, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.Unmap().IsLoopback()
}

var _ Authenticator = Local{}

// remote is the address of the connection without its port.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// userKey begins the name under which an account is counted.
const userKey = "user "

// caller is whose requests are counted together: an account with all its keys, since it can make more of them, and for
// nobody in particular the address.
func caller(r *http.Request, p core.Principal) string {
	if p.User != "" && p.User != core.Local().User {
		return userKey + p.User
	}
	return "addr " + core.AddressBlock(remote(r))
}
