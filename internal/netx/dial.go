package netx

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"ashatai/internal/core"
)

const dialTimeout = 10 * time.Second

// guard decides about addresses at the moment of dialling. By then every spelling of a host, every redirect and every
// answer of a name server has become one number.
type guard struct {
	exceptions atomic.Pointer[[]exception]
	ports      []uint16
	resolver   *net.Resolver // nil: the system's
}

// dial connects to addr, which is host and port as the request names them.
func (g *guard) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, core.Wrap(core.CodeInvalidRequest, err, "The address %q is not a host with a port.", addr)
	}
	d := &net.Dialer{
		Timeout:  dialTimeout,
		Resolver: g.resolver,
		ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
			return g.check(canonical(host), network, address)
		},
	}
	return d.DialContext(ctx, network, addr)
}

// check decides about one numeric address for a host.
func (g *guard) check(host, network, address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return core.Wrap(core.CodeForbidden, err, "Connections of the kind %s are not allowed.", network)
	}
	to := netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	if slices.ContainsFunc(*g.exceptions.Load(), func(e exception) bool { return e.covers(host, to) }) {
		return nil
	}
	if kind := kindOf(to.Addr()); kind != "" {
		// The number itself stays in the log: it would tell a caller how names resolve inside.
		return core.Wrap(core.CodeForbidden, fmt.Errorf("%s is %s", to, kind),
			"The host %q leads to a %s address, which requests of this server may not reach. The operator can list it in network.allow.", host, kind)
	}
	if !slices.Contains(g.ports, to.Port()) {
		return core.Errorf(core.CodeForbidden,
			"Port %d of the host %q may not be reached; the ports allowed are %v. The operator can list the host with this port in network.allow.", to.Port(), host, g.ports)
	}
	return nil
}
