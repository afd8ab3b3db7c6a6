package gate

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of reverse proxies in front of this server, whose word for the address of a caller, and for whether
// that one speaks TLS, counts.
type Proxies []netip.Prefix

// ParseProxies reads addresses and networks that were checked before; others count as none.
func ParseProxies(list []string) Proxies {
	var out Proxies
	for _, s := range list {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p.Masked())
		} else if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}

func (p Proxies) has(a netip.Addr) bool {
	for _, n := range p {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// unknown stands for the address of callers of whom a proxy says something, but no address: they are nobody in particular, never
// on this machine, and counted as one.
const unknown = "unknown:0"

// client is the address, with a port, of whoever sent a request: that of the connection, or where that is one of the proxies,
// what they say: the last address in X-Forwarded-For that is none of theirs. What stands before it anybody could have written.
// Where they say nothing, or name each other alone, it is the connection's.
func (p Proxies) client(r *http.Request) string {
	if !p.sent(r) {
		return r.RemoteAddr
	}
	lines := r.Header.Values("X-Forwarded-For")
	if len(lines) == 0 {
		return r.RemoteAddr
	}
	said := strings.Split(strings.Join(lines, ","), ",")
	for _, text := range slices.Backward(said) {
		text = strings.TrimSpace(text)
		if host, _, err := net.SplitHostPort(text); err == nil {
			text = host
		}
		a, err := netip.ParseAddr(strings.Trim(text, "[]"))
		if err != nil {
			return unknown
		}
		if a = a.Unmap(); !p.has(a) {
			return netip.AddrPortFrom(a, 0).String()
		}
	}
	return r.RemoteAddr
}

// sent reports whether the connection of a request is one of the proxies'.
func (p Proxies) sent(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && len(p) > 0 && p.has(peer.Addr().Unmap())
}

// secure reports whether one of the proxies says that the caller speaks TLS to it. Of several words the last is its own: what
// stands before, the caller may have written.
func (p Proxies) secure(r *http.Request) bool {
	lines := r.Header.Values("X-Forwarded-Proto")
	if len(lines) == 0 || !p.sent(r) {
		return false
	}
	said := strings.Split(lines[len(lines)-1], ",")
	return strings.EqualFold(strings.TrimSpace(said[len(said)-1]), "https")
}
