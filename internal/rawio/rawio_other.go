//go:build !linux

package rawio

import (
	"io"
	"net"
	"os"
)

// Listener gives l back.
func Listener(l net.Listener) net.Listener { return l }

// File gives f back.
func File(f *os.File) io.ReadWriteCloser { return f }
