package rawio

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// most is the longest piece that goes unannounced: copying more takes longer than the announcement.
const most = 16 << 10

// Listener makes the connections of l write quickly, where they are TCP.
func Listener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		if raw, err := tcp.SyscallConn(); err == nil {
			return &conn{TCPConn: tcp, out: half{raw: raw, trap: syscall.SYS_WRITE}}, nil
		}
	}
	return c, err
}

type conn struct {
	*net.TCPConn

	out half
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if len(p) == 0 || len(p) > most {
		return c.TCPConn.Write(p)
	}
	n, errno, err := c.out.write(p)
	if errno != 0 {
		err = &net.OpError{Op: "write", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("write", errno)}
	}
	return n, err
}

// File makes a socket's file read and write quickly. The file must be one that Go polls.
func File(f *os.File) io.ReadWriteCloser {
	raw, err := f.SyscallConn()
	if err != nil {
		return f
	}
	return &file{File: f, in: half{raw: raw, trap: syscall.SYS_READ}, out: half{raw: raw, trap: syscall.SYS_WRITE}}
}

type file struct {
	*os.File

	in, out half
}

// Read implements io.Reader.
func (f *file) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, errno, err := f.in.read(p)
	if errno != 0 {
		err = &os.PathError{Op: "read", Path: f.Name(), Err: errno}
	}
	return n, err
}

// Write implements io.Writer.
func (f *file) Write(p []byte) (int, error) {
	if len(p) == 0 || len(p) > most {
		return f.File.Write(p)
	}
	n, errno, err := f.out.write(p)
	if errno != 0 {
		err = &os.PathError{Op: "write", Path: f.Name(), Err: errno}
	}
	return n, err
}

// half is one direction of a socket.
type half struct {
	raw  syscall.RawConn
	trap uintptr

	mu    sync.Mutex
	once  func(fd uintptr) bool // call, made once so that no piece allocates
	piece []byte
	n     int
	errno syscall.Errno
}

// call makes one attempt. It is false when the socket must be waited for.
func (h *half) call(fd uintptr) bool {
	for {
		at := unsafe.Pointer(unsafe.SliceData(h.piece)) //nolint:gosec // the kernel wants an address; h holds the piece meanwhile
		n, _, errno := syscall.RawSyscall(h.trap, fd, uintptr(at), uintptr(len(h.piece)))
		if h.errno = errno; errno == syscall.EINTR {
			continue
		}
		h.n = int(n)
		return errno != syscall.EAGAIN
	}
}

// attempt calls until the socket has done something with the piece. Of what is returned one at most is not zero.
func (h *half) attempt(wait func(func(fd uintptr) bool) error, piece []byte) (int, syscall.Errno, error) {
	if h.once == nil {
		h.once = h.call
	}
	h.piece, h.n, h.errno = piece, 0, 0
	err := wait(h.once)
	h.piece = nil
	if err != nil {
		return 0, 0, err // closed, or late: what the last call said was to wait
	}
	if h.errno != 0 {
		return 0, h.errno, nil
	}
	return h.n, 0, nil
}

func (h *half) read(p []byte) (n int, errno syscall.Errno, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, errno, err = h.attempt(h.raw.Read, p)
	if n == 0 && errno == 0 && err == nil {
		err = io.EOF
	}
	return n, errno, err
}

func (h *half) write(p []byte) (done int, errno syscall.Errno, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for done < len(p) {
		var n int
		if n, errno, err = h.attempt(h.raw.Write, p[done:]); errno != 0 || err != nil {
			break
		}
		done += n
	}
	return done, errno, err
}
