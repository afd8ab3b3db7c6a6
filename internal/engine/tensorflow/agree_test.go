package tensorflow

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/onnx"
)

// TestFaceDetection: published models of TensorFlow Lite load, and the detector answers.
func TestFaceDetection(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(models(t), "*.tflite"))
	if err != nil || len(paths) < 8 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range paths {
		m, tm := load(t, engine.LoadSpec{Path: path})
		in := m.Facts().Inputs[0]
		x := core.Tensor{Name: in.Name, Type: in.Type, Shape: in.Shape, Data: make([]byte, bytesOf(in))}
		out, err := tm.Infer(t.Context(), []core.Tensor{x}, nil)
		if err != nil || len(out) != len(m.Facts().Outputs) {
			t.Errorf("%s: %v", path, err)
		}
		for _, o := range out {
			if err := o.Check(); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if strings.HasPrefix(filepath.Base(path), "face_detection") && allZero(floats(o.Data)) {
				t.Errorf("%s: the output %s is zeros", path, o.Name)
			}
		}
	}
}

func allZero(v []float32) bool {
	for _, x := range v {
		if x != 0 {
			return false
		}
	}
	return true
}

// TestAgreement: one published model gives the same three tensors on ONNX Runtime, TensorFlow and LiteRT. The outputs are probabilities, and the libraries add in another
// order: they differ by up to 0.00098 and by 0.00003 on average, so 0.002 and 0.0001 are the bounds.
func TestAgreement(t *testing.T) {
	dir, lib := models(t), os.Getenv("ASHATAI_TEST_ONNX")
	if lib == "" {
		t.Skip("ASHATAI_TEST_ONNX is not set; make test sets it")
	}
	_, saved := load(t, engine.LoadSpec{Path: filepath.Join(dir, "basic-pitch", "saved_model.pb")})
	om, err := onnx.New(lib).Load(t.Context(), engine.LoadSpec{Path: filepath.Join(dir, "nmp.onnx")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer om.Close() //nolint:errcheck // the end of the test
	const samples = 43844
	wave := make([]float32, samples)
	for i := range wave { // two tones that fade, at 22,050 samples a second
		s := float64(i) / 22050
		wave[i] = float32(math.Exp(-s) * (0.5*math.Sin(2*math.Pi*440*s) + 0.3*math.Sin(2*math.Pi*554.37*s)))
	}
	ask := func(m engine.TensorModel, input string, outputs ...string) [][]float32 {
		t.Helper()
		out, err := m.Infer(t.Context(), []core.Tensor{numbers(input, []int64{1, samples, 1}, wave...)}, outputs)
		if err != nil || len(out) != 3 {
			t.Fatalf("%d tensors, %v", len(out), err)
		}
		var all [][]float32
		for _, o := range out {
			all = append(all, floats(o.Data))
		}
		return all
	}
	_, lm := load(t, engine.LoadSpec{Path: filepath.Join(dir, "nmp.tflite")})
	want := ask(saved, "input_2", "contour", "note", "onset")
	for i, v := range want {
		if allZero(v) || slices.Max(v) < 0.3 {
			t.Errorf("the tones are not heard in the tensor %d", i)
		}
	}
	for name, got := range map[string][][]float32{
		"ONNX Runtime": ask(om.(engine.TensorModel), om.Facts().Inputs[0].Name, "StatefulPartitionedCall:0", "StatefulPartitionedCall:1", "StatefulPartitionedCall:2"),
		"LiteRT":       ask(lm, "input_2", "contour", "note", "onset"),
	} {
		for k := range want {
			if len(got[k]) != len(want[k]) {
				t.Fatalf("%s: tensor %d has %d elements, want %d", name, k, len(got[k]), len(want[k]))
			}
			most, sum := 0.0, 0.0
			for i := range want[k] {
				d := math.Abs(float64(got[k][i] - want[k][i]))
				most, sum = max(most, d), sum+d
			}
			t.Logf("%s, tensor %d: at most %.2g, on average %.2g", name, k, most, sum/float64(len(want[k])))
			if most > 2e-3 || sum/float64(len(want[k])) > 1e-4 {
				t.Errorf("%s differs from TensorFlow in the tensor %d by up to %g", name, k, most)
			}
		}
	}
}

func TestLite(t *testing.T) {
	path := filepath.Join(models(t), "face_detection_front.tflite")
	m, tm := load(t, engine.LoadSpec{Path: path, Sequences: 2})
	f := m.Facts()
	in := f.Inputs[0]
	x := core.Tensor{Name: in.Name, Type: in.Type, Shape: in.Shape, Data: make([]byte, bytesOf(in))}
	for i := range len(x.Data) / 4 { // a grey that grows from one corner to the other
		copy(x.Data[4*i:], raw(float32(i%384)/384))
	}
	first, err := tm.Infer(t.Context(), []core.Tensor{x}, []string{"classificators"})
	if err != nil || len(first) != 1 || len(first[0].Data) != 896*4 {
		t.Fatalf("%v, %v", first, err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			again, err := tm.Infer(t.Context(), []core.Tensor{x}, []string{"classificators"})
			if err != nil || !bytes.Equal(again[0].Data, first[0].Data) {
				t.Errorf("another answer beside others: %v", err)
			}
		})
	}
	wg.Wait()
	wrong := x
	wrong.Shape = []int64{1, 128, 128, 1}
	if _, err := tm.Infer(t.Context(), []core.Tensor{wrong}, nil); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("a wrong shape: %v", err)
	}
	for name, c := range map[string]struct {
		spec engine.LoadSpec
		code core.Code
	}{
		"a signature":       {engine.LoadSpec{Path: path, Options: map[string]string{"signature": "a"}}, core.CodeInvalidRequest},
		"too little memory": {engine.LoadSpec{Path: path, Memory: 1000}, core.CodeOutOfMemory},
		"no library":        {engine.LoadSpec{Path: path}, core.CodeUnavailable},
		"no file":           {engine.LoadSpec{Path: filepath.Join(t.TempDir(), "x.tflite")}, core.CodeBadModel},
		"no folder":         {engine.LoadSpec{Path: filepath.Join(t.TempDir(), "x", "x.tflite")}, core.CodeBadModel},
	} {
		if _, err := New(t.TempDir()).Load(t.Context(), c.spec, nil); core.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}
