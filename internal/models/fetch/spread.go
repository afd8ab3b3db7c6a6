package fetch

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"ashatai/internal/blob"
	"ashatai/internal/core"
)

// staleError says that what is there cannot be gone on with.
type staleError struct{ why string }

func (e staleError) Error() string { return "the server " + e.why }

// spreading is a download in several streams.
type spreading struct {
	*download

	part  *blob.Partial
	book  *book
	alive atomic.Int64 // streams that still look for work
	tell  sync.Mutex   // one report at a time
}

// spread brings a file that is filled in pieces. first may be an answer that begins at the first byte; its owner closes
// it.
func (d *download) spread(ctx context.Context, part *blob.Partial, first *line) error {
	d.pieced = true
	if err := part.Spread(part.Mark()); err != nil {
		return err
	}
	pieces, err := part.Pieces()
	if err != nil {
		return err
	}
	s := &spreading{download: d, part: part, book: newBook(part.Mark(), pieces)}
	missing := part.Mark().Size - s.book.count()
	if missing == 0 {
		return nil
	}
	if err := d.Room(ctx, missing); err != nil {
		return err
	}
	err = s.run(ctx, first)
	if stale, ok := errors.AsType[staleError](err); ok {
		return d.restart(part, stale.why)
	}
	if err == nil && s.book.count() < part.Mark().Size {
		return passing(nil, "The server %s did not send all of the file; pull again to go on from there.", d.Host)
	}
	return err
}

func (s *spreading) run(ctx context.Context, first *line) error {
	g, gctx := errgroup.WithContext(ctx)
	if first != nil {
		stop := context.AfterFunc(gctx, func() { first.cancel(nil) })
		defer stop()
	}
	var lanes []*lane
	for range s.Limits.Streams {
		if l := s.book.claim(); l != nil {
			lanes = append(lanes, l)
		}
	}
	s.alive.Store(int64(len(lanes)))
	for i, l := range lanes {
		begun := first
		if i > 0 {
			begun = nil
		}
		g.Go(func() error { return s.work(gctx, l, begun) })
	}
	err := g.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// work brings one lane after the other until there is nothing to claim. A stream that fails for good leaves its lane to
// the others, as long as there are any: a server may allow fewer at once.
func (s *spreading) work(ctx context.Context, l *lane, first *line) error {
	for l != nil {
		err := s.bring(ctx, l, first)
		first = nil
		s.book.release(l)
		if err != nil {
			others := s.alive.Add(-1) > 0
			if core.CodeOf(err) == core.CodeUnavailable && others {
				s.Log.InfoContext(ctx, "stream of a download given up", slog.String("url", s.Shown), slog.Any("error", err))
				return nil
			}
			return err
		}
		l = s.book.claim()
	}
	s.alive.Add(-1)
	return nil
}

// bring streams a lane, again and again from where it stopped.
func (s *spreading) bring(ctx context.Context, l *lane, first *line) error {
	tries := s.tries(func() int64 { return s.book.brought(l) })
	for {
		i, p, ok := s.book.where(l)
		if !ok {
			return nil // all of it is there, or another stream has the rest
		}
		err := s.stream(ctx, l, i, p, first)
		if first = nil; err == nil {
			continue
		}
		if err := tries.again(ctx, err); err != nil {
			return err
		}
	}
}

// stream reads one answer into a lane's pieces, from what piece i has on.
func (s *spreading) stream(ctx context.Context, l *lane, i int, p blob.Piece, ln *line) error {
	h, p, err := s.prefix(l, i, p)
	if err != nil {
		return err
	}
	stop := len(s.book.pieces)
	if ln == nil || i > 0 || p.Have > 0 {
		at := int64(i)*s.book.mark.Chunk + p.Have
		var end int64
		stop, end = s.book.ask(l)
		if ln, err = s.ask(ctx, s.book.mark, at, end); err != nil {
			return err
		}
		defer ln.close()
		if err := s.acceptRange(ln.resp, at); err != nil {
			return err
		}
	}
	buf := make([]byte, readChunk)
	for {
		n, rerr := ln.Read(buf[:min(int64(len(buf)), s.book.mark.PieceSize(i)-p.Have)])
		if n > 0 {
			if p, err = s.keep(l, i, p, h, buf[:n]); err != nil {
				return err
			}
			if p.Have == s.book.mark.PieceSize(i) {
				var more bool
				if i, p, more = s.book.where(l); !more || i >= stop {
					return nil
				}
				h.Reset()
			}
		}
		if errors.Is(rerr, io.EOF) {
			return passing(io.ErrUnexpectedEOF, "The server %s ended the download after %d of %d bytes; pull again to go on from there.", s.Host, s.book.count(), s.book.mark.Size)
		}
		if rerr != nil {
			return ln.lost(rerr)
		}
	}
}

// prefix hashes what a piece has. Bytes that are not what was recorded are dropped.
func (s *spreading) prefix(l *lane, i int, p blob.Piece) (hash.Hash, blob.Piece, error) {
	h := sha256.New()
	if p.Have == 0 {
		return h, p, nil
	}
	if _, err := io.Copy(h, io.NewSectionReader(s.part, int64(i)*s.book.mark.Chunk, p.Have)); err == nil && sumOf(h) == p.Sum {
		return h, p, nil
	}
	s.book.set(l, i, blob.Piece{})
	return sha256.New(), blob.Piece{}, s.part.SetPiece(i, blob.Piece{})
}

func sumOf(h hash.Hash) (sum [32]byte) {
	h.Sum(sum[:0])
	return sum
}

// keep writes what came of a piece, records it, and tells.
func (s *spreading) keep(l *lane, i int, p blob.Piece, h hash.Hash, data []byte) (blob.Piece, error) {
	at := int64(i)*s.book.mark.Chunk + p.Have
	if _, err := s.part.WriteAt(data, at); err != nil {
		return p, err
	}
	if err := s.checkMagic(s.part, at, len(data)); err != nil {
		return p, err
	}
	_, _ = h.Write(data) // a hash takes everything
	p = blob.Piece{Have: p.Have + int64(len(data)), Sum: sumOf(h)}
	if err := s.part.SetPiece(i, p); err != nil {
		return p, err
	}
	s.tell.Lock()
	defer s.tell.Unlock()
	s.Report(Step{Completed: s.book.set(l, i, p), Total: s.book.mark.Size})
	return p, nil
}

// acceptRange looks at the head of an answer that must begin at an offset of the version that the pieces are of.
func (s *spreading) acceptRange(resp *http.Response, at int64) error {
	mark, now := s.book.mark, validator(resp.Header)
	changed := mark.Validator != "" && now != "" && now != mark.Validator
	switch resp.StatusCode {
	case http.StatusPartialContent:
		first, last, size, ok := parseContentRange(resp.Header.Get("Content-Range"))
		switch {
		case !ok || first != at || size > 0 && last >= size:
			return staleError{"sent another part than was asked for"}
		case changed || size > 0 && size != mark.Size:
			return staleError{"has another version of the file now"}
		}
		return nil
	case http.StatusOK:
		if at == 0 && !changed && resp.ContentLength == mark.Size {
			return nil
		}
		if !changed {
			s.single.Store(true)
		}
		return staleError{"has another version of the file now, or no longer sends parts of it"}
	case http.StatusRequestedRangeNotSatisfiable:
		return staleError{"has another version of the file now"}
	}
	return s.refusal(resp.StatusCode)
}
