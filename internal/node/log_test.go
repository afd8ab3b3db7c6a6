package node

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestLogFile: the log goes to the file of the settings, and to nothing else then.
func TestLogFile(t *testing.T) {
	opt := options(t, settings(t, map[string]string{"logs.file": "server.log"}))
	var other bytes.Buffer
	opt.Errors = &other
	t.Run("serve", func(t *testing.T) { start(t, opt) })
	b, err := os.ReadFile(filepath.Join(opt.Settings.Home, "server.log"))
	if err != nil || !bytes.Contains(b, []byte(`"msg":"the server is ready"`)) || other.Len() != 0 {
		t.Errorf("%s, %v, beside it: %s", b, err, other.String())
	}
}
