package fallback

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"ashatai/internal/engine"
)

// learned is what loads took of devices, by load and device, in bytes.
type learned struct {
	Beyond map[string]int64 `json:"beyond"` // by how much the last one took more than was computed before it
	Whole  map[string]int64 `json:"whole"`  // what the last one took that had all of its layers there
}

// maxLearned bounds what is remembered, in entries of each kind, and maxLearnedFile the file of it, in bytes.
const (
	maxLearned     = 4096
	maxLearnedFile = 4 << 20
)

// note remembers what a load took.
func (l *learned) note(key string, uses []engine.DeviceUse) {
	for _, u := range uses {
		remember(l.Beyond, key+" "+u.ID, max(0, u.Total()-u.Planned))
		if u.Layers == u.Of {
			remember(l.Whole, key+" "+u.ID, u.Total())
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

// write keeps it for the next server, in one step.
func (l *learned) write(file string) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp := file + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}
