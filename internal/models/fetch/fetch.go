// Package fetch brings one file, whose sha256 is known, over a line that may break into the blobs: in several streams at
// once where the server can do that, and from where it stopped after any kind of end.
//
// It refuses to decide what may be reached (its Doer does), what a file is good for (its Check does), and to let any byte
// count that the sha256 does not prove.
package fetch

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/core"
)

const (
	maxFailures      = 5 // in a row, without a byte more than ever before
	maxBackoff       = 30 * time.Second
	readChunk        = 256 << 10
	defaultRetryWait = 500 * time.Millisecond
	defaultStall     = time.Minute
	defaultPiece     = 8 << 20
	defaultStreams   = 4
	maxStreams       = 16
)

// Doer sends a request to the outside. It decides what may be reached, and answers with a core.Error where that is
// forbidden.
type Doer interface {
	Do(req *http.Request) (*http.Response, error)
}

// Limits say how a download behaves. A field that is zero has the default in its comment.
type Limits struct {
	RetryWait time.Duration // before a cut download goes on, doubled each time; half a second
	Stall     time.Duration // without a byte for this long a stream counts as cut; a minute
	Piece     int64         // bytes that one hash of the journal covers; 8 MiB
	Streams   int           // ranges of one file that are fetched at once, at most 16; 4
}

// Job is one file to bring.
type Job struct {
	Doer   Doer
	Blobs  *blob.Store
	URL    string
	Shown  string // the URL without what may be secret
	Host   string // for sentences
	SHA256 string // of the file, lower-case hex
	Size   int64  // bytes; 0: the server tells
	Check  blob.Check
	Room   func(ctx context.Context, need int64) error // refuses bytes that do not fit; nil: the blobs decide
	Report func(Step)                                  // not called by two goroutines at once
	Log    *slog.Logger
	Limits Limits
}

// Step is how far a download is.
type Step struct {
	Verifying bool  // all bytes are there and are being hashed
	Completed int64 // bytes
	Total     int64 // bytes; 0 while unknown
}

// download is one running Job.
type download struct {
	Job

	pieced bool        // the bytes come from more than one answer
	single atomic.Bool // the server was found out not to serve ranges
}

// Run downloads, verifies and promotes. A wrong file leaves nothing; an interrupted one is kept to go on later. A file that
// is being downloaded already is CodeConflict. Errors: CodeBadModel for other bytes than the sha256 asks for,
// CodeDiskFull, CodeNotFound, CodeForbidden, CodeUnavailable for what may be better later.
func Run(ctx context.Context, job Job) error {
	d := &download{Job: job}
	l := &d.Limits
	if l.RetryWait <= 0 {
		l.RetryWait = defaultRetryWait
	}
	if l.Stall <= 0 {
		l.Stall = defaultStall
	}
	if l.Piece <= 0 {
		l.Piece = defaultPiece
	}
	if l.Streams <= 0 {
		l.Streams = defaultStreams
	}
	l.Streams = min(l.Streams, maxStreams)
	if d.Room == nil {
		d.Room = func(_ context.Context, need int64) error { return d.Blobs.Room(need) }
	}
	part, err := d.Blobs.Partial(d.SHA256)
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
	switch {
	case core.CodeOf(err) != core.CodeBadModel:
	case part.Mark().Pieces() > 0:
		err = d.repair(ctx, part, err)
	case d.pieced:
		// The pieces may be of different versions, or were not on disk when the power went.
		d.Log.InfoContext(ctx, "download in pieces has the wrong hash, starting over", slog.String("url", d.Shown))
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
	return d.Check(part, part.Size())
}

func (d *download) verify(ctx context.Context, part *blob.Partial) error {
	step := func(n int64) { d.Report(Step{Verifying: true, Completed: n, Total: part.Size()}) }
	step(0)
	return part.Verify(ctx, step)
}

// complete asks for the file, again and again from where it stopped, until all of it is there.
func (d *download) complete(ctx context.Context, part *blob.Partial) error {
	if d.Size > 0 && part.Mark().Pieces() == 0 {
		if err := d.Room(ctx, d.Size-part.Size()); err != nil {
			return err
		}
	}
	tries := d.tries(part.Size)
	for {
		err := d.attempt(ctx, part)
		if err == nil {
			return nil
		}
		if err := tries.again(ctx, err); err != nil {
			return err
		}
	}
}

// attempt sends one request and appends what it brings, or brings the file in pieces. A nil error means that the file is
// complete.
func (d *download) attempt(ctx context.Context, part *blob.Partial) error {
	if part.Mark().Pieces() > 0 {
		return d.spread(ctx, part, nil)
	}
	if size := part.Mark().Size; size > 0 && part.Size() == size {
		return nil
	}
	l, err := d.send(ctx, part)
	if err != nil {
		return err
	}
	defer l.close()
	total, done, err := d.accept(l.resp, part)
	if done || err != nil {
		return err
	}
	if d.Size > 0 && total > 0 && total != d.Size {
		return core.Errorf(core.CodeBadModel, "The server %s has a file of %d bytes, but one of %d bytes is listed; pull again later.", d.Host, total, d.Size)
	}
	if err := d.Room(ctx, total-part.Size()); err != nil {
		return err
	}
	if d.spreads(l.resp, part, total) {
		mark := part.Mark()
		mark.Chunk = d.Limits.Piece
		if err := part.Spread(mark); err != nil {
			return err
		}
		return d.spread(ctx, part, l)
	}
	if err := d.receive(l, part, total); err != nil {
		return err
	}
	if total == 0 {
		return part.SetMark(blob.Mark{Validator: part.Mark().Validator, Size: part.Size()})
	}
	if part.Size() < total {
		return passing(io.ErrUnexpectedEOF, "The server %s ended the download after %d of %d bytes; pull again to go on from there.", d.Host, part.Size(), total)
	}
	if part.Size() > total {
		return core.Errorf(core.CodeBadModel, "The server %s sent more than the %d bytes it announced; try another source.", d.Host, total)
	}
	return nil
}

// spreads decides, at the start of a whole answer, whether the file is worth several streams and the server can do them.
func (d *download) spreads(resp *http.Response, part *blob.Partial, total int64) bool {
	return resp.StatusCode == http.StatusOK && resp.Header.Get("Accept-Ranges") == "bytes" && !resp.Uncompressed &&
		part.Size() == 0 && total > 2*d.Limits.Piece && !d.single.Load()
}

// receive appends a body to the file, and gives up as soon as the start cannot be a model.
func (d *download) receive(l *line, part *blob.Partial, total int64) error {
	buf := make([]byte, readChunk)
	for {
		n, rerr := l.Read(buf)
		if n > 0 {
			at := part.Size()
			if _, err := part.Write(buf[:n]); err != nil {
				return err
			}
			if err := d.checkMagic(part, at, n); err != nil {
				return errors.Join(err, part.Restart())
			}
			d.Report(Step{Completed: part.Size(), Total: total})
		}
		if errors.Is(rerr, io.EOF) {
			return nil
		}
		if rerr != nil {
			return l.lost(rerr)
		}
	}
}

// checkMagic looks at the first bytes of the file once they are there: n bytes came at offset at.
func (d *download) checkMagic(r io.ReaderAt, at int64, n int) error {
	const magic = "GGUF"
	if at >= int64(len(magic)) || at+int64(n) < int64(len(magic)) {
		return nil
	}
	var b [len(magic)]byte
	if _, err := r.ReadAt(b[:], 0); err != nil || string(b[:]) == magic {
		return err
	}
	return core.Errorf(core.CodeBadModel,
		"What the server %s sends is no GGUF file: it begins with %q. Check that the URL is the file's own address.", d.Host, b[:])
}
