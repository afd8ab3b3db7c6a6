package netx

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"ashatai/internal/core"
)

// Policy says what a client may do. A field that is zero has the default in its comment.
type Policy struct {
	// Allow lists what may be reached although it is not public or its port is not among Ports: a prefix
	// ("10.0.0.0/8"), an address, an address with a port, a host name, or a host name with a port. None by default.
	Allow        []string
	Ports        []uint16      // ports of public hosts; 80 and 443
	MaxBytes     int64         // bytes of one answer's body after decompression; 32 MiB
	MaxRedirects int           // redirects followed; 5
	Timeout      time.Duration // from the request to the end of the body; 1 minute
	Stall        time.Duration // without a byte, from the start of the answer's head or within the body; 30 seconds
	UserAgent    string        // "ashatai"
	Idle         int           // connections to one host that are kept open unused; 2
}

func (p Policy) withDefaults() Policy {
	if len(p.Ports) == 0 {
		p.Ports = []uint16{80, 443}
	}
	if p.MaxBytes == 0 {
		p.MaxBytes = 32 << 20
	}
	if p.MaxRedirects == 0 {
		p.MaxRedirects = 5
	}
	if p.Timeout == 0 {
		p.Timeout = time.Minute
	}
	if p.Stall == 0 {
		p.Stall = 30 * time.Second
	}
	if p.UserAgent == "" {
		p.UserAgent = "ashatai"
	}
	if p.Idle == 0 {
		p.Idle = 2
	}
	return p
}

// exception is one parsed entry of Policy.Allow: a prefix or a host, on one port or on any (0).
type exception struct {
	prefix netip.Prefix
	host   string
	port   uint16
}

func (e exception) covers(host string, addr netip.AddrPort) bool {
	if e.port != 0 && e.port != addr.Port() {
		return false
	}
	if e.host != "" {
		return e.host == host
	}
	return e.prefix.Contains(addr.Addr())
}

// parseAllow reads the entries of an allow-list.
func parseAllow(list []string) ([]exception, error) {
	var out []exception
	for _, s := range list {
		e, ok := parseException(strings.ToLower(strings.TrimSpace(s)))
		if !ok {
			return nil, core.Invalid("network.allow", "network.allow has the entry %q, which is neither an address, nor a prefix such as 10.0.0.0/8, nor a host name, with or without a port.", s)
		}
		out = append(out, e)
	}
	return out, nil
}

func parseException(s string) (exception, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return exception{prefix: unmapped(p)}, true
	}
	host, port := s, uint64(0)
	if h, portText, err := net.SplitHostPort(s); err == nil {
		if port, err = strconv.ParseUint(portText, 10, 16); err != nil || port == 0 {
			return exception{}, false
		}
		host = h
	}
	e := exception{port: uint16(port)}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		a = a.Unmap()
		e.prefix = netip.PrefixFrom(a, a.BitLen())
		return e, a.Zone() == ""
	}
	e.host = canonical(host)
	return e, e.host != "" && !strings.ContainsAny(e.host, "/:@[]?#% \t") && !slices.Contains(strings.Split(e.host, "."), "")
}

// unmapped is the IPv4 form of a prefix of IPv4-mapped addresses.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Masked()
	}
	return p.Masked()
}

// canonical is a host name in lower case without the final dot of an absolute name.
func canonical(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }
