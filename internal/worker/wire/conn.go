package wire

import (
	"bufio"
	"encoding/json"
	"io"
	"sync"

	"ashatai/internal/core"
)

// maxPending is how many bytes wait for the other side before a sender waits too.
const maxPending = 8 << 20

// Conn sends and reads frames over one channel. Any number of goroutines may send; one reads.
//
// There is no writing goroutine: the sender that finds nobody writing writes what is pending, its own frame and all that
// others add meanwhile. So a lone frame costs one system call and no switch, and many frames share one.
type Conn struct {
	rw io.ReadWriteCloser
	in reader

	mu      sync.Mutex
	room    sync.Cond
	pending []byte
	spare   []byte
	writing bool
	err     error
}

// NewConn makes a Conn over rw and takes it over.
func NewConn(rw io.ReadWriteCloser) *Conn {
	c := &Conn{rw: rw, in: reader{r: bufio.NewReaderSize(rw, readSize)}}
	c.room.L = &c.mu
	return c
}

// Read returns the next frame; its bytes hold until the next Read. It returns io.EOF when the other side has closed, and a
// *BrokenError when what came is no frame.
func (c *Conn) Read() (Frame, error) { return c.in.next() }

// directSize is from where on a tail is written from where it lies, and not copied behind what is pending.
const directSize = 128 << 10

// Send sends one frame; header is a struct of this package or nil, tail its parts, each of which begins at a multiple of
// Align. That it returns does not mean that the other side has it, see Flush; the parts are the caller's again all the same.
// It waits only when the other side has not taken megabytes of what was sent before, or while a long tail is written.
func (c *Conn) Send(kind Kind, call uint32, header any, tail ...[]byte) error {
	var h []byte
	if header != nil {
		var err error
		if h, err = json.Marshal(header); err != nil {
			return broken("the header of %s cannot be written: %v", kind, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) > maxPending && c.err == nil {
		c.room.Wait()
	}
	size := partsSize(tail)
	if size >= directSize {
		return c.direct(kind, call, h, size, tail)
	}
	if err := c.queue(kind, call, h, "", size); err != nil {
		return err
	}
	c.pending = appendParts(c.pending, tail)
	return c.push()
}

func appendParts(b []byte, parts [][]byte) []byte {
	n := 0
	for _, p := range parts {
		b = append(append(b, gap(n)...), p...)
		n = aligned(n) + len(p)
	}
	return b
}

// direct writes a frame behind what is pending; the lock is held on entry and on return, and open while bytes move.
func (c *Conn) direct(kind Kind, call uint32, header []byte, size int, parts [][]byte) error {
	for c.writing && c.err == nil {
		c.room.Wait()
	}
	if err := c.queue(kind, call, header, "", size); err != nil {
		return err
	}
	c.writing = true
	c.writePending() // up to the tail; others queue behind it from here on
	for n := 0; len(parts) > 0 && c.err == nil; parts = parts[1:] {
		c.mu.Unlock()
		_, err := c.rw.Write(gap(n))
		if err == nil {
			_, err = c.rw.Write(parts[0])
		}
		c.mu.Lock()
		if err != nil {
			c.err = err
		}
		n = aligned(n) + len(parts[0])
	}
	c.writing = false
	return c.push()
}

// SendEvent sends one event of a stream.
func (c *Conn) SendEvent(call uint32, e *core.Event) error {
	if err := c.QueueEvent(call, e); err != nil {
		return err
	}
	return c.Push()
}

// QueueEvent puts one event of a stream behind what is pending. It leaves with the next Push, or with whatever is sent.
func (c *Conn) QueueEvent(call uint32, e *core.Event) error {
	h, err := eventHeader(e)
	if err != nil {
		return broken("the header of an event cannot be written: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue(KindEvent, call, h, e.Text, 0)
}

// Queue puts a frame without a header or a tail behind what is pending.
func (c *Conn) Queue(kind Kind, call uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue(kind, call, nil, "", 0)
}

// Push writes what is pending, unless another sender is doing so.
func (c *Conn) Push() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.push()
}

// queue adds a frame to what is pending, up to the last more bytes of its tail; the lock is held.
func (c *Conn) queue(kind Kind, call uint32, header []byte, text string, more int) (err error) {
	if c.err != nil {
		return c.err
	}
	if c.pending, err = appendHead(c.pending, kind, call, header, len(text)+more); err == nil {
		c.pending = append(c.pending, text...)
	}
	return err
}

// push writes until nothing is pending; the lock is held.
func (c *Conn) push() error {
	if c.writing {
		return nil
	}
	c.writing = true
	for len(c.pending) > 0 && c.err == nil {
		c.writePending()
	}
	c.writing = false
	c.room.Broadcast()
	return c.err
}

// Flush waits until all that was sent before is written, or cannot be. A frame whose sender has returned may still wait
// for another sender to write it; Close does not wait for that.
func (c *Conn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.writing && c.err == nil {
		c.room.Wait()
	}
	return c.err
}

// writePending writes what is pending; the lock is held on entry and on return, and open while bytes move.
func (c *Conn) writePending() {
	out := c.pending
	c.pending, c.spare = c.spare[:0], nil
	c.mu.Unlock()
	_, err := c.rw.Write(out)
	c.mu.Lock()
	if cap(out) <= keep {
		c.spare = out
	}
	if err != nil {
		c.err = err
	}
	c.room.Broadcast()
}

// Close closes the channel. It ends a Read and a Send that are under way.
func (c *Conn) Close() error {
	err := c.rw.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = io.ErrClosedPipe
	}
	c.room.Broadcast()
	return err
}
