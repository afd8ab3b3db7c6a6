package e2e_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/engine/enginetest"
)

// putModel puts a file or a folder of files in a new folder of a home's models.
func putModel(t *testing.T, home, model, from, name string) {
	t.Helper()
	dir := filepath.Join(home, "models", model)
	if name == "" {
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRuntimesAgree: one published model, as SavedModel, ONNX and TensorFlow Lite, gives the same three tensors through the server.
// The outputs are probabilities, and the libraries add in another order: the bounds are those of the test of the engines.
func TestRuntimesAgree(t *testing.T) {
	bin, from := given(t, "ASHATAI_TEST_BIN"), given(t, "ASHATAI_TEST_TENSORFLOW_MODELS")
	given(t, "ASHATAI_TEST_TENSORFLOW")
	home := t.TempDir()
	putModel(t, home, "saved", filepath.Join(from, "basic-pitch"), "")
	putModel(t, home, "onnx", filepath.Join(from, "nmp.onnx"), "model.onnx")
	putModel(t, home, "lite", filepath.Join(from, "nmp.tflite"), "model.tflite")
	addr := siteIn(t, bin, home)
	const samples = 43844
	wave := make([]float32, samples)
	for i := range wave { // two tones that fade, at 22,050 samples a second
		s := float64(i) / 22050
		wave[i] = float32(math.Exp(-s) * (0.5*math.Sin(2*math.Pi*440*s) + 0.3*math.Sin(2*math.Pi*554.37*s)))
	}
	ask := func(model, input string, names ...string) [][]float64 {
		t.Helper()
		got := compute(t, addr, model, map[string]any{"inputs": []any{tensor(input, "FP32", []int{1, samples, 1}, wave)}})
		var out [][]float64
		for _, name := range names {
			var v []float64
			if err := json.Unmarshal(got[name].Data, &v); err != nil || len(v) == 0 {
				t.Fatalf("%s, %s: %d numbers, %v", model, name, len(v), err)
			}
			out = append(out, v)
		}
		return out
	}
	want := ask("saved", "input_2", "contour", "note", "onset")
	for name, got := range map[string][][]float64{
		"onnx": ask("onnx", "serving_default_input_2:0", "StatefulPartitionedCall:0", "StatefulPartitionedCall:1", "StatefulPartitionedCall:2"),
		"lite": ask("lite", "input_2", "contour", "note", "onset"),
	} {
		for k := range want {
			if len(got[k]) != len(want[k]) || slices.Max(got[k]) < 0.3 {
				t.Fatalf("%s: tensor %d has %d numbers up to %g, where %d with tones are wanted", name, k, len(got[k]), slices.Max(got[k]), len(want[k]))
			}
			most, sum := 0.0, 0.0
			for i := range want[k] {
				d := math.Abs(got[k][i] - want[k][i])
				most, sum = max(most, d), sum+d
			}
			t.Logf("%s, tensor %d: at most %.2g from the SavedModel, on average %.2g", name, k, most, sum/float64(len(want[k])))
			if most > 2e-3 || sum/float64(len(want[k])) > 1e-4 {
				t.Errorf("%s differs in the tensor %d by up to %g", name, k, most)
			}
		}
	}
}

// TestTensorLawInTheWorker holds runtimes to the contract of tensors as the server runs them.
func TestTensorLawInTheWorker(t *testing.T) {
	given(t, "ASHATAI_TEST_BIN")
	sound := core.Tensor{Name: "x", Type: core.FP32, Shape: []int64{1, 512}, Data: make([]byte, 4*512)}
	rate := core.Tensor{Name: "sr", Type: core.Int64, Shape: []int64{}, Data: binary.LittleEndian.AppendUint64(nil, 16000)}
	for name, c := range map[string]struct {
		runtime, library, from, file string
		inputs                       []core.Tensor // nil: zeros
	}{
		"ONNX":        {catalog.ONNX, "ASHATAI_TEST_ONNX", "ASHATAI_TEST_TENSOR_MODELS", "magika/model.onnx", nil},
		"SavedModel":  {catalog.TensorFlow, "ASHATAI_TEST_TENSORFLOW", "ASHATAI_TEST_TENSORFLOW_MODELS", "basic-pitch/saved_model.pb", nil},
		"LiteRT":      {catalog.TensorFlow, "ASHATAI_TEST_TENSORFLOW", "ASHATAI_TEST_TENSORFLOW_MODELS", "nmp.tflite", nil},
		"TorchScript": {catalog.PyTorch, "ASHATAI_TEST_PYTORCH", "ASHATAI_TEST_TENSOR_MODELS", "vad-script/model.pt", []core.Tensor{sound, rate}},
	} {
		t.Run(name, func(t *testing.T) {
			given(t, c.library)
			rt := inWorker(t, c.runtime)
			spec := engine.LoadSpec{Path: filepath.Join(given(t, c.from), filepath.FromSlash(c.file)), Sequences: 2}
			if c.runtime == catalog.PyTorch {
				spec.Options = map[string]string{"trusted": "true"}
			}
			enginetest.RunTensors(t, func(*testing.T) engine.Runtime { return rt }, enginetest.TensorOptions{Spec: spec, Inputs: c.inputs})
		})
	}
}
