package archtest

import (
	"strings"
	"testing"
)

// layers is the order of ARCHITECTURE.md. A name that ends in "/" stands for the packages below that folder.
func layers() map[string]int {
	return map[string]int{
		"core": 0, "web": 0, "native": 0,
		"obs": 1, "life": 1, "feature": 1, "rawio": 1, "whole": 1, "device": 1,
		"config": 2, "netx": 2, "proc": 2, "sandbox": 2, "blob": 2, "store": 2, "seal": 2,
		"chat": 2, "gguf": 2, "modelfile": 2, "tokenizer": 2, "onnxfile": 2, "protobuf": 1, "savedmodel": 2, "tflite": 2, "engine": 2, "fleet/plan": 2,
		"jobs": 3, "device/probe": 3,
		"engine/": 4, "worker": 4, "device/": 4,
		"fleet": 5, "models": 5, "infer": 5, "project": 5, "optimize": 5,
		"convo": 5, "auth": 5, "backup": 5, "quota": 5, "audit": 5, "secret": 5, "provision": 5,
		"api": 6, "cli": 6,
		"node":     7,
		"archtest": 9,
	}
}

func layerOf(p string) int {
	order := layers()
	for q := p; ; {
		if n, ok := order[q+"/"]; ok && q != p {
			return n
		}
		if n, ok := order[q]; ok {
			return n
		}
		i := strings.LastIndex(q, "/")
		if i < 0 {
			return -1
		}
		q = q[:i]
	}
}

// tree is the top folder of a package: what lies in one tree may import each other.
func tree(p string) string {
	top, _, _ := strings.Cut(p, "/")
	return top
}

// badArrow says what is wrong with package from importing package to, or nothing. Both are without the prefix.
func badArrow(from, to string) string {
	lf, lt := layerOf(from), layerOf(to)
	switch {
	case lf < 0:
		return from + " has no layer; give it one in ARCHITECTURE.md and here"
	case lt < 0:
		return to + " has no layer; give it one in ARCHITECTURE.md and here"
	case tree(from) == tree(to):
		return ""
	case lt >= lf:
		return from + " imports " + to + ", which is not below it"
	}
	return ""
}

func TestBadArrow(t *testing.T) {
	for _, c := range []struct {
		from, to string
		bad      bool
	}{
		{"api/openai", "core", false},
		{"api/openai", "api", false},
		{"engine/llamacpp", "native/llama", false},
		{"engine/mock", "engine", false},
		{"fleet", "fleet/plan", false},
		{"fleet/plan", "core", false},
		{"worker/host", "proc", false},
		{"node", "cli", false},
		{"core", "obs", true},
		{"models", "fleet", true}, // features never import each other
		{"infer", "models", true},
		{"engine", "worker/host", true},
		{"api/openai", "node", true},
		{"store", "blob", true},
		{"utils", "core", true},
	} {
		if got := badArrow(c.from, c.to); (got != "") != c.bad {
			t.Errorf("%s -> %s: %q, want bad = %v", c.from, c.to, got, c.bad)
		}
	}
}

func TestArrowsPointDown(t *testing.T) {
	seen := map[string]bool{}
	n := 0
	for _, goos := range systems() {
		for _, p := range list(t, goos, "./internal/...") {
			from := strings.TrimPrefix(p.ImportPath, prefix)
			if layerOf(from) < 0 && !seen[from] {
				seen[from] = true
				t.Errorf("%s has no layer; give it one in ARCHITECTURE.md and here", from)
			}
			for _, i := range p.Imports {
				to, ours := strings.CutPrefix(i, prefix)
				if !ours {
					continue
				}
				n++
				if msg := badArrow(from, to); msg != "" && !seen[msg] {
					seen[msg] = true
					t.Error(msg)
				}
			}
		}
	}
	if n == 0 {
		t.Error("no arrow was checked; the list of packages is wrong")
	}
}

// bans are what a package must not reach at all, through however many others.
func bans() map[string][]string {
	return map[string][]string{
		// The front process is static and holds no native code: a library that aborts ends a worker, never the server.
		"./cmd/ashatai": {prefix + "native", prefix + "engine/llamacpp", prefix + "engine/onnx", prefix + "engine/tensorflow", "github.com/ebitengine/purego"},
		// A worker has no network of its own, no database and no page.
		"./cmd/ashatai-worker": {prefix + "store", prefix + "node", prefix + "api", prefix + "netx", prefix + "web", "modernc.org/sqlite", "github.com/jackc/pgx"},
		// A dialect knows the words and nothing of what runs.
		"./internal/api/...": {prefix + "fleet", prefix + "engine", prefix + "store", prefix + "worker"},
		// The command line is a client; what it shares with the server are words.
		"./internal/core": {"net/http", "os/exec", "database/sql"},
	}
}

func TestTransitiveBans(t *testing.T) {
	for pattern, banned := range bans() {
		for _, p := range list(t, "linux", pattern) {
			if len(p.Deps) == 0 {
				t.Errorf("%s was not found, so its ban was not checked", p.ImportPath)
			}
			for _, d := range p.Deps {
				for _, b := range banned {
					if d == b || strings.HasPrefix(d, b+"/") {
						t.Errorf("%s reaches %s", p.ImportPath, d)
					}
				}
			}
		}
	}
}

func TestNoTestCodeInTheProduct(t *testing.T) {
	for _, p := range list(t, "linux", "./cmd/...") {
		for _, d := range p.Deps {
			if d == "testing" || strings.HasPrefix(d, "pgregory.net/rapid") || strings.HasSuffix(d, "test") && strings.HasPrefix(d, prefix) {
				t.Errorf("%s reaches %s, which is for tests", p.ImportPath, d)
			}
		}
	}
}
