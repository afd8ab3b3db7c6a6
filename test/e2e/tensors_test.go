package e2e_test

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/test/launch"
)

// tensorSite is the built server with the small models that take tensors, and with settings.
func tensorSite(t *testing.T, set ...string) string {
	t.Helper()
	bin, from := given(t, "ASHATAI_TEST_BIN"), given(t, "ASHATAI_TEST_TENSOR_MODELS")
	home := t.TempDir()
	installed(t, from, filepath.Join(home, "models"))
	addr, _ := launch.In(t, bin, home, set...)
	return addr
}

type outputs map[string]struct {
	Name string          `json:"name"`
	Data json.RawMessage `json:"data"`
}

func compute(t *testing.T, addr, model string, request map[string]any) outputs {
	t.Helper()
	status, body := post(t, addr+"/v2/models/"+model+"/infer", request)
	var answer struct {
		Outputs []struct {
			Name string          `json:"name"`
			Data json.RawMessage `json:"data"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("%d %.300s, %v", status, body, err)
	}
	out := outputs{}
	for _, o := range answer.Outputs {
		out[o.Name] = o
	}
	return out
}

func tensor(name, kind string, shape []int, data any) map[string]any {
	return map[string]any{"name": name, "datatype": kind, "shape": shape, "data": data}
}

// beginAndEnd is what Magika looks at: the first and the last 1,024 bytes without the spaces around them, and 256 where there are none.
func beginAndEnd(b []byte) []int {
	const side, block, none = 1024, 4096, 256
	begin := bytes.TrimLeft(b[:min(len(b), block)], " \t\r\n")
	end := bytes.TrimRight(b[max(0, len(b)-block):], " \t\r\n")
	begin, end = begin[:min(len(begin), side)], end[max(0, len(end)-side):]
	out := make([]int, 2*side)
	for i := range out {
		out[i] = none
	}
	for i, c := range begin {
		out[i] = int(c)
	}
	for i, c := range end {
		out[2*side-len(end)+i] = int(c)
	}
	return out
}

// TestMagika tells types of files apart by a real model: classification with the labels that its configuration names.
func TestMagika(t *testing.T) {
	addr := tensorSite(t)
	for file, want := range map[string]string{
		"tensors_test.go": "go", "../../scripts/setup-test.sh": "shell", "../bench/oip/versus_mlserver.py": "python", "../../docs/page.png": "png",
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := compute(t, addr, "magika", map[string]any{
			"inputs":  []any{tensor("bytes", "INT32", []int{1, 2048}, beginAndEnd(b))},
			"outputs": []any{map[string]any{"name": "target_label", "parameters": map[string]any{"classification": 1}}},
		})
		var best []string
		if err := json.Unmarshal(got["target_label"].Data, &best); err != nil || len(best) != 1 || !strings.HasSuffix(best[0], ":"+want) {
			t.Errorf("%s is %v, %v", file, best, err)
		}
	}
}

// TestSilero hears silence with a detector of voices, whose state its caller carries from block to block.
func TestSilero(t *testing.T) {
	addr := tensorSite(t)
	state := json.RawMessage(mustJSON(t, make([]float32, 256)))
	for range 5 {
		got := compute(t, addr, "vad", map[string]any{"inputs": []any{
			tensor("input", "FP32", []int{1, 576}, make([]float32, 576)), tensor("state", "FP32", []int{2, 1, 128}, state), tensor("sr", "INT64", []int{}, []int{16000}),
		}})
		var voice []float64
		if err := json.Unmarshal(got["output"].Data, &voice); err != nil || len(voice) != 1 || voice[0] < 0 || voice[0] > 0.05 {
			t.Fatalf("silence is a voice: %v, %v", voice, err)
		}
		if bytes.Equal(state, got["stateN"].Data) {
			t.Fatal("the state stays what it was")
		}
		state = got["stateN"].Data
	}
}

// TestSileroOnPyTorch: the same detector as TorchScript, which takes the rate as a number, hears what the one of ONNX hears; it is loaded
// only where it is trusted.
func TestSileroOnPyTorch(t *testing.T) {
	given(t, "ASHATAI_TEST_PYTORCH")
	addr := tensorSite(t, "models.vad-script.trusted=true")
	rate := tensor("sr", "INT64", []int{}, []int{16000})
	for name, loud := range map[string]float64{"silence": 0, "a low hum": 0.4} {
		// ONNX takes the end of the block before in front of each block; there is none before the first.
		const before, block = 64, 512
		sound := make([]float64, before+block)
		for i := range block {
			at := 2 * math.Pi * float64(i) / 16000
			sound[before+i] = loud * (math.Sin(120*at) + math.Sin(240*at)/2 + math.Sin(720*at)/3)
		}
		heard := func(out outputs) float64 {
			t.Helper()
			for _, o := range out {
				var p []float64
				if json.Unmarshal(o.Data, &p) == nil && len(p) == 1 {
					return p[0]
				}
			}
			t.Fatalf("%s: no probability in %v", name, out)
			return 0
		}
		onnx := heard(compute(t, addr, "vad", map[string]any{"inputs": []any{
			tensor("input", "FP32", []int{1, before + block}, sound), tensor("state", "FP32", []int{2, 1, 128}, make([]float64, 256)), rate,
		}, "outputs": []any{map[string]any{"name": "output"}}}))
		script := heard(compute(t, addr, "vad-script", map[string]any{"inputs": []any{tensor("x", "FP32", []int{1, block}, sound[before:]), rate}}))
		if math.Abs(onnx-script) > 0.001 || loud == 0 && script > 0.05 {
			t.Errorf("%s: ONNX hears %.4f, TorchScript %.4f", name, onnx, script)
		}
		t.Logf("%s: ONNX hears %.4f, TorchScript %.4f", name, onnx, script)
	}
	status, body := post(t, tensorSite(t)+"/v2/models/vad-script/infer", map[string]any{"inputs": []any{tensor("x", "FP32", []int{1, 512}, make([]float64, 512)), rate}})
	if status == http.StatusOK || !strings.Contains(body, "trusted") {
		t.Errorf("without trust: %d %s", status, body)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
