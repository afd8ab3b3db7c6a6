package ollama

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// maxKeep is the longest time that counts as one; anything above is for ever.
const maxKeep = 365 * 24 * time.Hour

// keepAlive is a time in JSON: "5m", or a number of seconds, also as a string. Negative is for ever.
type keepAlive struct{ d time.Duration }

// UnmarshalJSON reads every form.
func (k *keepAlive) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = string(data)
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(seconds) {
		k.d = bounded(seconds * float64(time.Second))
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return core.Invalid("keep_alive", "keep_alive is %s; it is a number of seconds, or a time such as \"90s\", \"5m\" or \"1h\". Negative keeps the model loaded, 0 unloads it.", api.Show(text))
	}
	k.d = bounded(float64(d))
	return nil
}

func bounded(nanoseconds float64) time.Duration {
	if nanoseconds < 0 || nanoseconds > float64(maxKeep) {
		return -1
	}
	return time.Duration(nanoseconds)
}

// JSONSchema is for the OpenAPI document.
func (k *keepAlive) JSONSchema() map[string]any {
	return map[string]any{"type": []string{"string", "number"}, "examples": []any{"5m", 300, -1}}
}

func (k *keepAlive) pointer() *time.Duration {
	if k == nil {
		return nil
	}
	return &k.d
}

// unloads reports whether a request without anything to do asks for the model to go.
func (k *keepAlive) unloads() bool { return k != nil && k.d == 0 }

// wishOf makes the wish of a request. Keeping and sizing models is an operator's: anybody else's wish changes no model, and
// the note says so. What num_ctx bounds of the request itself, it bounds for all.
func wishOf(p core.Principal, keep *keepAlive, context int) (_ Wish, note string) {
	w := Wish{KeepAlive: keep.pointer(), Context: context}
	if p.Scopes.Has(core.ScopeOperate) || w == (Wish{}) {
		return w, ""
	}
	return Wish{}, "keep_alive and num_ctx need the scope " + core.ScopeOperate.String() + " to change what is loaded"
}
