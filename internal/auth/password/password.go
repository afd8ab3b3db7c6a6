// Package password keeps passwords as Argon2id hashes (RFC 9106) in PHC form, and checks them. It bounds how many hashes
// are computed at once, since each takes memory that the models want too. It knows no accounts and no rates.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"ashatai/internal/core"
)

// The bounds of a password's length in bytes. The upper one keeps a hash of a body from being work for free.
const (
	MinLength = 8
	MaxLength = 256
)

// Cost is what one hash takes.
type Cost struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// DefaultCost is the least that is thought safe for passwords of a server in 2025: 19 MiB, two passes, one thread.
func DefaultCost() Cost { return Cost{Memory: 19 << 10, Passes: 2, Threads: 1} }

// atLeast reports whether c is nowhere below want.
func (c Cost) atLeast(want Cost) bool {
	return c.Memory >= want.Memory && c.Passes >= want.Passes && c.Threads >= want.Threads
}

const (
	saltLength = 16
	hashLength = 32
	// Bounds of what a stored hash may ask for: a database is trusted, a damaged one is not.
	maxMemory  = 1 << 20
	maxPasses  = 64
	maxThreads = 64
)

// Hasher computes hashes, a few at a time. It may be used by many goroutines.
type Hasher struct {
	cost    Cost
	slots   chan struct{}
	waiting atomic.Int32
	decoy   string
	count   atomic.Int64
}

// perSlot is how many may wait for each hash that runs; a caller beyond that is asked to come back.
const perSlot = 16

// New makes a Hasher that computes at most parallel hashes at once.
func New(cost Cost, parallel int) *Hasher {
	h := &Hasher{cost: cost, slots: make(chan struct{}, max(parallel, 1))}
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails
	// Nobody's password: what an unknown user's is compared with. Its hash is random, so that nothing fits it.
	sum := make([]byte, hashLength)
	_, _ = rand.Read(sum)
	h.decoy = encode(cost, salt, sum)
	return h
}

// Check says whether a new password may be used. The error names the field param.
func Check(param, password string) error {
	switch n := len(password); {
	case n < MinLength:
		return core.Invalid(param, "A password has at least %d characters.", MinLength)
	case n > MaxLength:
		return core.Invalid(param, "A password has at most %d bytes.", MaxLength)
	}
	return nil
}

// Hash makes the hash of a new password. Errors: CodeRateLimited where too many wait, and the context's end.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails
	sum, err := h.run(ctx, h.cost, salt, password)
	if err != nil {
		return "", err
	}
	return encode(h.cost, salt, sum), nil
}

// Verify compares a password with a hash that Hash made. An empty or unreadable hash fits no password, and takes as long to
// find that out. Stale reports that the hash should be made anew, since the cost has grown. Errors as of Hash.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, stale bool, err error) {
	cost, salt, want, readable := decode(hash)
	if !readable {
		cost, salt, want, _ = decode(h.decoy)
	}
	if len(password) > MaxLength {
		password, readable = password[:MaxLength], false
	}
	sum, err := h.run(ctx, cost, salt, password)
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(sum, want) == 1 && readable
	return ok, ok && !cost.atLeast(h.cost), nil
}

// Computed is how many hashes were computed, for tests and metrics.
func (h *Hasher) Computed() int64 { return h.count.Load() }

func (h *Hasher) run(ctx context.Context, c Cost, salt []byte, password string) ([]byte, error) {
	if int(h.waiting.Add(1)) > cap(h.slots)*(perSlot+1) {
		h.waiting.Add(-1)
		return nil, &core.Error{
			Code: core.CodeRateLimited, RetryAfter: time.Second,
			Message: "Too many logins are being checked at once; try again in a moment.",
		}
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	h.count.Add(1)
	return argon2.IDKey([]byte(password), salt, c.Passes, c.Memory, c.Threads, hashLength), nil
}

const prefix = "$argon2id$v=19$"

func encode(c Cost, salt, sum []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("%sm=%d,t=%d,p=%d$%s$%s", prefix, c.Memory, c.Passes, c.Threads, b.EncodeToString(salt), b.EncodeToString(sum))
}

// decode reads the PHC form that encode writes and refuses every other.
func decode(text string) (c Cost, salt, sum []byte, ok bool) {
	rest, found := strings.CutPrefix(text, prefix)
	parts := strings.Split(rest, "$")
	if !found || len(parts) != 3 {
		return c, nil, nil, false
	}
	numbers := strings.Split(parts[0], ",")
	if len(numbers) != 3 {
		return c, nil, nil, false
	}
	m, ok1 := number(numbers[0], "m=", maxMemory)
	t, ok2 := number(numbers[1], "t=", maxPasses)
	p, ok3 := number(numbers[2], "p=", maxThreads)
	salt, err1 := base64.RawStdEncoding.Strict().DecodeString(parts[1])
	sum, err2 := base64.RawStdEncoding.Strict().DecodeString(parts[2])
	if !ok1 || !ok2 || !ok3 || err1 != nil || err2 != nil || len(salt) < saltLength || len(sum) != hashLength {
		return Cost{}, nil, nil, false
	}
	return Cost{Memory: m, Passes: t, Threads: uint8(p)}, salt, sum, true //nolint:gosec // at most maxThreads
}

func number(text, name string, most uint32) (uint32, bool) {
	digits, found := strings.CutPrefix(text, name)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !found || err != nil || n < 1 || n > uint64(most) || strconv.FormatUint(n, 10) != digits {
		return 0, false
	}
	return uint32(n), true
}
