package fetch

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"strings"

	"ashatai/internal/blob"
	"ashatai/internal/core"
)

// repair looks for the pieces of a file that make its hash wrong, and fetches only those again. wrong is what the hash
// said. First come pieces that are on disk no longer what arrived. Where there are none the line itself is suspected,
// if it can have been the cause: each piece is fetched again and compared, until the hash is right.
func (d *download) repair(ctx context.Context, part *blob.Partial, wrong error) error {
	pieces, err := part.Pieces()
	if err != nil {
		return err
	}
	bad, err := d.damaged(ctx, part, pieces)
	if err != nil {
		return err
	}
	if bad > 0 {
		d.Log.WarnContext(ctx, "damaged pieces of a download are fetched again", slog.String("url", d.Shown), slog.Int("pieces", bad))
		if err := d.complete(ctx, part); err != nil {
			return err
		}
		if wrong = d.verify(ctx, part); core.CodeOf(wrong) != core.CodeBadModel {
			return wrong
		}
	}
	if part.Mark().Pieces() == 0 {
		return wrong // it was started over meanwhile, in one answer
	}
	if strings.HasPrefix(d.URL, "https:") && part.Mark().Validator != "" {
		return wrong // all bytes are of one version, and nobody on the way can have changed them
	}
	return d.compare(ctx, part, wrong)
}

// damaged forgets the pieces whose bytes are not what arrived, and returns how many they are.
func (d *download) damaged(ctx context.Context, part *blob.Partial, pieces []blob.Piece) (bad int, err error) {
	h := sha256.New()
	for i, p := range pieces {
		if err := ctx.Err(); err != nil {
			return bad, err
		}
		h.Reset()
		if _, err := io.Copy(h, io.NewSectionReader(part, int64(i)*part.Mark().Chunk, p.Have)); err == nil && sumOf(h) == p.Sum {
			continue
		}
		bad++
		if err := part.SetPiece(i, blob.Piece{}); err != nil {
			return bad, err
		}
	}
	return bad, nil
}

// compare fetches every piece once more and keeps those that differ, until the hash of the file is right.
func (d *download) compare(ctx context.Context, part *blob.Partial, wrong error) error {
	const eager = 8 // after more differences the file is hashed only at the end
	d.Log.WarnContext(ctx, "download has the wrong hash, its pieces are compared with the server's", slog.String("url", d.Shown))
	pieces, err := part.Pieces()
	if err != nil {
		return err
	}
	differ := 0
	buf := make([]byte, part.Mark().Chunk)
	for i, p := range pieces {
		data := buf[:part.Mark().PieceSize(i)]
		if err := d.again(ctx, part, i, data); err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		if sum == p.Sum {
			continue
		}
		if _, err := part.WriteAt(data, int64(i)*part.Mark().Chunk); err != nil {
			return err
		}
		if err := part.SetPiece(i, blob.Piece{Have: int64(len(data)), Sum: sum}); err != nil {
			return err
		}
		if differ++; differ > eager {
			continue
		}
		if wrong = d.verify(ctx, part); core.CodeOf(wrong) != core.CodeBadModel {
			return wrong
		}
	}
	if differ > eager {
		return d.verify(ctx, part)
	}
	return wrong
}

// again fetches one piece.
func (d *download) again(ctx context.Context, part *blob.Partial, i int, data []byte) error {
	s := &spreading{download: d, part: part, book: newBook(part.Mark(), nil)}
	tries := d.tries(func() int64 { return 0 })
	for {
		err := s.piece(ctx, i, data)
		if err == nil {
			return nil
		}
		if _, ok := errors.AsType[staleError](err); ok {
			return passingSentence(d.restart(part, "has another version of the file now"))
		}
		if err := tries.again(ctx, err); err != nil {
			return err
		}
	}
}

// passingSentence ends a failure that may pass as its sentence.
func passingSentence(err error) error {
	if t, ok := errors.AsType[transientError](err); ok {
		return t.sentence
	}
	return err
}

func (s *spreading) piece(ctx context.Context, i int, data []byte) error {
	at := int64(i) * s.book.mark.Chunk
	l, err := s.ask(ctx, s.book.mark, at, at+int64(len(data)))
	if err != nil {
		return err
	}
	defer l.close()
	if err := s.acceptRange(l.resp, at); err != nil {
		return err
	}
	if _, err := io.ReadFull(l, data); err != nil {
		return l.lost(err)
	}
	return nil
}
