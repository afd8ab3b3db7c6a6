package tensorflow

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/native/litert"
	"ashatai/internal/tflite"
)

// lite is a model of TensorFlow Lite. The library runs one call at a time on a loaded file, so the file is loaded once for
// each of the sequences.
type lite struct {
	free            chan *litert.Model
	all             []*litert.Model
	inputs, outputs []core.TensorInfo
}

// loadLite loads a file of TensorFlow Lite.
func (r *Runtime) loadLite(ctx context.Context, spec engine.LoadSpec, tell func(float64)) (engine.Model, error) {
	if s := spec.Options[signatureOption]; s != "" {
		return nil, core.Invalid("options", "The option %q is for SavedModels; of a file of TensorFlow Lite its first signature is served.", signatureOption)
	}
	f, fixed, err := inspectLite(spec.Path)
	if err != nil {
		return nil, err
	}
	b := &lite{inputs: liteInfos(f.Inputs), outputs: liteInfos(f.Outputs)}
	facts := factsOf(spec, 1, f.Weights, b.inputs, b.outputs)
	facts.Memory.Compute = liteReserve * int64(facts.Sequences)
	if err := fits(facts, spec.Memory); err != nil {
		return nil, err
	}
	tell(0.1)
	lib, err := r.openLite()
	if err != nil {
		return nil, libraryError(err, "LiteRT", litert.Release)
	}
	b.free = make(chan *litert.Model, facts.Sequences)
	for range facts.Sequences {
		if err := ctx.Err(); err != nil {
			b.close()
			return nil, core.AsError(err)
		}
		var m *litert.Model
		if fixed != nil {
			m, err = lib.LoadBytes(fixed, f.Signature)
		} else {
			m, err = lib.Load(spec.Path, f.Signature)
		}
		if err != nil {
			b.close()
			return nil, core.Wrap(core.CodeBadModel, err, "LiteRT cannot load %s: %s. The file may be damaged, or made for a newer release than %s; get it again.", spec.Path, reason(err), litert.Release)
		}
		b.all = append(b.all, m)
		if err := b.agrees(m); err != nil {
			b.close()
			return nil, err
		}
		b.free <- m
	}
	tell(1)
	return newModel(facts, b), nil
}

// liteReserve is memory for what is between the inputs and the outputs, before it is known.
const liteReserve = 32 << 20

// inspectLite reads a file before native code sees it. Where it must be fixed to be served, the fixed bytes are returned too.
func inspectLite(path string) (f *tflite.File, fixed []byte, err error) {
	dir := filepath.Dir(path)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, core.Wrap(core.CodeBadModel, err, "The model's folder %s cannot be read; check that it exists, and its permissions.", dir)
	}
	defer root.Close() //nolint:errcheck // read only
	file, size, err := ordinary(root, filepath.Base(path))
	if err != nil {
		return nil, nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	if f, err = tflite.Read(file, size); err != nil || len(f.Fixes) == 0 {
		return f, nil, err
	}
	b := make([]byte, size, size+fixRoom)
	if _, err := file.ReadAt(b, 0); err != nil {
		return nil, nil, core.Wrap(core.CodeBadModel, err, "The model file %s cannot be read: %s.", path, reason(err))
	}
	fixed = f.Fixed(b)
	if f, err = tflite.Read(bytes.NewReader(fixed), int64(len(fixed))); err != nil {
		return nil, nil, err
	}
	return f, fixed, nil
}

// fixRoom is room for what a fix adds to a file, so that its bytes need not be moved; also so many that Go aligns them to a page.
const fixRoom = 64 << 10

// agrees says whether the library sees the tensors that the file was read to have, and can run twice: where it finds shapes
// only while it runs, the first run answers zeros without a word and the second fails.
func (b *lite) agrees(m *litert.Model) error {
	for _, side := range []struct {
		want []core.TensorInfo
		have []*litert.Buffer
	}{{b.inputs, m.In}, {b.outputs, m.Out}} {
		for i, want := range side.want {
			k := slices.IndexFunc(side.have, func(have *litert.Buffer) bool { return have.Name == want.Name })
			if len(side.have) != len(side.want) || k < 0 || side.have[k].Size() != bytesOf(want) {
				return core.Errorf(core.CodeBadModel, "The model's tensor %.80q (number %d) is another one for LiteRT than in the file. Convert the model anew.", want.Name, i)
			}
		}
	}
	for _, in := range m.In {
		if err := in.Write(make([]byte, in.Size())); err != nil {
			return core.Wrap(core.CodeBadModel, err, "LiteRT cannot take the model's input %.80q: %s.", in.Name, reason(err))
		}
	}
	for range 2 {
		if err := m.Run(); err != nil {
			return core.Wrap(core.CodeBadModel, err, "LiteRT cannot run the model: %s. Its shapes may be known only while it runs; convert the model with fixed shapes, or serve it as a SavedModel.", reason(err))
		}
	}
	return nil
}

func bytesOf(t core.TensorInfo) int {
	n := t.Type.Size()
	for _, d := range t.Shape {
		n *= int(d)
	}
	return n
}

func (b *lite) stop() {} // runs are short

func (b *lite) close() {
	for _, m := range b.all {
		m.Close()
	}
}

func (b *lite) compute(inputs []core.Tensor, places []int, _ time.Duration) ([]core.Tensor, error) {
	m := <-b.free
	defer func() { b.free <- m }()
	var err error
	for _, t := range inputs {
		i := slices.IndexFunc(m.In, func(in *litert.Buffer) bool { return in.Name == t.Name })
		err = errors.Join(err, m.In[i].Write(t.Data))
	}
	if err == nil {
		err = m.Run()
	}
	answer := make([]core.Tensor, len(places))
	for i, p := range places {
		out := b.outputs[p]
		answer[i] = core.Tensor{Name: out.Name, Type: out.Type, Shape: slices.Clone(out.Shape)}
		k := slices.IndexFunc(m.Out, func(o *litert.Buffer) bool { return o.Name == out.Name })
		if err == nil {
			answer[i].Data, err = m.Out[k].Read()
		}
	}
	if err != nil {
		return nil, core.Wrap(core.CodeInvalidRequest, err, "LiteRT refused the input: %s.", reason(err))
	}
	return answer, nil
}

func liteInfos(list []tflite.Tensor) []core.TensorInfo {
	out := make([]core.TensorInfo, len(list))
	for i, t := range list {
		out[i] = core.TensorInfo{Name: t.Name, Type: liteType(t.Type), Shape: append([]int64{}, t.Shape...)}
	}
	return out
}

// liteType is the type of a number of TensorFlow Lite's TensorType; package tflite accepts no others.
func liteType(number int) core.DataType {
	return map[int]core.DataType{
		0: core.FP32, 1: core.FP16, 2: core.Int32, 3: core.Uint8, 4: core.Int64, 6: core.Bool, 7: core.Int16, 9: core.Int8, 10: core.FP64,
		12: core.Uint64, 15: core.Uint32, 16: core.Uint16, 18: core.BF16,
	}[number]
}
