package netx

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"ashatai/internal/core"
)

// body is an answer's body with a bound on its size, on its duration and on the time without a byte.
type body struct {
	inner   io.ReadCloser
	host    string
	limit   int64
	left    int64 // bytes that may still come; -1 when one more came
	stall   time.Duration
	timer   *time.Timer
	stalled *atomic.Bool
	cancel  context.CancelFunc
}

func newBody(inner io.ReadCloser, p Policy, host string, cancel context.CancelFunc) *body {
	stalled := &atomic.Bool{}
	b := &body{
		inner: inner, host: host, limit: p.MaxBytes, left: p.MaxBytes, stall: p.Stall, cancel: cancel, stalled: stalled,
		timer: time.AfterFunc(p.Stall, func() { stalled.Store(true); cancel() }),
	}
	b.timer.Stop() // it runs inside Read only
	return b
}

// Read fails with CodeTooLarge once the answer is longer than the limit.
func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, tooLarge(b.host, b.limit)
	}
	if int64(len(p)) > b.left+1 { // one byte more than allowed tells "exactly the limit" from "longer"
		p = p[:b.left+1]
	}
	b.timer.Reset(b.stall)
	n, err := b.inner.Read(p)
	// Stopped between reads: a caller that is slow to ask is not a host that is slow to answer.
	b.timer.Stop()
	if int64(n) > b.left {
		n, b.left = int(b.left), -1
		return n, tooLarge(b.host, b.limit)
	}
	b.left -= int64(n)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case b.stalled.Load():
		return n, core.Wrap(core.CodeDeadline, err, "The host %q sent nothing for %s. Try again later.", b.host, b.stall)
	}
	return n, explain(err, b.host)
}

// Close ends the transfer.
func (b *body) Close() error {
	b.timer.Stop()
	err := b.inner.Close()
	b.cancel()
	return err
}

func tooLarge(host string, limit int64) *core.Error {
	return core.Errorf(core.CodeTooLarge, "The answer of the host %q is larger than the %d bytes that are allowed.", host, limit)
}
