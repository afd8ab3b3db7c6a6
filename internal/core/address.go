package core

import "net/netip"

// AddressBlock is what limits count an address by: an IPv4 address itself, and of an IPv6 address the network of 64 bits, since
// whoever has one address there has them all. What is no address is itself.
func AddressBlock(addr string) string {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(ipv6Block)
	if err != nil {
		return addr
	}
	return p.String()
}

const ipv6Block = 64
