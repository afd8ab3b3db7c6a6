package fallback

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"

	"ashatai/internal/engine"
)

// learned is what loads took of devices, in bytes, by load (shape) and device (id and mark). What is asked for in another way, or of
// another device, driver or library, is another load, of which nothing is known.
type learned struct {
	Beyond map[string]int64 `json:"beyond"` // by how much the last one took more than was computed before it
	Whole  map[string]int64 `json:"whole"`  // what the last one took for which nothing was given up
}

// maxLearned bounds what is remembered, in entries of each kind, and maxLearnedFile the file of it, in bytes.
const (
	maxLearned     = 4096
	maxLearnedFile = 4 << 20
)

// shape names the loads that take the same of a device: of one file, with the same settings.
func shape(spec engine.LoadSpec) string {
	o := *spec.Offload
	o.Devices = nil // what is left of them differs from load to load
	spec.Offload, spec.Scratch, spec.Memory = &o, "", 0
	b, err := json.Marshal(spec)
	if err != nil {
		return "" // it is made of what JSON has; and what is not known is learned anew
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// note remembers what a load took; on is the place of each device. One that was made smaller to fit has all of its layers on the device
// too, where its context is shorter.
func (l *learned) note(spec engine.LoadSpec, f engine.Facts, on func(id string) string) {
	for _, u := range f.Offload {
		at := shape(spec) + " " + on(u.ID)
		remember(l.Beyond, at, max(0, u.Total()-u.Planned))
		if f.Fallback == spec.Fallback {
			remember(l.Whole, at, u.Total())
		}
	}
}

// remember forgets some other entry where there is no room.
func remember(m map[string]int64, key string, n int64) {
	if _, ok := m[key]; !ok && len(m) >= maxLearned {
		for old := range m {
			delete(m, old)
			break
		}
	}
	m[key] = n
}

// readLearned reads what a server before this one learned. A file that is missing, or that nobody can read, teaches nothing.
func readLearned(file string) learned {
	none := learned{Beyond: map[string]int64{}, Whole: map[string]int64{}}
	f, err := os.Open(file) //nolint:gosec // of the server's own home
	if err != nil {
		return none
	}
	defer f.Close() //nolint:errcheck // it is only read
	var l learned
	if err := json.NewDecoder(io.LimitReader(f, maxLearnedFile)).Decode(&l); err != nil || l.Beyond == nil || l.Whole == nil {
		return none
	}
	return l
}
