package rpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"ashatai/internal/api"
	"ashatai/internal/api/oip"
	"ashatai/internal/api/oip/inference"
	"ashatai/internal/core"
)

// service answers the calls of the protocol.
type service struct {
	inference.UnsafeGRPCInferenceServiceServer // every call is answered here

	s *oip.Service
}

var _ inference.GRPCInferenceServiceServer = (*service)(nil)

func (s *service) ServerLive(context.Context, *inference.ServerLiveRequest) (*inference.ServerLiveResponse, error) {
	return &inference.ServerLiveResponse{Live: true}, nil
}

func (s *service) ServerReady(context.Context, *inference.ServerReadyRequest) (*inference.ServerReadyResponse, error) {
	return &inference.ServerReadyResponse{Ready: s.s.Ready()}, nil
}

func (s *service) ServerMetadata(context.Context, *inference.ServerMetadataRequest) (*inference.ServerMetadataResponse, error) {
	m := s.s.Server()
	return &inference.ServerMetadataResponse{Name: m.Name, Version: m.Version, Extensions: m.Extensions}, nil
}

func (s *service) ModelReady(ctx context.Context, req *inference.ModelReadyRequest) (*inference.ModelReadyResponse, error) {
	ready, err := s.s.ModelReady(ctx, req.GetName(), req.GetVersion())
	return &inference.ModelReadyResponse{Ready: ready}, err
}

func (s *service) ModelMetadata(ctx context.Context, req *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
	m, err := s.s.Metadata(ctx, req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	out := &inference.ModelMetadataResponse{Name: m.Name, Versions: m.Versions, Platform: m.Platform}
	for _, t := range m.Inputs {
		out.Inputs = append(out.Inputs, &inference.ModelMetadataResponse_TensorMetadata{Name: t.Name, Datatype: string(t.Datatype), Shape: t.Shape})
	}
	for _, t := range m.Outputs {
		out.Outputs = append(out.Outputs, &inference.ModelMetadataResponse_TensorMetadata{Name: t.Name, Datatype: string(t.Datatype), Shape: t.Shape})
	}
	return out, nil
}

func (s *service) ModelConfig(ctx context.Context, req *inference.ModelConfigRequest) (*inference.ModelConfigResponse, error) {
	m, err := s.s.Metadata(ctx, req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	c := m.Config()
	out := &inference.ModelConfig{Name: c.Name, Platform: c.Platform, Backend: c.Backend, MaxBatchSize: int32(c.MaxBatch)} //nolint:gosec // small
	kind := func(name string) inference.DataType { return inference.DataType(inference.DataType_value[name]) }
	for _, t := range c.Input {
		out.Input = append(out.Input, &inference.ModelInput{Name: t.Name, DataType: kind(t.Type), Dims: t.Dims})
	}
	for _, t := range c.Output {
		out.Output = append(out.Output, &inference.ModelOutput{Name: t.Name, DataType: kind(t.Type), Dims: t.Dims})
	}
	return &inference.ModelConfigResponse{Config: out}, nil
}

func (s *service) ModelStatistics(ctx context.Context, req *inference.ModelStatisticsRequest) (*inference.ModelStatisticsResponse, error) {
	st, err := s.s.Statistics(ctx, req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	of := func(d oip.Duration) *inference.StatisticDuration {
		return &inference.StatisticDuration{Count: d.Count, Ns: d.NS}
	}
	out := &inference.ModelStatisticsResponse{}
	for _, m := range st.Models {
		out.ModelStats = append(out.ModelStats, &inference.ModelStatistics{
			Name: m.Name, Version: m.Version, LastInference: uint64(max(m.Last, 0)), InferenceCount: m.Inferences, ExecutionCount: m.Executions,
			InferenceStats: &inference.InferStatistics{
				Success: of(m.Inference.Success), Fail: of(m.Inference.Fail), Queue: of(m.Inference.Queue), ComputeInfer: of(m.Inference.Compute),
			},
		})
	}
	return out, nil
}

func (s *service) RepositoryIndex(ctx context.Context, req *inference.RepositoryIndexRequest) (*inference.RepositoryIndexResponse, error) {
	if err := onlyRepository(req.GetRepositoryName()); err != nil {
		return nil, err
	}
	list, err := s.s.Index(ctx, req.GetReady())
	if err != nil {
		return nil, err
	}
	out := &inference.RepositoryIndexResponse{}
	for _, e := range list {
		out.Models = append(out.Models, &inference.RepositoryIndexResponse_ModelIndex{Name: e.Name, Version: e.Version, State: e.State, Reason: e.Reason})
	}
	return out, nil
}

func (s *service) RepositoryModelLoad(ctx context.Context, req *inference.RepositoryModelLoadRequest) (*inference.RepositoryModelLoadResponse, error) {
	if err := onlyRepository(req.GetRepositoryName()); err != nil {
		return nil, err
	}
	if err := onlyNames(req.GetParameters(), "parameters"); err != nil {
		return nil, err
	}
	return &inference.RepositoryModelLoadResponse{}, s.s.Load(ctx, req.GetModelName())
}

func (s *service) RepositoryModelUnload(ctx context.Context, req *inference.RepositoryModelUnloadRequest) (*inference.RepositoryModelUnloadResponse, error) {
	if err := onlyRepository(req.GetRepositoryName()); err != nil {
		return nil, err
	}
	if err := onlyNames(req.GetParameters(), "parameters", "unload_dependents"); err != nil { // no model depends on another
		return nil, err
	}
	return &inference.RepositoryModelUnloadResponse{}, s.s.Unload(ctx, req.GetModelName())
}

func onlyRepository(name string) error {
	if name != "" {
		return core.Invalid("repository_name", "repository_name is %.80q; there is one repository here, which has no name.", name)
	}
	return nil
}

func (s *service) ModelInfer(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	w, err := wish(req)
	if err != nil {
		return nil, err
	}
	got, err := s.s.Infer(ctx, w)
	if err != nil {
		return nil, err
	}
	return answer(req, got)
}

// ModelStreamInfer answers one request after the other. What is wrong with one is told in its place, and the stream goes on.
func (s *service) ModelStreamInfer(stream grpc.BidiStreamingServer[inference.ModelInferRequest, inference.ModelStreamInferResponse]) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		out := &inference.ModelStreamInferResponse{}
		if out.InferResponse, err = s.turn(stream.Context(), req); err != nil {
			out.ErrorMessage = core.AsError(err).Message
			out.InferResponse = &inference.ModelInferResponse{ModelName: req.GetModelName(), ModelVersion: req.GetModelVersion(), Id: req.GetId()}
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}

func (s *service) turn(ctx context.Context, req *inference.ModelInferRequest) (out *inference.ModelInferResponse, err error) {
	ctx, end, err := api.NextTurn(ctx)
	if err != nil {
		return nil, err
	}
	err = core.Errorf(core.CodeInternal, "The request ended without an answer.") // as a panic leaves it
	defer func() { end(err) }()
	return s.ModelInfer(ctx, req)
}

// health answers grpc.health.v1.
type health struct {
	grpc_health_v1.UnimplementedHealthServer

	s *oip.Service
}

// Check tells whether the server, or its one service, takes requests.
func (h *health) Check(_ context.Context, req *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if name := req.GetService(); name != "" && name != inference.GRPCInferenceService_ServiceDesc.ServiceName {
		return nil, core.Errorf(core.CodeNotFound, "There is no service %.80q here.", name)
	}
	out := grpc_health_v1.HealthCheckResponse_SERVING
	if !h.s.Ready() {
		out = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
	return &grpc_health_v1.HealthCheckResponse{Status: out}, nil
}
