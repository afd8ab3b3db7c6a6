package llamacpp

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

// options are LoadSpec.Options, read.
type options struct {
	repeatable  bool
	plain       bool // no speculation
	maxGap      time.Duration
	kv          gguf.Type
	kvTokens    int
	prefill     int
	cacheMemory int64
	cacheDisk   int64
	cacheDir    string // LoadSpec.Scratch
	cacheAge    time.Duration
	digest      string
}

// parseOptions reads the options and refuses what it does not know.
func parseOptions(in map[string]string) (options, error) {
	o := options{kv: gguf.F16}
	for key, value := range in {
		var err error
		var speculate bool
		switch key {
		case OptRepeatable:
			o.repeatable, err = strconv.ParseBool(value)
		case OptSpeculate:
			speculate, err = strconv.ParseBool(value)
			o.plain = !speculate
		case OptMaxGap:
			if o.maxGap, err = time.ParseDuration(value); err == nil && o.maxGap != 0 && o.maxGap < minGap {
				err = fmt.Errorf("it must be 0s, or at least %s", minGap)
			}
		case OptKVType:
			o.kv, err = kvType(value)
		case OptKVTokens:
			o.kvTokens, err = strconv.Atoi(value)
		case OptCacheMemory:
			o.cacheMemory, err = strconv.ParseInt(value, 10, 64)
		case OptCacheDisk:
			o.cacheDisk, err = strconv.ParseInt(value, 10, 64)
		case OptCacheAge:
			o.cacheAge, err = time.ParseDuration(value)
		case OptPrefill:
			o.prefill, err = strconv.Atoi(value)
		case OptDigest:
			o.digest = value
		default:
			return o, core.Invalid("options."+key, "The llama.cpp runtime has no option %q.", key)
		}
		if err != nil {
			return o, core.Invalid("options."+key, "The option %s is %q: %v.", key, value, err)
		}
	}
	if min(o.kvTokens, 1<<30-o.kvTokens, o.prefill, maxThreads-o.prefill) < 0 || min(o.cacheMemory, o.cacheDisk, int64(o.cacheAge), int64(o.maxGap)) < 0 {
		return o, core.Invalid("options", "An option of the llama.cpp runtime is out of range; none may be negative.")
	}
	if o.repeatable && o.kv != gguf.F16 {
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

// key identifies what a sequence's state depends on.
func (o options) key() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%v\n%v\n%v", o.digest, llama.Release, o.kv, o.repeatable, o.kvTokens > 0))
}

// apply changes the parameters of a context for generation.
func (o options) apply(p *llama.ContextParams, l layout) {
	p.FlashAttnType = llama.FlashAttnAuto
	if o.repeatable {
		p.FlashAttnType = llama.FlashAttnOff
	}
	p.TypeK, p.TypeV = int32(o.kv), int32(o.kv)           //nolint:gosec // small numbers of the format
	p.NCtx, p.KVUnified = uint32(l.cells), o.kvTokens > 0 //nolint:gosec // bounded by fit
}
