package wire

import (
	"net"
	"testing"
)

func pair(testing.TB) (a, b *Conn) {
	x, y := net.Pipe()
	return NewConn(x), NewConn(y)
}
