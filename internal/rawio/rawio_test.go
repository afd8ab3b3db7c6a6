package rawio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// pair is a connection whose accepted end was made by Listener.
func pair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var d net.Dialer
	if client, err = d.DialContext(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = Listener(l).Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	return server, client
}

// TestPieces sends pieces of every size, from two goroutines, each of which must arrive whole and in order.
func TestPieces(t *testing.T) {
	t.Parallel()
	server, client := pair(t)
	const each = 200
	var wg sync.WaitGroup
	total := 0
	for i := range each {
		total += 2 * (i * i)
	}
	for _, letter := range []byte("ab") {
		wg.Go(func() {
			for i := range each {
				if n, err := server.Write(bytes.Repeat([]byte{letter}, i*i)); n != i*i || err != nil {
					t.Errorf("%d of %d bytes: %v", n, i*i, err)
				}
			}
		})
	}
	got := make([]byte, total)
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if a, b := bytes.Count(got, []byte("a")), bytes.Count(got, []byte("b")); a != total/2 || b != total/2 {
		t.Errorf("%d and %d bytes of %d", a, b, total)
	}
}

// TestWaits: a reader that does not read makes the writer wait, until its deadline, and after that until it is closed.
func TestWaits(t *testing.T) {
	t.Parallel()
	server, client := pair(t)
	piece := bytes.Repeat([]byte("x"), 8<<10)
	fill := func() (err error) {
		for err == nil {
			_, err = server.Write(piece)
		}
		return err
	}
	if err := server.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := fill(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a late write: %v", err)
	}
	if err := server.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- fill() }()
	_ = client.Close()
	var op *net.OpError
	if err := <-ended; !errors.As(err, &op) {
		t.Errorf("the other side left: %v", err)
	}
	_ = server.Close()
	if _, err := server.Write(piece); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after closing: %v", err)
	}
}
