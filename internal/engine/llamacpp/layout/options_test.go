package layout

import (
	"testing"
	"time"

	"ashatai/internal/gguf"
	"ashatai/internal/native/llama"
)

func TestOptionsAreChecked(t *testing.T) {
	for key, value := range map[string]string{
		OptRepeatable: "perhaps", OptMaxGap: "1ms", OptSpeculate: "x", OptKVType: "q2", OptKVTokens: "-1", OptCacheMemory: "much", OptCacheDisk: "-5",
		OptCacheAge: "-1s", OptPrefill: "-1", "unknown": "1",
	} {
		if o, err := Parse(map[string]string{key: value}); err == nil {
			t.Errorf("%s=%s became %+v", key, value, o)
		}
	}
	if _, err := Parse(map[string]string{OptRepeatable: "true", OptKVType: "q8_0"}); err == nil {
		t.Error("repeatable with q8_0 was taken")
	}
	if o, err := Parse(map[string]string{OptMaxGap: "100ms", OptSpeculate: "false", OptCacheAge: "1h"}); err != nil || o.MaxGap != 100*time.Millisecond || !o.Plain {
		t.Errorf("%+v, %v", o, err)
	}
}

// What a sequence's state depends on is in the key, and nothing else.
func TestKey(t *testing.T) {
	one := Options{Digest: "a", KV: gguf.F16}
	for _, o := range []Options{{Digest: "b", KV: gguf.F16}, {Digest: "a", KV: gguf.Q8_0}, {Digest: "a", KV: gguf.F16, Repeatable: true}, {Digest: "a", KV: gguf.F16, KVTokens: 5}} {
		if o.Key() == one.Key() {
			t.Errorf("%+v has the key of %+v", o, one)
		}
	}
	if same := (Options{Digest: "a", KV: gguf.F16, Plain: true, CacheMemory: 7}); same.Key() != one.Key() {
		t.Error("what changes no state changes the key")
	}
}

func TestApply(t *testing.T) {
	var p llama.ContextParams
	Options{KV: gguf.Q8_0, KVTokens: 9}.Apply(&p, Layout{Cells: 9})
	if p.FlashAttnType != llama.FlashAttnAuto || p.TypeK != int32(gguf.Q8_0) || p.TypeV != p.TypeK || p.NCtx != 9 || !p.KVUnified {
		t.Errorf("%+v", p)
	}
	Options{Repeatable: true}.Apply(&p, Layout{Cells: 8})
	if p.FlashAttnType != llama.FlashAttnOff || p.NCtx != 8 || p.KVUnified {
		t.Errorf("%+v", p)
	}
}
