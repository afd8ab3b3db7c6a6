package prefix

import (
	"errors"
	"time"
)

// Tier says where a state is.
type Tier string

// The tiers.
const (
	TierNone Tier = ""
	TierHost Tier = "host" // memory: Load returns at once
	TierDisk Tier = "disk" // a file: Load reads and checks it
)

// Reason says why a lookup or a load gave nothing.
type Reason string

// The reasons. They are the values of a metric's label.
const (
	MissNone     Reason = "none"      // nothing of this tenant begins like the prompt
	MissTooShort Reason = "too_short" // what begins alike is shorter than Config.MinTokens
	MissLive     Reason = "live"      // the caller holds as much already, see Query.Have
	MissNotWorth Reason = "not_worth" // fetching takes longer than computing
	MissEvicted  Reason = "evicted"   // it was here, and went for others
	MissCorrupt  Reason = "corrupt"   // its file was damaged; it is deleted
	MissFailed   Reason = "failed"    // it could not be read now, or the caller gave up
)

// Errors of Load. A caller computes the prompt then.
var (
	ErrGone    = errors.New("prefix: the entry is not held any more")
	ErrCorrupt = errors.New("prefix: the file of the entry is damaged")
	ErrClosed  = errors.New("prefix: the store is closed")
)

// Query is a lookup.
type Query struct {
	Tenant string
	Prompt []int32 // tokens, as many as may be reused at most
	Have   int     // tokens of Prompt that the caller holds without this store: only more is a hit
}

// Hit is the answer to a Query.
type Hit struct {
	Tokens int           // how many tokens of the prompt the state covers; 0: a miss
	Held   int           // how many tokens the whole state covers; the caller truncates it to Tokens
	Bytes  int64         // size of the state
	Tier   Tier          // where it was when it was found
	Wait   time.Duration // how long Load is expected to take
	Miss   Reason        // why Tokens is 0; empty for a hit
	id     entryID
}

// Entry is a state to remember.
type Entry struct {
	Tenant string
	Tokens []int32       // all tokens that State covers; belongs to the store after Put
	State  *Buffer       // as the native library wrote it; belongs to the store after Put
	Cost   time.Duration // time to compute the tokens again; at least 1 ns
	Pinned bool          // goes last, and does not give way to a longer entry
}

// Loaded is what Load found. The caller releases State.
type Loaded struct {
	State  *Buffer
	Tokens []int32 // all tokens that State covers; not to be changed
	Tier   Tier    // where it came from
}

// Stats are the store's figures. Counters never fall.
type Stats struct {
	HostEntries, DiskEntries, ForeignFiles, Queued int   // now; Queued: waiting for the disk
	HostBytes, DiskBytes, ForeignBytes             int64 // now; ForeignBytes is of files with another key
	QueuedBytes                                    int64 // now: memory of states that wait for the disk and that the host tier gave up
	HitsHost, HitsDisk                             uint64
	Misses                                         map[Reason]uint64
	EvictedHost, EvictedDisk                       uint64
	Expired                                        uint64 // removed by Config.MaxAge
	Writes, WriteErrors                            uint64 // files
	Dropped                                        uint64 // not written because the writer was behind, failing, or had no room
	Corrupt                                        uint64 // damaged files found, at Open or by Load
}
