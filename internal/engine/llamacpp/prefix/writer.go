package prefix

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

// retryAfter is how long nothing is written after a write failed: a full disk does not empty itself in a moment.
const retryAfter = 30 * time.Second

// scanEvery is how old the view of the folder may be when a file is written: other processes write there too.
const scanEvery = 5 * time.Second

// work is the writer: the only goroutine that writes states, and the one that deletes files.
func (s *Store) work(ctx context.Context, every time.Duration) {
	defer close(s.done)
	defer s.release()
	var tick <-chan time.Time
	if every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		tick = t.C
	}
	for {
		s.tidy(ctx)
		e, buf, last := s.next()
		switch {
		case e != nil:
			s.write(ctx, e, buf)
			buf.Release()
			continue
		case last:
			return
		}
		select {
		case <-s.wake:
		case <-tick:
			s.files.Lock()
			s.note(ctx, "look for old files", s.sweep())
			s.files.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// next takes the next entry to write and a reference to its state. last is true when the store is closed and nothing is left.
func (s *Store) next() (e *entry, buf *Buffer, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e = s.index.next(); e != nil {
		buf = s.mem[e.id].retain()
	}
	return e, buf, s.closed && e == nil
}

// write brings one entry to disk, unless there is no room, the disk failed a moment ago, or nobody wants it any more.
func (s *Store) write(ctx context.Context, e *entry, buf *Buffer) {
	var size int64
	var err error
	h, wanted := s.prepare(ctx, e)
	if wanted {
		size, err = s.publish(ctx, e, h, buf)
	}
	s.mu.Lock()
	if size == 0 && err == nil {
		s.index.stats.Dropped++
	}
	if err != nil && ctx.Err() == nil {
		s.index.stats.WriteErrors++
	}
	s.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	switch {
	case err != nil:
		s.pause = s.now().Add(retryAfter)
		if !s.failing {
			s.failing = true
			s.log.WarnContext(ctx, "computed prompts cannot be written to disk, serving goes on without",
				slog.Any("error", err), slog.Int64("bytes", h.size))
		}
	case size > 0 && s.failing:
		s.failing = false
		s.log.InfoContext(ctx, "computed prompts are written to disk again")
	}
}

// prepare makes room for e's file and returns its header without the sums of the pieces.
func (s *Store) prepare(ctx context.Context, e *entry) (*header, bool) {
	s.files.Lock()
	defer s.files.Unlock()
	room := s.now().After(s.pause) && ctx.Err() == nil
	if room && s.now().Sub(s.scanned) >= scanEvery {
		s.note(ctx, "list the folder", s.scan())
	}
	var h *header
	s.mu.Lock()
	s.apply(func(x *index, fx *effects) {
		h = &header{key: s.key, tenant: e.tenant, tokens: e.tokens, size: e.size, created: e.created, cost: e.cost, pinned: e.pinned}
		if room = room && x.reserve(e, fileSize(e.tenant, len(e.tokens), e.size), fx); !room {
			x.written(e, 0, fx)
		}
	})
	s.mu.Unlock()
	s.note(ctx, "delete files", s.empty())
	return h, room
}

// publish writes the file and gives it its name, if the entry is still wanted then. It returns the size of the file.
func (s *Store) publish(ctx context.Context, e *entry, h *header, buf *Buffer) (size int64, err error) {
	temp, err := s.folder.write(ctx, h, buf.Bytes(), s.pace)
	s.files.Lock()
	defer s.files.Unlock()
	switch {
	case err != nil:
	case !s.wanted(e): // purged in the meantime
		err = s.folder.remove(temp)
	default:
		if err = s.folder.publish(temp, e.name); err == nil {
			size = fileSize(h.tenant, len(h.tokens), h.size)
			s.folder.touch(e.name, s.now())
		}
	}
	s.mu.Lock()
	s.apply(func(x *index, fx *effects) { x.written(e, size, fx) })
	s.mu.Unlock()
	s.note(ctx, "delete files", s.empty())
	return size, err
}

func (s *Store) wanted(e *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index.byID[e.id] == e
}

// tidy deletes files that nobody needs any more.
func (s *Store) tidy(ctx context.Context) {
	s.files.Lock()
	defer s.files.Unlock()
	s.note(ctx, "delete files", s.empty())
}

// empty deletes what is in the trash. files is held. What cannot be deleted is found again by the next scan.
func (s *Store) empty() error {
	s.mu.Lock()
	trash := s.trash
	s.trash = nil
	s.mu.Unlock()
	var err error
	for _, name := range trash {
		err = errors.Join(err, s.folder.remove(name))
	}
	return err
}

// scan compares the index with the folder, in which other processes may have written and deleted. files is held.
func (s *Store) scan() error {
	list, err := s.folder.list()
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(list))
	for _, f := range list {
		there[f.name] = true
		if !s.known(f) {
			s.look(f)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scanned = s.now()
	s.apply(func(x *index, fx *effects) { x.absent(there, fx) })
	return nil
}

// known reports whether a file is accounted for, and refreshes what is known of a foreign one.
func (s *Store) known(f found) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.index.foreign[f.name]; ok && old.bytes == f.size {
		old.last = f.used.UnixNano()
		s.index.foreign[f.name] = old
		return true
	}
	e := s.index.byName[f.name]
	return e != nil && e.onDisk() && e.file == f.size || slices.Contains(s.trash, f.name)
}

// look reads a file's header and takes the file in, or has it deleted.
func (s *Store) look(f found) {
	h, err := s.folder.header(f.name, f.size)
	if err != nil && !errors.Is(err, errDamaged) {
		return // deleted since, or not readable now
	}
	now := s.nanos()
	used := min(f.used.UnixNano(), now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apply(func(x *index, fx *effects) {
		switch {
		case err != nil:
			x.stats.Corrupt++
			fx.del = append(fx.del, f.name)
		case h.key != s.key:
			x.addForeign(f.name, foreign{tenant: h.tenant, bytes: f.size, created: min(h.created, now), last: used, pinned: h.pinned})
		default:
			x.adopt(&entry{
				tenant: h.tenant, tokens: h.tokens, size: h.size, file: f.size, name: f.name, cost: h.cost, pinned: h.pinned,
				created: min(h.created, now), heat: heat{uses: 1, last: used},
			}, now, fx)
		}
	})
}

// sweep removes what is too old or too much. files is held.
func (s *Store) sweep() error {
	s.mu.Lock()
	s.apply(func(x *index, fx *effects) {
		x.expire(s.nanos(), fx)
		x.compact(fx)
	})
	s.mu.Unlock()
	return s.empty()
}

// note logs the first of several failures.
func (s *Store) note(ctx context.Context, what string, err error) {
	if err != nil && !s.failing {
		s.failing = true
		s.log.WarnContext(ctx, "the folder for computed prompts makes trouble, serving goes on",
			slog.String("failed", what), slog.Any("error", err))
	}
}

// release frees everything at the end.
func (s *Store) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for id, b := range s.mem {
		b.Release()
		delete(s.mem, id)
	}
	s.pool.close()
	if s.folder != nil {
		_ = s.folder.close() // nothing was written through it
	}
}
