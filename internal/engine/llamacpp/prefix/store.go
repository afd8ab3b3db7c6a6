package prefix

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"time"

	"ashatai/internal/core"
)

const (
	defaultMinTokens  = 64
	defaultQueueBytes = 128 << 20
	queueLen          = 64
	ghostBytes        = 1 << 20
)

// Config says where and how much to keep. The zero value of each field is useful, but Now and Log must be there.
type Config struct {
	Dir        string        // made where it is missing; empty: no disk tier. Several processes may use one
	Key        [32]byte      // digest of all that a state depends on: model, context parameters, KV type, adapters, library
	HostBytes  int64         // of states in memory, with their tokens; 0: no host tier
	DiskBytes  int64         // of all files in Dir, of whatever key; 0: no disk tier
	QueueBytes int64         // of states that only wait to be written, beyond HostBytes; 0: 128 MiB
	MinTokens  int           // shorter prefixes are neither kept nor found; 0: 64
	MaxAge     time.Duration // what was computed longer ago is removed; 0: no limit

	Now func() time.Time
	Log *slog.Logger

	// Pace is called by the writer before each MiB that it hashes and writes, and may wait until that disturbs nobody, for
	// as long as its context lives. Nil: no wait.
	Pace func(ctx context.Context, bytes int)
}

// Store is the memory of prefixes beyond the live sequences. Its methods are safe for concurrent use. Find, Put, Touch,
// Covers, Buffer and Stats never wait for the disk; Load from disk, Purge and Close do.
type Store struct {
	now    func() time.Time
	log    *slog.Logger
	pace   func(context.Context, int)
	key    [32]byte
	pool   pool
	folder *folder // nil without a disk tier

	// files is held while names in the folder change, so that Purge returns when nothing is left. Taken before mu.
	files sync.Mutex

	mu     sync.Mutex
	index  *index
	mem    map[entryID]*Buffer
	trash  []string // files to delete
	closed bool

	scanned time.Time // when the folder was last compared with the index; guarded by files

	wake chan struct{} // one slot: the writer has something to do
	end  context.CancelFunc
	done chan struct{}

	failing bool      // the last write failed; the writer's own
	pause   time.Time // until when nothing is written; the writer's own
}

// Open reads the headers in cfg.Dir, deletes what is damaged or unfinished, and starts the writer. It may take some tens
// of milliseconds for a thousand files. ctx bounds only Open. The caller ends with Close.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	disk := cfg.DiskBytes
	if cfg.Dir == "" {
		disk = 0
	}
	s := &Store{
		now: cfg.Now, log: cfg.Log, pace: cfg.Pace, key: cfg.Key, mem: map[entryID]*Buffer{},
		index: newIndex(limits{
			host: max(0, cfg.HostBytes), disk: max(0, disk), queue: orElse(cfg.QueueBytes, defaultQueueBytes), queueLen: queueLen,
			minTokens: orElse(cfg.MinTokens, defaultMinTokens), maxAge: cfg.MaxAge, ghosts: ghostBytes,
		}),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if s.pace == nil {
		s.pace = func(context.Context, int) {}
	}
	if disk > 0 {
		if err := s.openFolder(cfg.Dir); err != nil {
			return nil, core.Wrap(core.CodeUnavailable, err,
				"The folder %s for computed prompts cannot be used. Change its owner or permissions, name another folder, or switch the disk tier off.", cfg.Dir)
		}
	}
	ctx, s.end = context.WithCancel(context.WithoutCancel(ctx))
	go s.work(ctx, sweepEvery(cfg.MaxAge))
	return s, nil
}

func orElse[T int | int64](v, other T) T {
	if v <= 0 {
		return other
	}
	return v
}

// sweepEvery is how often old entries are looked for; 0: never.
func sweepEvery(maxAge time.Duration) time.Duration {
	if maxAge <= 0 {
		return 0
	}
	return min(max(maxAge/16, time.Second), time.Minute)
}

func (s *Store) openFolder(dir string) error {
	f, err := openFolder(dir, s.key)
	if err != nil {
		return err
	}
	s.folder = f
	s.files.Lock()
	defer s.files.Unlock()
	if err = f.clean(s.now()); err == nil {
		err = s.scan()
	}
	if err == nil {
		err = s.sweep()
	}
	if err != nil {
		return errors.Join(err, f.close())
	}
	return nil
}

// Buffer returns memory for a state of n bytes, at least 1; its content is undefined. The caller fills it and hands it to
// Put, or releases it. The system may need some milliseconds for tens of megabytes, sometimes many; whoever must not wait
// asks in another goroutine, or before the state is there. A buffer that was just given up is at hand at once.
func (s *Store) Buffer(n int) (*Buffer, error) {
	b, err := s.pool.get(n)
	if err == nil {
		populate(b.Bytes())
	}
	return b, err
}

// Find looks for the longest prefix of a prompt. It looks only at the index; the state comes with Load.
func (s *Store) Find(q Query) Hit {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Hit{Miss: MissNone}
	}
	h := s.index.find(q, s.nanos())
	if h.Tokens == 0 {
		s.index.stats.Misses[h.Miss]++
	}
	return h
}

// Covers reports whether a state that covers all of tokens is held, or a longer one, so that the caller need not take it
// out of the context.
func (s *Store) Covers(tenant string, tokens []int32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index.covers(tenant, tokens, s.nanos()) != nil
}

// Touch notes that the prefix was used without this store, from a live sequence.
func (s *Store) Touch(tenant string, tokens []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.touch(tenant, tokens, s.nanos())
}

// Put remembers a state and reports whether it is kept. It takes the slices and the buffer over in either case. Writing to
// disk is done later, by another goroutine.
func (s *Store) Put(e Entry) bool {
	n := &entry{
		tenant: e.Tenant, tokens: e.Tokens, size: int64(len(e.State.Bytes())), cost: e.Cost, pinned: e.Pinned,
		name: fileName(s.key, e.Tenant, e.Tokens),
	}
	kept := false
	ok := s.change(func(x *index, fx *effects) {
		if len(e.Tenant) > maxTenant || headerSize(e.Tenant, len(e.Tokens), n.size) > maxHeader {
			return
		}
		if in, took := x.put(n, s.nanos(), fx); took {
			s.mem[in.id] = e.State.retain()
			kept = in.inMemory()
		}
	})
	e.State.Release()
	return ok && kept
}

// Load returns the state of a hit. From memory it is immediate; from disk it reads and checks the file. Its errors wrap
// ErrGone, ErrCorrupt or ErrClosed, or tell why the file could not be read; each counts as a miss. The caller releases the
// state.
func (s *Store) Load(ctx context.Context, h Hit) (Loaded, error) {
	var e *entry
	var out Loaded
	ok := s.change(func(x *index, _ *effects) {
		if e = x.byID[h.id]; e == nil || !e.resident() || x.expired(e.created, s.nanos()) {
			e = nil
			x.stats.Misses[MissEvicted]++
			return
		}
		if b := s.mem[h.id]; b != nil {
			x.used(e, TierHost, s.nanos())
			out = Loaded{State: b.retain(), Tokens: e.tokens, Tier: TierHost}
		}
	})
	switch {
	case !ok:
		return Loaded{}, ErrClosed
	case e == nil:
		return Loaded{}, ErrGone
	case out.State != nil:
		return out, nil
	}
	return s.read(ctx, e)
}

// read loads e from disk. What of e it uses never changes.
func (s *Store) read(ctx context.Context, e *entry) (Loaded, error) {
	start := s.now()
	h, buf, err := s.folder.load(ctx, e.name, &s.pool)
	took := s.now().Sub(start)
	if err == nil && (h.key != s.key || h.tenant != e.tenant || !slices.Equal(h.tokens, e.tokens)) {
		buf.Release()
		err = errDamaged
	}
	if err != nil {
		return Loaded{}, s.unread(e, err)
	}
	out := Loaded{State: buf, Tokens: e.tokens, Tier: TierDisk}
	ok := s.change(func(x *index, fx *effects) {
		x.measured(h.size, took)
		x.used(e, TierDisk, s.nanos())
		if x.promote(e, fx) {
			s.mem[e.id] = buf.retain()
		}
	})
	if !ok {
		buf.Release()
		return Loaded{}, ErrClosed
	}
	s.folder.touch(e.name, s.now())
	return out, nil
}

// unread deals with a file that gave nothing, and returns the error for the caller.
func (s *Store) unread(e *entry, err error) error {
	reason := MissFailed
	switch {
	case errors.Is(err, errDamaged), errors.Is(err, syscall.EIO):
		reason, err = MissCorrupt, errors.Join(ErrCorrupt, err)
	case errors.Is(err, fs.ErrNotExist):
		reason, err = MissEvicted, errors.Join(ErrGone, err)
	}
	ok := s.change(func(x *index, fx *effects) {
		x.stats.Misses[reason]++
		if reason == MissCorrupt {
			x.stats.Corrupt++
			fx.del = append(fx.del, e.name)
		}
		if reason != MissFailed {
			x.missing(e, fx)
		}
	})
	if !ok {
		return ErrClosed
	}
	return err
}

// Purge forgets everything of a tenant, in every tier and of every key in the folder. It returns when the files are
// deleted. A state that a caller has loaded stays with the caller.
func (s *Store) Purge(tenant string) error {
	return s.purge(func(t string) bool { return t == tenant })
}

// PurgeAll forgets everything, like Purge.
func (s *Store) PurgeAll() error { return s.purge(func(string) bool { return true }) }

func (s *Store) purge(of func(string) bool) error {
	s.files.Lock()
	defer s.files.Unlock()
	var err error
	if s.folder != nil {
		err = s.scan() // other processes write there too
	}
	s.change(func(x *index, fx *effects) { x.purge(of, fx) })
	return errors.Join(err, s.empty())
}

// Stats returns the figures of this moment.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index.figures()
}

// Close writes what is only in memory, until ctx ends, and frees everything. It returns ctx's cause when that cut the
// writing short. It may be called twice.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.index.flush()
	}
	s.mu.Unlock()
	s.nudge()
	var err error
	select {
	case <-s.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
		s.end()
		<-s.done
	}
	s.end()
	return err
}

// change runs one change of the index and carries its effects out, except on disk, where the writer does. It reports false
// and changes nothing when the store is closed.
func (s *Store) change(f func(*index, *effects)) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	busy := s.apply(f)
	s.mu.Unlock()
	if busy {
		s.nudge()
	}
	return true
}

// apply runs a change while mu is held, and reports whether the writer has something to do.
func (s *Store) apply(f func(*index, *effects)) bool {
	var fx effects
	f(s.index, &fx)
	for _, id := range fx.free {
		s.mem[id].Release()
		delete(s.mem, id)
	}
	s.trash = append(s.trash, fx.del...)
	return len(s.trash)+len(s.index.queue) > 0
}

func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Store) nanos() int64 { return s.now().UnixNano() }
