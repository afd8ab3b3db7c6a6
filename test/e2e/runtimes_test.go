package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ashatai/internal/gguf/gguftest"
)

// placed is what /placement tells of a candidate.
type placed struct {
	Runtime string `json:"runtime"`
	Device  string `json:"device"`
	Reason  string `json:"reason"`
	Breaker string `json:"breaker"`
	Loaded  bool   `json:"loaded"`
}

func placements(t *testing.T, addr, model string) map[string]placed {
	t.Helper()
	var answer struct {
		Candidates []placed `json:"candidates"`
	}
	if err := json.Unmarshal([]byte(get(t, addr+"/api/v1/models/"+model+"/placement")), &answer); err != nil {
		t.Fatal(err)
	}
	out := map[string]placed{}
	for _, c := range answer.Candidates {
		out[c.Runtime] = c
	}
	return out
}

// TestReplicasOfThreeRuntimes has one name stand for a model as GGUF on llama.cpp, as ONNX and on PyTorch. All give the same answer. Each is
// killed in the middle of one: that one ends with a typed error, the placement shows its place alone as not loaded, the answers of the others
// are whole, and new requests are answered meanwhile.
func TestReplicasOfThreeRuntimes(t *testing.T) {
	bin := given(t, "ASHATAI_TEST_BIN")
	for _, library := range []string{"ASHATAI_TEST_LIB", "ASHATAI_TEST_ONNX", "ASHATAI_TEST_PYTORCH"} {
		given(t, library)
	}
	home := t.TempDir()
	writeTriplet(t, filepath.Join(home, "models"), gguftest.Options{
		Name: "triplet", Width: 128, Layers: 4, Context: 2048, Seed: 5, Template: "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}",
	})
	settings := "engine: {context: 2048, sequences: 1, threads: 1, speculation: false}\n" +
		"models:\n  triplet-gguf:\n    aliases: [three]\n    replicas: ['runtime=llamacpp', 'model=triplet-onnx', 'model=triplet-torch']\n    balance: round-robin\n"
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := siteIn(t, bin, home)
	all := []string{"llamacpp", "onnx", "pytorch"}
	for runtime, p := range placements(t, addr, "three") {
		if slices.Contains(all, runtime) && (p.Loaded || p.Device != "cpu" || p.Breaker != "closed") {
			t.Errorf("before anything is loaded: %s %+v", runtime, p)
		}
	}
	const short, long = 48, 1500
	texts := map[string]string{}
	for range 2 * len(all) {
		s := story(t, addr, "three", short, func(said) {})
		if !s.whole || s.fail != "" || s.text == "" {
			t.Fatalf("%+v", s)
		}
		texts[s.runtime] = s.text
	}
	delete(texts, "") // of one that waited so long for its load that its answer had to begin before
	if len(texts) != len(all) || texts["onnx"] != texts["llamacpp"] || texts["pytorch"] != texts["llamacpp"] {
		t.Fatalf("%q", texts)
	}
	for _, doomed := range all {
		pids := workersOf(t, addr, doomed) // asked for before, since an answer takes little longer than asking
		begun, ends := make(chan string, len(all)), make(chan said, len(all))
		for range all {
			go func() { ends <- story(t, addr, "three", long, func(s said) { begun <- s.runtime }) }()
		}
		left := len(all)
		for left > 0 && <-begun != doomed {
			left--
		}
		if left == 0 {
			t.Errorf("no answer began at %s", doomed)
		}
		killAll(t, pids)
		for limit := time.Now().Add(30 * time.Second); placements(t, addr, "three")[doomed].Loaded; {
			if time.Now().After(limit) {
				t.Fatalf("%s was killed, and its place stays loaded", doomed)
			}
		}
		for runtime, p := range placements(t, addr, "three") {
			if slices.Contains(all, runtime) && p.Loaded != (runtime != doomed) {
				t.Errorf("%s was killed: %s %+v", doomed, runtime, p)
			}
		}
		lost := 0
		for range 3 { // while it is away
			if s := story(t, addr, "three", short, func(said) {}); !s.whole || s.fail != "" || s.text != texts["llamacpp"] {
				t.Errorf("after %s was killed: %+v", doomed, s)
			}
		}
		for range all {
			s := <-ends
			switch {
			case s.whole && s.fail == "" && strings.HasPrefix(s.text, texts["llamacpp"]):
			case s.runtime == doomed && s.fail == "worker_died":
				lost++
			default:
				t.Errorf("%s was killed: %.300v", doomed, s)
			}
		}
		if lost != 1 {
			t.Errorf("%s was killed: %d answers ended by it", doomed, lost)
		}
	}
}
