package models

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/core"
)

const (
	maxFailures   = 5 // in a row, without a byte more than ever before
	maxBackoff    = 30 * time.Second
	downloadChunk = 256 << 10
)

// download brings one file into the blobs.
type download struct {
	fetch     Fetcher
	blobs     *blob.Store
	url       string
	shown     string // the URL without what may be secret
	host      string
	sha       string
	retryWait time.Duration
	stall     time.Duration
	log       *slog.Logger
	report    func(Progress)
	pieced    bool // the bytes come from more than one answer
}

// transientError is a failure that may pass. It ends as its sentence when it does not.
type transientError struct{ sentence *core.Error }

func (e transientError) Error() string { return e.sentence.Error() }

func passing(cause error, format string, args ...any) error {
	return transientError{core.Wrap(core.CodeUnavailable, cause, format, args...)}
}

// run downloads, verifies and promotes. A wrong file leaves nothing; an interrupted one is kept to go on later.
func (d *download) run(ctx context.Context) error {
	part, err := d.blobs.Partial(d.sha)
	if err != nil {
		return err
	}
	if err = d.fill(ctx, part); err == nil {
		err = part.Promote()
	}
	if err != nil && (core.CodeOf(err) == core.CodeBadModel || part.Size() == 0) {
		return errors.Join(err, part.Discard())
	}
	return errors.Join(err, part.Close())
}

// fill brings the right bytes into the file, and refuses any others.
func (d *download) fill(ctx context.Context, part *blob.Partial) error {
	d.pieced = part.Size() > 0
	if err := d.complete(ctx, part); err != nil {
		return err
	}
	err := d.verify(ctx, part)
	if core.CodeOf(err) == core.CodeBadModel && d.pieced {
		// The pieces may be of different versions, or were not on disk when the power went.
		d.log.InfoContext(ctx, "download in pieces has the wrong hash, starting over", slog.String("url", d.shown))
		if err := part.Restart(); err != nil {
			return err
		}
		if err := d.complete(ctx, part); err != nil {
			return err
		}
		err = d.verify(ctx, part)
	}
	if err != nil {
		return err
	}
	return accepts(part, part.Size())
}

// accepts refuses what is no good model file.
func accepts(r io.ReaderAt, size int64) error {
	_, err := readFacts(r, size)
	return err
}

func (d *download) verify(ctx context.Context, part *blob.Partial) error {
	step := func(n int64) {
		d.report(Progress{Status: StatusVerifying, Digest: d.sha, Completed: n, Total: part.Size()})
	}
	step(0)
	return part.Verify(ctx, step)
}

// complete asks for the file, again and again from where it stopped, until all of it is there.
func (d *download) complete(ctx context.Context, part *blob.Partial) error {
	most, failures := part.Size(), 0
	for {
		err := d.attempt(ctx, part)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t, ok := errors.AsType[transientError](err)
		if !ok {
			return err
		}
		failures++
		if part.Size() > most {
			most, failures = part.Size(), 0
		}
		if failures >= maxFailures {
			return t.sentence
		}
		d.log.InfoContext(ctx, "download interrupted", slog.String("url", d.shown), slog.Int64("at", part.Size()), slog.Any("error", err))
		if err := wait(ctx, min(d.retryWait<<failures, maxBackoff)); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attempt sends one request and appends what it brings. A nil error means that the file is complete.
func (d *download) attempt(ctx context.Context, part *blob.Partial) error {
	if size := part.Mark().Size; size > 0 && part.Size() == size {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(d.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	resp, err := d.send(ctx, part)
	if err != nil {
		return d.lost(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read to its end, or is given up
	total, done, err := d.accept(resp, part)
	if done || err != nil {
		return err
	}
	if err := d.blobs.Room(total - part.Size()); err != nil {
		return err
	}
	body := &watchedBody{r: resp.Body, alive: func() { watch.Reset(d.stall) }}
	if err := d.receive(body, part, total); err != nil {
		return d.lost(ctx, err)
	}
	if total == 0 {
		return part.SetMark(blob.Mark{Validator: part.Mark().Validator, Size: part.Size()})
	}
	if part.Size() < total {
		return passing(io.ErrUnexpectedEOF, "The server %s ended the download after %d of %d bytes; pull again to go on from there.", d.host, part.Size(), total)
	}
	if part.Size() > total {
		return core.Errorf(core.CodeBadModel, "The server %s sent more than the %d bytes it announced; try another source.", d.host, total)
	}
	return nil
}

// receive appends a body to the file, and gives up as soon as the start cannot be a model.
func (d *download) receive(r io.Reader, part *blob.Partial, total int64) error {
	buf := make([]byte, downloadChunk)
	for {
		n, rerr := r.Read(buf)
		if n > 0 {
			if _, err := part.Write(buf[:n]); err != nil {
				return err
			}
			if err := checkMagic(part, n, d.host); err != nil {
				return err
			}
			d.report(Progress{Status: StatusPulling, Digest: d.sha, Completed: part.Size(), Total: total})
		}
		if errors.Is(rerr, io.EOF) {
			return nil
		}
		if rerr != nil {
			return rerr
		}
	}
}

// checkMagic looks at the first bytes once they are there. added is how many came last.
func checkMagic(part *blob.Partial, added int, host string) error {
	const magic = "GGUF"
	if part.Size() < int64(len(magic)) || part.Size()-int64(added) >= int64(len(magic)) {
		return nil
	}
	var b [len(magic)]byte
	if _, err := part.ReadAt(b[:], 0); err != nil || string(b[:]) == magic {
		return err
	}
	return errors.Join(core.Errorf(core.CodeBadModel,
		"What the server %s sends is no GGUF file: it begins with %q. Check that the URL is the file's own address.", host, b[:]), part.Restart())
}

// lost says what a broken connection means: a sentence is final, the end of the pull is its context's, the rest may pass.
func (d *download) lost(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return passing(errStalled, "The server %s sent nothing for %s; pull again to go on from there.", d.host, d.stall)
	}
	if _, ok := errors.AsType[transientError](err); ok {
		return err
	}
	if e, ok := errors.AsType[*core.Error](err); ok && ctx.Err() == nil {
		if e.Code == core.CodeUnavailable || e.Code == core.CodeDeadline {
			return transientError{e}
		}
		return e
	}
	return passing(err, "The connection to the server %s failed; check the network and pull again to go on from there.", d.host)
}

var errStalled = errors.New("no bytes for too long")

// watchedBody tells when bytes come.
type watchedBody struct {
	r     io.Reader
	alive func()
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if n > 0 {
		b.alive()
	}
	return n, err
}
