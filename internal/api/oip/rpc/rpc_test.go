package rpc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/api/oip"
	"ashatai/internal/api/oip/inference"
	"ashatai/internal/core"
	"ashatai/internal/obs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server with a model that gives its tensors back, behind the real gate.
type world struct {
	inference.GRPCInferenceServiceClient

	conn  *grpc.ClientConn
	leave context.CancelFunc

	mu      sync.Mutex
	fails   error
	stuck   chan struct{} // told when Infer waits for its context's end; nil: it does not wait
	ready   bool
	wrong   bool // credentials are refused from now on
	panics  bool // so does Infer
	records []string
	loaded  []string
}

func (w *world) List(context.Context) ([]*core.Manifest, error) {
	return []*core.Manifest{
		{Name: "echo:latest", Format: "onnx", Capabilities: []core.Capability{core.CapTensors}},
		{Name: "talk:q4", Format: "gguf", Capabilities: []core.Capability{core.CapGenerate}},
	}, nil
}

func (w *world) Resolve(ctx context.Context, name string) (*core.Manifest, error) {
	list, _ := w.List(ctx)
	for _, m := range list {
		if m.Name == name || strings.TrimSuffix(m.Name, ":latest") == name {
			return m, nil
		}
	}
	return nil, core.Errorf(core.CodeModelNotFound, "There is no model %s.", name)
}

func (w *world) Infer(ctx context.Context, req *core.TensorRequest) (*core.Tensors, error) {
	w.mu.Lock()
	fails, stuck, panics := w.fails, w.stuck, w.panics
	w.mu.Unlock()
	if panics {
		panic("a defect")
	}
	if stuck != nil {
		stuck <- struct{}{}
		<-ctx.Done()
		fails = ctx.Err()
		stuck <- struct{}{}
	}
	if fails != nil {
		return nil, fails
	}
	return &core.Tensors{Model: req.Model, Outputs: req.Inputs, Placement: core.Placement{Runtime: "onnx", Fallback: "no device"}}, nil
}

func (w *world) Signature(context.Context, string) (*core.Signature, error) {
	return &core.Signature{
		Model: "echo:latest", Runtime: "onnx", Labels: []string{"cat", "dog"}, Inputs: []core.TensorInfo{{Name: "a", Type: core.FP32, Shape: []int64{-1, 2}}},
		Outputs: []core.TensorInfo{{Name: "t", Type: core.Bytes}},
	}, nil
}

func (w *world) Load(_ context.Context, model string) error {
	w.loaded = append(w.loaded, model)
	return nil
}

func (w *world) Unload(_ context.Context, model string) error {
	w.loaded = slices.DeleteFunc(w.loaded, func(n string) bool { return n == model })
	return nil
}

func (w *world) Loaded(context.Context) ([]string, error) { return w.loaded, nil }

func (w *world) Generate(context.Context, *core.Request) (*core.Stream, error) {
	return nil, core.Errorf(core.CodeUnsupported, "No text here.")
}

// Authenticate lets in who has the key.
func (w *world) Authenticate(r *http.Request) (core.Principal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch key := gate.Credential(r); {
	case key == "" || w.wrong:
		return core.Principal{}, core.Errorf(core.CodeUnauthenticated, "This call needs credentials.")
	case key == "reader":
		return core.Principal{Tenant: "t", User: "u", Scopes: core.ScopeRead}, nil
	default:
		return core.Principal{Tenant: "t", User: key, Scopes: core.ScopeRead | core.ScopeInfer | core.ScopeOperate}, nil
	}
}

// Begin keeps the audit.
func (w *world) Begin(ctx context.Context, e gate.Entry) (func(int), error) {
	return func(code int) {
		object, _, _ := api.NoteOf(ctx).Taken()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.records = append(w.records, strings.Join([]string{e.Who.User, e.Action, object, http.StatusText(code)}, " "))
	}, nil
}

func (w *world) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.records)
}

func newWorld(t *testing.T, limits gate.LimitOptions) *world {
	t.Helper()
	w := &world{ready: true}
	var leaving context.Context
	leaving, w.leave = context.WithCancel(t.Context())
	s := oip.NewService(oip.Config{Version: "v", Tensors: w, Generator: w, Catalogue: w, Repository: w, Ready: func() bool { return w.ready }})
	g := gate.New(gate.Options{
		Log: slog.New(slog.DiscardHandler), Metrics: obs.NewMetrics("v"), Auth: w, Limit: gate.NewLimits(limits), Audit: w, Leaving: leaving,
		RequestTimeout: time.Minute,
	})
	mux, err := api.NewMux([]api.Dialect{Dialect(s), oip.Dialect(s)}, g.Wrap)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(mux)
	srv.Config.Protocols = &http.Protocols{}
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	w.conn, err = grpc.NewClient(srv.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.conn.Close() })
	w.GRPCInferenceServiceClient = inference.NewGRPCInferenceServiceClient(w.conn)
	return w
}

// with is a context of a caller who has a key.
func with(t *testing.T, key string) context.Context {
	t.Helper()
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+key)
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused asks for a failure with a code and a word of its sentence.
func refused(t *testing.T, err error, want codes.Code, word string) {
	t.Helper()
	if s := status.Convert(err); s.Code() != want || !strings.Contains(s.Message(), word) {
		t.Errorf("%v; want %v with %q", err, want, word)
	}
}

func TestCalls(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{})
	ctx := with(t, "ann")
	if !must(w.ServerLive(t.Context(), &inference.ServerLiveRequest{}))(t).GetLive() || !must(w.ServerReady(t.Context(), &inference.ServerReadyRequest{}))(t).GetReady() {
		t.Error("the server is not live and ready")
	}
	if m := must(w.ServerMetadata(ctx, &inference.ServerMetadataRequest{}))(t); m.GetName() != "ashatai" || m.GetVersion() != "v" || len(m.GetExtensions()) == 0 {
		t.Errorf("%v", m)
	}
	m := must(w.ModelMetadata(ctx, &inference.ModelMetadataRequest{Name: "echo", Version: "1"}))(t)
	if m.GetPlatform() != "onnx" || !slices.Equal(m.GetInputs()[0].GetShape(), []int64{-1, 2}) || m.GetOutputs()[0].GetDatatype() != "BYTES" || !slices.Equal(m.GetOutputs()[0].GetShape(), []int64{-1}) {
		t.Errorf("%v", m)
	}
	c := must(w.ModelConfig(ctx, &inference.ModelConfigRequest{Name: "echo"}))(t).GetConfig()
	if c.GetInput()[0].GetDataType() != inference.DataType_TYPE_FP32 || c.GetOutput()[0].GetDataType() != inference.DataType_TYPE_STRING {
		t.Errorf("%v", c)
	}
	must(w.RepositoryModelLoad(ctx, &inference.RepositoryModelLoadRequest{ModelName: "echo"}))(t)
	list := must(w.RepositoryIndex(ctx, &inference.RepositoryIndexRequest{Ready: true}))(t).GetModels()
	if len(list) != 1 || list[0].GetName() != "echo" || list[0].GetState() != "READY" {
		t.Errorf("%v", list)
	}
	yes := &inference.ModelRepositoryParameter{ParameterChoice: &inference.ModelRepositoryParameter_BoolParam{BoolParam: true}}
	must(w.RepositoryModelUnload(ctx, &inference.RepositoryModelUnloadRequest{ModelName: "echo", Parameters: map[string]*inference.ModelRepositoryParameter{"unload_dependents": yes}}))(t)
	if must(w.ModelReady(ctx, &inference.ModelReadyRequest{Name: "echo"}))(t).GetReady() {
		t.Error("an unloaded model is ready")
	}
	must(w.ModelInfer(ctx, raw("echo")))(t)
	st := must(w.ModelStatistics(ctx, &inference.ModelStatisticsRequest{Name: "echo"}))(t).GetModelStats()[0]
	if st.GetInferenceCount() != 1 || st.GetInferenceStats().GetSuccess().GetCount() != 1 || st.GetLastInference() == 0 {
		t.Errorf("%v", st)
	}
	if got, want := w.taken(), []string{"ann POST /inference.GRPCInferenceService/ModelInfer echo:latest OK"}; !slices.Contains(got, want[0]) || len(got) != 3 {
		t.Errorf("the audit has %q", got)
	}

	_, err := w.ServerMetadata(t.Context(), &inference.ServerMetadataRequest{})
	refused(t, err, codes.Unauthenticated, "credentials")
	_, err = w.ModelInfer(with(t, "reader"), raw("echo"))
	refused(t, err, codes.PermissionDenied, "scope infer")
	for _, call := range []func() error{
		func() error {
			_, err := w.ModelMetadata(ctx, &inference.ModelMetadataRequest{Name: "nobody"})
			return err
		},
		func() error {
			_, err := w.ModelConfig(ctx, &inference.ModelConfigRequest{Name: "nobody"})
			return err
		},
		func() error {
			_, err := w.ModelStatistics(ctx, &inference.ModelStatisticsRequest{Name: "nobody"})
			return err
		},
		func() error { _, err := w.ModelInfer(ctx, raw("nobody")); return err },
		func() error {
			_, err := w.RepositoryModelLoad(ctx, &inference.RepositoryModelLoadRequest{ModelName: "nobody"})
			return err
		},
	} {
		refused(t, call(), codes.NotFound, "There is no model nobody.")
	}
	_, err = w.RepositoryModelLoad(ctx, &inference.RepositoryModelLoadRequest{ModelName: "echo", Parameters: map[string]*inference.ModelRepositoryParameter{"config": yes}})
	refused(t, err, codes.InvalidArgument, `"config"`)
	_, err = w.RepositoryModelUnload(ctx, &inference.RepositoryModelUnloadRequest{ModelName: "echo", Parameters: map[string]*inference.ModelRepositoryParameter{"x": yes}})
	refused(t, err, codes.InvalidArgument, `"x"`)
	_, err = w.RepositoryIndex(ctx, &inference.RepositoryIndexRequest{RepositoryName: "other"})
	refused(t, err, codes.InvalidArgument, "repository_name")
}

func TestHealthAndReflection(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{})
	h := grpc_health_v1.NewHealthClient(w.conn)
	if got := must(h.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}))(t).GetStatus(); got != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("%v", got)
	}
	_, err := h.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "x"})
	refused(t, err, codes.NotFound, `"x"`)
	w.ready = false
	if got := must(h.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "inference.GRPCInferenceService"}))(t).GetStatus(); got != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("%v", got)
	}
	watch := must(h.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{}))(t)
	_, err = watch.Recv()
	refused(t, err, codes.Unimplemented, "Watch")

	stream := must(grpc_reflection_v1.NewServerReflectionClient(w.conn).ServerReflectionInfo(with(t, "ann")))(t)
	ask := func(req *grpc_reflection_v1.ServerReflectionRequest) *grpc_reflection_v1.ServerReflectionResponse {
		if err := stream.Send(req); err != nil {
			t.Fatal(err)
		}
		return must(stream.Recv())(t)
	}
	var names []string
	for _, s := range ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}).GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	if !slices.Contains(names, "inference.GRPCInferenceService") || !slices.Contains(names, "grpc.health.v1.Health") {
		t.Errorf("%q", names)
	}
	file := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: names[len(names)-1]}})
	if len(file.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
		t.Errorf("%v", file)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// raw is a request for a tensor of two numbers.
func raw(model string) *inference.ModelInferRequest {
	return &inference.ModelInferRequest{
		ModelName: model, Id: "seven", RawInputContents: [][]byte{{0, 0, 128, 63, 0, 0, 0, 64}},
		Inputs: []*inference.ModelInferRequest_InferInputTensor{{Name: "a", Datatype: "FP32", Shape: []int64{1, 2}}},
	}
}

func TestStream(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{PerMinute: 5, Concurrent: 1})
	stream := must(w.ModelStreamInfer(with(t, "ann")))(t)
	ask := func(req *inference.ModelInferRequest) *inference.ModelStreamInferResponse {
		t.Helper()
		if err := stream.Send(req); err != nil {
			t.Fatal(err)
		}
		return must(stream.Recv())(t)
	}
	if got := ask(raw("echo")); got.GetErrorMessage() != "" || got.GetInferResponse().GetId() != "seven" || !slices.Equal(got.GetInferResponse().GetRawOutputContents()[0], raw("").GetRawInputContents()[0]) {
		t.Errorf("%v", got)
	}
	if got := ask(raw("nobody")); got.GetErrorMessage() != "There is no model nobody." || got.GetInferResponse().GetId() != "seven" {
		t.Errorf("%v", got)
	}
	if got := ask(raw("echo")); got.GetErrorMessage() != "" {
		t.Errorf("after a failure: %v", got)
	}
	_, err := w.ModelInfer(with(t, "bob"), raw("echo"))
	refused(t, err, codes.ResourceExhausted, "1 requests, its limit")
	w.mu.Lock()
	w.wrong = true
	w.mu.Unlock()
	if got := ask(raw("echo")); !strings.Contains(got.GetErrorMessage(), "credentials") {
		t.Errorf("with a key that was revoked meanwhile: %v", got)
	}
	w.mu.Lock()
	w.wrong = false
	w.mu.Unlock()
	if got := ask(raw("echo")); got.GetErrorMessage() != "" { // the fifth, the stream itself counted
		t.Errorf("%v", got)
	}
	if got := ask(raw("echo")); !strings.Contains(got.GetErrorMessage(), "5 requests per minute") {
		t.Errorf("over the rate: %v", got)
	}
	const one = "ann POST /inference.GRPCInferenceService/ModelStreamInfer "
	if got, want := w.taken(), []string{one + "echo:latest OK", one + " Not Found", one + "echo:latest OK", one + "echo:latest OK"}; !slices.Equal(got, want) {
		t.Errorf("the audit has %q", got)
	}
	w.leave()
	_, err = stream.Recv()
	refused(t, err, codes.Unavailable, "shutting down")
}

// TestPanicOnRecord: a request of a stream that ends by a defect of the server is on record as one that failed.
func TestPanicOnRecord(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{})
	w.mu.Lock()
	w.panics = true
	w.mu.Unlock()
	stream := must(w.ModelStreamInfer(with(t, "ann")))(t)
	if err := stream.Send(raw("echo")); err != nil {
		t.Fatal(err)
	}
	_, err := stream.Recv()
	refused(t, err, codes.Internal, "The server failed")
	if got := w.taken(); len(got) != 1 || !strings.HasSuffix(got[0], "ModelStreamInfer echo:latest Internal Server Error") {
		t.Errorf("the audit has %q", got)
	}
}

func TestStreamEnds(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{})
	stream := must(w.ModelStreamInfer(with(t, "ann")))(t)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("a stream of nothing: %v", err)
	}
	w.leave()
	late := must(w.ModelStreamInfer(with(t, "ann")))(t)
	_, err := late.Recv()
	refused(t, err, codes.Unavailable, "shutting down")
}

// TestEnds: a caller that leaves, and one whose time is up, end the work.
func TestEnds(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{})
	w.stuck = make(chan struct{})
	ctx, cancel := context.WithCancel(with(t, "ann"))
	failed := make(chan error)
	go func() { _, err := w.ModelInfer(ctx, raw("echo")); failed <- err }()
	<-w.stuck
	cancel()
	<-w.stuck
	refused(t, <-failed, codes.Canceled, "")
	go func() {
		req := raw("echo")
		req.Parameters = map[string]*inference.InferParameter{"timeout": {ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: 1000}}}
		_, err := w.ModelInfer(with(t, "ann"), req)
		failed <- err
	}()
	<-w.stuck
	<-w.stuck
	refused(t, <-failed, codes.DeadlineExceeded, "time limit")
	ctx, cancel = context.WithCancel(with(t, "ann"))
	stream := must(w.ModelStreamInfer(ctx))(t)
	if err := stream.Send(raw("echo")); err != nil {
		t.Fatal(err)
	}
	<-w.stuck
	cancel()
	<-w.stuck
}

func TestCompression(t *testing.T) {
	w := newWorld(t, gate.LimitOptions{})
	got := must(w.ModelInfer(with(t, "ann"), raw("echo"), grpc.UseCompressor(gzip.Name)))(t)
	if !proto.Equal(got, must(w.ModelInfer(with(t, "ann"), raw("echo")))(t)) {
		t.Errorf("%v", got)
	}
	bomb := raw("echo")
	bomb.RawInputContents = [][]byte{make([]byte, oip.MaxBody+1)}
	_, err := w.ModelInfer(with(t, "ann"), bomb, grpc.UseCompressor(gzip.Name))
	refused(t, err, codes.ResourceExhausted, "larger than the limit of 67108864 bytes")
}
