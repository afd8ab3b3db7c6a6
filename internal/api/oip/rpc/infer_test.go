package rpc

import (
	"math"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"ashatai/internal/api/gate"
	"ashatai/internal/api/oip/inference"
	"ashatai/internal/core"
)

func input(name, kind string, c *inference.InferTensorContents, shape ...int64) *inference.ModelInferRequest_InferInputTensor {
	return &inference.ModelInferRequest_InferInputTensor{Name: name, Datatype: kind, Shape: shape, Contents: c}
}

// TestTypedContents: each type comes back in the field in which it was sent.
func TestTypedContents(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{})
	req := &inference.ModelInferRequest{ModelName: "echo"}
	for kind, c := range map[string]*inference.InferTensorContents{
		"BOOL":   {BoolContents: []bool{true, false}},
		"INT8":   {IntContents: []int32{-128, 127}},
		"INT16":  {IntContents: []int32{math.MinInt16, math.MaxInt16}},
		"INT32":  {IntContents: []int32{math.MinInt32, math.MaxInt32}},
		"INT64":  {Int64Contents: []int64{math.MinInt64, math.MaxInt64}},
		"UINT8":  {UintContents: []uint32{0, math.MaxUint8}},
		"UINT16": {UintContents: []uint32{0, math.MaxUint16}},
		"UINT32": {UintContents: []uint32{0, math.MaxUint32}},
		"UINT64": {Uint64Contents: []uint64{0, math.MaxUint64}},
		"FP32":   {Fp32Contents: []float32{math.SmallestNonzeroFloat32, float32(math.Inf(-1))}},
		"FP64":   {Fp64Contents: []float64{math.SmallestNonzeroFloat64, math.MaxFloat64}},
		"BYTES":  {BytesContents: [][]byte{{0xff, 0}, []byte("ü")}},
	} {
		req.Inputs = append(req.Inputs, input(kind, kind, c, 2))
	}
	req.Inputs = append(req.Inputs, input("none", "FP32", nil, 0, 3))
	got := must(w.ModelInfer(with(t, "ann"), req))(t)
	if len(got.GetRawOutputContents()) != 0 || len(got.GetOutputs()) != len(req.GetInputs()) {
		t.Fatalf("%v", got)
	}
	for i, in := range req.GetInputs() {
		out := got.GetOutputs()[i]
		want := in.GetContents()
		if want == nil {
			want = &inference.InferTensorContents{}
		}
		if out.GetName() != in.GetName() || !proto.Equal(out.GetContents(), want) {
			t.Errorf("%v came back as %v", in, out)
		}
	}
	if p := got.GetParameters(); p["x-ashatai-runtime"].GetStringParam() != "onnx" || p["x-ashatai-fallback"].GetStringParam() != "no device" {
		t.Errorf("%v", p)
	}
}

// TestHalves: FP16 and BF16 go raw, and come raw whatever came with them.
func TestHalves(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{})
	got := must(w.ModelInfer(with(t, "ann"), &inference.ModelInferRequest{
		ModelName: "echo", RawInputContents: [][]byte{{0, 60}, {128, 63, 0, 64}},
		Inputs: []*inference.ModelInferRequest_InferInputTensor{input("h", "FP16", nil, 1), input("b", "BF16", nil, 2)},
	}))(t)
	if b := got.GetRawOutputContents(); len(b) != 2 || string(b[1]) != "\x80\x3f\x00\x40" {
		t.Errorf("%v", got)
	}
	out, err := answerOf(core.Tensor{Name: "h", Type: core.FP16, Shape: []int64{1}, Data: []byte{0, 60}})
	if err != nil || len(out.GetRawOutputContents()) != 1 {
		t.Errorf("half a float for a typed request: %v, %v", out, err)
	}
}

// TestLargeOutputsAreRaw: in typed contents a negative INT8 takes ten bytes, so that a large output would be larger than any message.
func TestLargeOutputsAreRaw(t *testing.T) {
	for size, typed := range map[int]bool{3: true, maxTyped + 1: false} {
		out, err := answerOf(core.Tensor{Name: "i", Type: core.Int8, Shape: []int64{int64(size)}, Data: make([]byte, size)})
		if err != nil {
			t.Fatal(err)
		}
		if one := out.GetOutputs()[0]; len(one.GetContents().GetIntContents()) == size != typed || len(out.GetRawOutputContents()) == 0 != typed {
			t.Errorf("%d bytes come typed: %v", size, !typed)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{})
	whole := func(n int64) *inference.InferParameter {
		return &inference.InferParameter{ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: n}}
	}
	text := &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: "x"}}
	change := func(f func(r *inference.ModelInferRequest)) *inference.ModelInferRequest {
		r := raw("echo")
		f(r)
		return r
	}
	one := func(kind string, c *inference.InferTensorContents) *inference.ModelInferRequest {
		return &inference.ModelInferRequest{ModelName: "echo", Inputs: []*inference.ModelInferRequest_InferInputTensor{input("a", kind, c, 1)}}
	}
	type request = inference.ModelInferRequest
	for word, req := range map[string]*request{
		"sequence_id":            change(func(r *request) { r.Parameters = map[string]*inference.InferParameter{"sequence_id": whole(7)} }),
		"microseconds":           change(func(r *request) { r.Parameters = map[string]*inference.InferParameter{"timeout": whole(-1)} }),
		"must be a whole number": change(func(r *request) { r.Parameters = map[string]*inference.InferParameter{"timeout": text} }),
		"shared_memory_region": change(func(r *request) {
			r.Inputs[0].Parameters = map[string]*inference.InferParameter{"shared_memory_region": text}
		}),
		"2 raw contents for 1 inputs": change(func(r *request) { r.RawInputContents = append(r.RawInputContents, nil) }),
		"send one of them":            change(func(r *request) { r.Inputs[0].Contents = &inference.InferTensorContents{} }),
		"asks for 12":                 change(func(r *request) { r.Inputs[0].Shape = []int64{3} }),
		"does not exist":              one("FP8", nil),
		"contents of another type":    one("FP32", &inference.InferTensorContents{Fp64Contents: []float64{1}}),
		"raw_input_contents alone":    one("FP16", &inference.InferTensorContents{Fp32Contents: []float32{1}}),
		"a number that INT8 cannot":   one("INT8", &inference.InferTensorContents{IntContents: []int32{128}}),
		"a number that UINT16":        one("UINT16", &inference.InferTensorContents{UintContents: []uint32{1 << 16}}),
		"not be negative": change(func(r *request) {
			r.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "a", Parameters: map[string]*inference.InferParameter{"classification": whole(-1)}}}
		}),
		`"binary_data"`: change(func(r *request) {
			r.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "a", Parameters: map[string]*inference.InferParameter{"binary_data": text}}}
		}),
	} {
		_, err := w.ModelInfer(with(t, "ann"), req)
		refused(t, err, codes.InvalidArgument, word)
	}
	best := change(func(r *request) {
		r.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "a", Parameters: map[string]*inference.InferParameter{
			"classification": {ParameterChoice: &inference.InferParameter_Uint64Param{Uint64Param: math.MaxUint64}},
		}}}
	})
	if got := must(w.ModelInfer(with(t, "ann"), best))(t).GetOutputs()[0]; got.GetDatatype() != "BYTES" {
		t.Errorf("%v", got)
	}
	for cause, want := range map[*core.Error]codes.Code{
		core.Errorf(core.CodeUnsupported, "u%%ü"): codes.Unimplemented, core.Errorf(core.CodeBadModel, "b"): codes.FailedPrecondition,
		core.Errorf(core.CodeOutOfMemory, "o"): codes.ResourceExhausted, core.Errorf(core.CodeWorkerDied, "w"): codes.Unavailable,
		core.Errorf(core.CodeInternal, "i"): codes.Internal, core.Errorf(core.CodeDeadline, "d"): codes.DeadlineExceeded,
	} {
		w.mu.Lock()
		w.fails = cause
		w.mu.Unlock()
		_, err := w.ModelInfer(with(t, "ann"), raw("echo"))
		refused(t, err, want, cause.Message)
	}
}
