package layout

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/gguf"
	"ashatai/internal/native/llama"
)

// The keys of LoadSpec.Options that this runtime knows.
const (
	OptRepeatable  = "repeatable"      // "true": the same numbers in any company, see DESIGN.md; "false" is the default
	OptMaxGap      = "max_gap"         // longest time between two tokens of a stream that prompts may cause; "0s" lets the runtime choose
	OptSpeculate   = "speculate"       // "false": no drafts from repeated text
	OptKVType      = "kv_type"         // "f16" or "q8_0"
	OptKVTokens    = "kv_tokens"       // tokens of one KV space that all sequences share; "0": each has its own
	OptCacheMemory = "cache_memory"    // bytes for prefixes that no sequence holds
	OptCacheDisk   = "cache_disk"      // bytes for them in LoadSpec.Scratch
	OptCacheAge    = "cache_age"       // prefixes computed longer ago are removed; "0s": no limit
	OptPrefill     = "prefill_threads" // threads for prompts and drafts; "0": as for single tokens
	OptDigest      = "digest"          // of the model's file; without it nothing is kept on disk
)

// minGap is the shortest bound that leaves room for a piece of a prompt worth computing.
const minGap = 20 * time.Millisecond

// Options are LoadSpec.Options, read.
type Options struct {
	Repeatable  bool
	Plain       bool // no speculation
	MaxGap      time.Duration
	KV          gguf.Type
	KVTokens    int
	Prefill     int
	CacheMemory int64
	CacheDisk   int64
	CacheDir    string // LoadSpec.Scratch
	CacheAge    time.Duration
	Digest      string
}

// Parse reads the options and refuses what it does not know.
func Parse(in map[string]string) (Options, error) {
	o := Options{KV: gguf.F16}
	for key, value := range in {
		var err error
		var speculate bool
		switch key {
		case OptRepeatable:
			o.Repeatable, err = strconv.ParseBool(value)
		case OptSpeculate:
			speculate, err = strconv.ParseBool(value)
			o.Plain = !speculate
		case OptMaxGap:
			if o.MaxGap, err = time.ParseDuration(value); err == nil && o.MaxGap != 0 && o.MaxGap < minGap {
				err = fmt.Errorf("it must be 0s, or at least %s", minGap)
			}
		case OptKVType:
			o.KV, err = kvType(value)
		case OptKVTokens:
			o.KVTokens, err = strconv.Atoi(value)
		case OptCacheMemory:
			o.CacheMemory, err = strconv.ParseInt(value, 10, 64)
		case OptCacheDisk:
			o.CacheDisk, err = strconv.ParseInt(value, 10, 64)
		case OptCacheAge:
			o.CacheAge, err = time.ParseDuration(value)
		case OptPrefill:
			o.Prefill, err = strconv.Atoi(value)
		case OptDigest:
			o.Digest = value
		default:
			return o, core.Invalid("options."+key, "The llama.cpp runtime has no option %q.", key)
		}
		if err != nil {
			return o, core.Invalid("options."+key, "The option %s is %q: %v.", key, value, err)
		}
	}
	if min(o.KVTokens, 1<<30-o.KVTokens, o.Prefill, maxThreads-o.Prefill) < 0 || min(o.CacheMemory, o.CacheDisk, int64(o.CacheAge), int64(o.MaxGap)) < 0 {
		return o, core.Invalid("options", "An option of the llama.cpp runtime is out of range; none may be negative.")
	}
	if o.Repeatable && o.KV != gguf.F16 {
		return o, core.Invalid("options."+OptKVType, "repeatable needs the KV type f16; with another one llama.cpp must use flash attention.")
	}
	return o, nil
}

func kvType(name string) (gguf.Type, error) {
	switch name {
	case "f16":
		return gguf.F16, nil
	case "q8_0":
		return gguf.Q8_0, nil
	}
	return 0, errors.New("it must be f16 or q8_0")
}

// Key identifies what a sequence's state depends on.
func (o Options) Key() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%v\n%v\n%v", o.Digest, llama.Release, o.KV, o.Repeatable, o.KVTokens > 0))
}

// Apply changes the parameters of a context for generation.
func (o Options) Apply(p *llama.ContextParams, l Layout) {
	p.FlashAttnType = llama.FlashAttnAuto
	if o.Repeatable {
		p.FlashAttnType = llama.FlashAttnOff
	}
	p.TypeK, p.TypeV = int32(o.KV), int32(o.KV)           //nolint:gosec // small numbers of the format
	p.NCtx, p.KVUnified = uint32(l.Cells), o.KVTokens > 0 //nolint:gosec // bounded by fit
}
