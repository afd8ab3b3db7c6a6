package script_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// offer starts a server that offers the test's model file, as the hub repository team/tiny, and as the model tiny of a
// registry. It writes NAME.yaml, the settings of a server that pulls from there, and puts its host:port into $NAME.
func offer(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.Getenv("MODEL")
	digest, size, err := fileDigest(path)
	ts.Check(err)
	system := "Answer in one word."
	textSum := sha256.Sum256([]byte(system))
	textDigest := hex.EncodeToString(textSum[:])
	file := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		http.ServeFile(w, r, path)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/models/team/tiny/revision/main", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"siblings":[{"rfilename":"Tiny.Q4_0.gguf","lfs":{"sha256":%q,"size":%d}}]}`, digest, size)
	})
	mux.HandleFunc("GET /team/tiny/resolve/main/Tiny.Q4_0.gguf", file)
	mux.HandleFunc("GET /v2/library/tiny/manifests/latest", func(w http.ResponseWriter, _ *http.Request) {
		const kind = "application/vnd.ollama.image."
		_ = json.NewEncoder(w).Encode(map[string]any{"layers": []map[string]any{
			{"mediaType": kind + "model", "digest": "sha256:" + digest, "size": size},
			{"mediaType": kind + "system", "digest": "sha256:" + textDigest, "size": len(system)},
			{"mediaType": kind + "template", "digest": "sha256:" + textDigest, "size": len(system)},
		}})
	})
	mux.HandleFunc("GET /v2/library/tiny/blobs/{digest}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("digest") == "sha256:"+textDigest {
			_, _ = io.WriteString(w, system)
			return
		}
		file(w, r)
	})
	s := httptest.NewServer(mux)
	ts.Defer(s.Close)
	settings := fmt.Sprintf("network:\n  allow: [127.0.0.1]\npull:\n  hub: %s\n  registry: %s\n", s.URL, s.URL)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".yaml"), []byte(settings), 0o600))
	ts.Setenv(args[0], strings.TrimPrefix(s.URL, "http://"))
}

func fileDigest(path string) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	n, err := io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}
