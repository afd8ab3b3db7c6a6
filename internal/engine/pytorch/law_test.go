package pytorch_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/engine/enginetest"
	"ashatai/internal/engine/pytorch"
	"ashatai/internal/worker/host"
	"ashatai/internal/worker/serve"
	"ashatai/python"
)

// childName is the program's name by which the test binary is a worker; it outlives the sandbox, which starts the program again.
const childName = "--pytorch-test-worker"

const build = "test build"

func TestMain(m *testing.M) {
	if os.Args[0] == childName || len(os.Args) > 1 && os.Args[1] == childName {
		args := os.Args
		if args[0] != childName {
			args = append([]string{childName}, args[2:]...)
		}
		os.Exit(serve.Main(context.Background(), args, serve.Options{ //nolint:forbidigo // a main of its own
			Build: build, Runtimes: []engine.Runtime{pytorch.New(os.Getenv("ASHATAI_PYTORCH"))}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Env: os.Environ(),
		}))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(madeIn)
		os.Exit(code)
	}))
}

// madeIn is the folder of made; empty while there is none.
var madeIn string

// environment is the installed one; tests that need it are skipped where there is none.
func environment(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ASHATAI_TEST_PYTORCH")
	if dir == "" {
		t.Skip("ASHATAI_TEST_PYTORCH is not set: `ashatai runtime install pytorch` was not run; make test sets it where it was")
	}
	return dir
}

// made are the small models, which Python makes once.
var made = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pytorch-models-")
	if err != nil {
		return "", err
	}
	madeIn = dir
	args := []string{"-I", "-W", "ignore", "testdata/make.py", dir}
	if published := os.Getenv("ASHATAI_TEST_MINILM_TORCH"); published != "" {
		args = append(args, published)
	}
	cmd := exec.Command(filepath.Join(os.Getenv("ASHATAI_TEST_PYTORCH"), "bin", "python"), args...) //nolint:forbidigo // made once, for no single test
	cmd.Stderr = os.Stderr
	return dir, cmd.Run()
})

func models(t *testing.T) string {
	t.Helper()
	environment(t)
	dir, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func runtimeIn(t *testing.T, dir string) engine.Runtime {
	t.Helper()
	return runtimeWith(t, dir, 0)
}

// runtimeWith has a worker that is silent for longer than patience killed; 0: the usual time.
func runtimeWith(t *testing.T, dir string, patience time.Duration) engine.Runtime {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d, _ := catalog.Get(catalog.PyTorch)
	return host.New(host.Config{
		Binary: self, Args: []string{childName}, Build: build, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo})),
		Env: []string{"ASHATAI_PYTORCH=" + dir, "GORACE=atexit_sleep_ms=0"}, HeartbeatTimeout: patience, Locks: map[string]string{catalog.PyTorch: python.Lock()},
	}).Runtime(catalog.PyTorch, d)
}

func TestLaw(t *testing.T) {
	dir := models(t)
	bad := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(bad, []byte("no weights at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	enginetest.Run(t, func(t *testing.T) engine.Runtime { t.Helper(); return runtimeIn(t, environment(t)) }, enginetest.Options{
		Spec:      engine.LoadSpec{Path: filepath.Join(dir, "llama", "model.safetensors"), Context: 256, Batch: 64},
		Embedding: &engine.LoadSpec{Path: filepath.Join(dir, "bert", "model.safetensors"), Embedding: true},
		BadFile:   bad, Control: "<|end|>", Bound: 30 * time.Second,
	})
}

// given is what a variable of the environment names; the test is skipped without it.
func given(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Skip(name + " is not set; make test sets it")
	}
	return v
}

// TestLawForEmbeddings holds the runtime to the contract with a published model; that of text is small and made here.
func TestLawForEmbeddings(t *testing.T) {
	published := filepath.Join(given(t, "ASHATAI_TEST_MINILM_TORCH"), "model.safetensors")
	rt := runtimeIn(t, environment(t))
	enginetest.RunEmbeddings(t, func(*testing.T) engine.Runtime { return rt }, enginetest.Options{
		Embedding: &engine.LoadSpec{Path: published, Embedding: true}, Bound: 30 * time.Second,
	})
}

// TestTensorLaw holds programs to the contract of tensors: a published one of each kind. What else small ones must do, TestPrograms says.
func TestTensorLaw(t *testing.T) {
	dir := models(t)
	ids := core.Tensor{Name: "input_ids", Type: core.Int64, Shape: []int64{1, 8}}
	mask := core.Tensor{Name: "attention_mask", Type: core.Int64, Shape: []int64{1, 8}}
	for _, id := range []uint64{101, 1037, 4937, 2938, 2006, 1996, 13523, 102} {
		ids.Data, mask.Data = binary.LittleEndian.AppendUint64(ids.Data, id), binary.LittleEndian.AppendUint64(mask.Data, 1)
	}
	sound := tensor("x", make([]float32, 512)...)
	rate := core.Tensor{Name: "sr", Type: core.Int64, Shape: []int64{}, Data: binary.LittleEndian.AppendUint64(nil, 16000)}
	for name, c := range map[string]struct {
		from, file string // from is a variable of the environment
		inputs     []core.Tensor
	}{
		"MiniLM, exported":    {"ASHATAI_TEST_MINILM_TORCH", "minilm/model.pt2", []core.Tensor{ids, mask}}, // made of it
		"Silero, TorchScript": {"ASHATAI_TEST_TENSOR_MODELS", "vad-script/model.pt", []core.Tensor{sound, rate}},
	} {
		t.Run(name, func(t *testing.T) {
			root := given(t, c.from)
			if c.from == "ASHATAI_TEST_MINILM_TORCH" {
				root = dir
			}
			rt := runtimeIn(t, environment(t))
			enginetest.RunTensors(t, func(*testing.T) engine.Runtime { return rt }, enginetest.TensorOptions{
				Spec:   engine.LoadSpec{Path: filepath.Join(root, filepath.FromSlash(c.file)), Options: map[string]string{"trusted": "true"}},
				Inputs: c.inputs,
			})
		})
	}
}

func tensor(name string, values ...float32) core.Tensor {
	t := core.Tensor{Name: name, Type: core.FP32, Shape: []int64{1, int64(len(values))}}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

func TestPrograms(t *testing.T) {
	dir := filepath.Join(models(t), "program")
	rt := runtimeIn(t, environment(t))
	for _, file := range []string{"model.pt2", "model.pt"} {
		m, err := rt.Load(t.Context(), engine.LoadSpec{Path: filepath.Join(dir, file), Options: map[string]string{"trusted": "true"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close() //nolint:errcheck,revive // it only frees
		tm, ok := m.(engine.TensorModel)
		if !ok {
			t.Fatal("it takes no tensors")
		}
		if f := m.Facts(); len(f.Inputs) != 1 || f.Inputs[0].Name != "x" || f.Inputs[0].Type != core.FP32 || len(f.Outputs) != 1 {
			t.Errorf("%s: inputs %+v, outputs %+v", file, f.Inputs, f.Outputs)
		}
		if err := core.Fits(m.Facts().Inputs, []core.Tensor{tensor("x", 1, 1, 2)}); err != nil {
			t.Errorf("%s: the server refuses what the model takes: %v", file, err)
		}
		out, err := tm.Infer(t.Context(), []core.Tensor{tensor("x", 1, 1, 2)}, nil)
		if err != nil || len(out) != 1 || string(out[0].Data) != string(tensor("y", 9.5, 1).Data) {
			t.Errorf("%s: %+v, %v", file, out, err)
		}
		for name, in := range map[string][]core.Tensor{"none": nil, "another": {tensor("x", 1, 1, 2), tensor("y", 1)}, "too long": {tensor("x", 1, 2, 3, 4)}} {
			if _, err := tm.Infer(t.Context(), in, nil); core.CodeOf(err) != core.CodeInvalidRequest {
				t.Errorf("%s: %s: %v", file, name, err)
			}
		}
		if _, err := tm.Infer(t.Context(), []core.Tensor{tensor("x", 1, 1, 2)}, []string{"z"}); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%s: an output that does not exist: %v", file, err)
		}
	}
	for file, part := range map[string]string{"model.pt": "trusted", "model.pt2": "trusted", "pickle.pt": "pickle"} {
		if _, err := rt.Load(t.Context(), engine.LoadSpec{Path: filepath.Join(dir, file)}, nil); core.CodeOf(err) != core.CodeBadModel || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestNumbersOfTorchScript: a program's numbers are given as tensors of one value, and its tensors as they are, whatever their type.
func TestNumbersOfTorchScript(t *testing.T) {
	path := filepath.Join(models(t), "picked", "model.pt")
	m, err := runtimeIn(t, environment(t)).Load(t.Context(), engine.LoadSpec{Path: path, Options: map[string]string{"trusted": "true"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // it only frees
	tm, ok := m.(engine.TensorModel)
	if !ok {
		t.Fatal("it takes no tensors")
	}
	x := tensor("x", 1, 2, 3)
	x.Shape = []int64{3}
	rows := core.Tensor{Name: "rows", Type: core.Int64, Shape: []int64{2}, Data: binary.LittleEndian.AppendUint64(make([]byte, 8), 2)}
	times := core.Tensor{Name: "times", Type: core.Int64, Shape: []int64{}, Data: binary.LittleEndian.AppendUint64(nil, 10)}
	plus := core.Tensor{Name: "plus", Type: core.FP64, Shape: []int64{1}, Data: binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.5))}
	negative := core.Tensor{Name: "negative", Type: core.Bool, Shape: []int64{1}, Data: []byte{1}}
	given := []core.Tensor{x, rows, times, plus, negative}
	if err := core.Fits(m.Facts().Inputs, given); err != nil {
		t.Errorf("the server refuses what the model takes: %v", err)
	}
	out, err := tm.Infer(t.Context(), given, nil)
	if err != nil || len(out) != 1 || string(out[0].Data) != string(tensor("y", -10.5, -30.5).Data) {
		t.Errorf("%+v, %v", out, err)
	}
	times.Shape, times.Data = []int64{2}, append(times.Data, times.Data...)
	if _, err := tm.Infer(t.Context(), []core.Tensor{x, rows, times, plus, negative}, nil); core.CodeOf(err) != core.CodeInvalidRequest || !strings.Contains(err.Error(), "times is one number; 2") {
		t.Errorf("two numbers for one: %v", err)
	}
}

// TestWhatAProgramRefuses: whatever a program says to tensors is an answer, and the worker goes on.
func TestWhatAProgramRefuses(t *testing.T) {
	dir := filepath.Join(models(t), "rows")
	m, err := runtimeIn(t, environment(t)).Load(t.Context(), engine.LoadSpec{Path: filepath.Join(dir, "model.pt2"), Options: map[string]string{"trusted": "true"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // it only frees
	tm, ok := m.(engine.TensorModel)
	if !ok {
		t.Fatal("it takes no tensors")
	}
	rows := func(ids ...uint64) []core.Tensor {
		in := core.Tensor{Name: "i", Type: core.Int64, Shape: []int64{int64(len(ids))}}
		for _, id := range ids {
			in.Data = binary.LittleEndian.AppendUint64(in.Data, id)
		}
		return []core.Tensor{in}
	}
	none := []core.Tensor{{Name: "i", Type: core.Int64, Shape: []int64{0, 1 << 31, 1 << 31, 1 << 31}}}
	for what, in := range map[string][]core.Tensor{"a row that does not exist": rows(0, 4), "strides that overflow": none} {
		if _, err := tm.Infer(t.Context(), in, nil); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := tm.Infer(t.Context(), rows(0, 3), nil); core.CodeOf(err) != core.CodeTooLarge {
		t.Errorf("an output that no frame holds: %v", err)
	}
	if out, err := tm.Infer(t.Context(), rows(0, 3), []string{"output_0"}); err != nil || len(out) != 1 || len(out[0].Data) != 16 {
		t.Errorf("after that: %+v, %v", out, err)
	}
}

// TestPositionsBehindPadding: a text that has more tokens than the model has positions is refused, and the longest is not. The
// model's weights, of float32, need no more room than they take in their file.
func TestPositionsBehindPadding(t *testing.T) {
	path := filepath.Join(models(t), "roberta", "model.safetensors")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	const reserve = 256 << 20 // of load.py
	m, err := runtimeIn(t, environment(t)).Load(t.Context(), engine.LoadSpec{Path: path, Embedding: true, Memory: reserve + info.Size()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // it only frees
	e, ok := m.(engine.Embedder)
	if !ok || m.Facts().Context != 31 {
		t.Fatalf("it embeds: %v; facts %+v", ok, m.Facts())
	}
	of := func(n int) []engine.Prompt { return []engine.Prompt{{Tokens: slices.Repeat([]int{5}, n)}} }
	if _, _, err := e.Embed(t.Context(), of(32)); core.CodeOf(err) != core.CodeContextExceeded {
		t.Errorf("a text of 32 tokens: %v", err)
	}
	if v, _, err := e.Embed(t.Context(), of(31)); err != nil || len(v) != 1 {
		t.Errorf("a text of 31 tokens: %v", err)
	}
}

// TestAModelWithoutMemory: one that would forget all but the last token is refused.
func TestAModelWithoutMemory(t *testing.T) {
	_, err := runtimeIn(t, environment(t)).Load(t.Context(), engine.LoadSpec{Path: filepath.Join(models(t), "gpt", "model.safetensors")}, nil)
	if core.CodeOf(err) != core.CodeBadModel || !strings.Contains(err.Error(), "takes no memory") {
		t.Error(err)
	}
}
