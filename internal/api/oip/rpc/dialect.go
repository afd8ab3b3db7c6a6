package rpc

import (
	"net/http"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	"ashatai/internal/api"
	"ashatai/internal/api/oip"
	"ashatai/internal/api/oip/inference"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// as names the call over HTTP that a call over gRPC is: who may make it, and what counts it and keeps it on record, is the same.
type as struct{ method, path string }

// calls are those of the protocol.
func calls() map[string]as {
	const model, repository = "/v2/models/{model}", "/v2/repository/"
	return map[string]as{
		"ServerLive":            {http.MethodGet, "/v2/health/live"},
		"ServerReady":           {http.MethodGet, "/v2/health/ready"},
		"ServerMetadata":        {http.MethodGet, "/v2"},
		"ModelReady":            {http.MethodGet, model + "/ready"},
		"ModelMetadata":         {http.MethodGet, model},
		"ModelConfig":           {http.MethodGet, model + "/config"},
		"ModelStatistics":       {http.MethodGet, model + "/stats"},
		"ModelInfer":            {http.MethodPost, model + "/infer"},
		"ModelStreamInfer":      {http.MethodPost, model + "/infer"},
		"RepositoryIndex":       {http.MethodPost, repository + "index"},
		"RepositoryModelLoad":   {http.MethodPost, repository + "models/{model}/load"},
		"RepositoryModelUnload": {http.MethodPost, repository + "models/{model}/unload"},
		"Check":                 {http.MethodGet, "/v2/health/ready"}, // of grpc.health.v1
		"ServerReflectionInfo":  {http.MethodGet, "/v2"},
	}
}

// maxSmall is how many bytes a message without tensors may have.
const maxSmall = 1 << 20

// Dialect makes the rows of s, which answers over HTTP by the rows of its own dialect.
func Dialect(s *oip.Service) api.Dialect {
	d := api.Dialect{
		Name: "oip-grpc", Title: "Open Inference Protocol over gRPC", Proto: "internal/api/oip/inference/inference.proto",
		About:   "The same calls, at the same address, for clients of gRPC; see docs/oip.md. Their messages are those of internal/api/oip/inference/inference.proto, and the server describes them by reflection.",
		Feature: feature.OIP, Prefixes: []string{"/inference.GRPCInferenceService/", "/grpc.health.v1.Health/", "/grpc.reflection."}, Absent: absent(),
	}
	t := table{like: oip.Dialect(s).Routes, names: calls()}
	info := services{}
	t.add(&inference.GRPCInferenceService_ServiceDesc, &service{s: s})
	t.add(&grpc_health_v1.Health_ServiceDesc, &health{s: s})
	t.add(&grpc_reflection_v1.ServerReflection_ServiceDesc, reflection.NewServerV1(reflection.ServerOptions{Services: info}))
	t.add(&grpc_reflection_v1alpha.ServerReflection_ServiceDesc, reflection.NewServer(reflection.ServerOptions{Services: info})) // what older clients call
	for _, name := range t.services {
		info[name] = grpc.ServiceInfo{}
	}
	d.Routes = t.rows
	d.WriteError = func(w http.ResponseWriter, r *http.Request, e *core.Error) {
		if known := slices.ContainsFunc(t.rows, func(row api.Route) bool { return row.Path == r.URL.Path }); !known && e.Code == core.CodeNotFound {
			e = core.Errorf(core.CodeMethod, "%s", e.Message) // gRPC's word for a call that is not there
			if !spoken(r) {
				e.Code = core.CodeNotFound
			}
		}
		WriteError(w, r, e)
	}
	return d
}

func absent() []api.Absent {
	const of = "/inference.GRPCInferenceService/"
	return []api.Absent{
		{Path: of + "SystemSharedMemoryStatus", Note: "Nothing is shared with callers."},
		{Path: of + "CudaSharedMemoryStatus", Note: "Nothing is shared with callers."},
		{Path: of + "TraceSetting", Note: "The server traces nothing for callers."},
		{Path: of + "LogSettings", Note: "The log is set by `logs`."},
		{Path: "/grpc.health.v1.Health/Watch", Note: "Ask again with Check."},
	}
}

// services are what reflection describes.
type services map[string]grpc.ServiceInfo

// GetServiceInfo implements reflection.ServiceInfoProvider.
func (s services) GetServiceInfo() map[string]grpc.ServiceInfo { return s }

// table makes rows of generated tables.
type table struct {
	like     []api.Route
	names    map[string]as
	rows     []api.Route
	services []string
}

// add adds those calls of a service that the table names.
func (t *table) add(desc *grpc.ServiceDesc, impl any) {
	t.services = append(t.services, desc.ServiceName)
	for _, m := range desc.Methods {
		t.row(desc, m.MethodName, false, func(c *call) error { return unary(c, m, impl) })
	}
	for _, m := range desc.Streams {
		t.row(desc, m.StreamName, true, func(c *call) error { return m.Handler(impl, c) })
	}
}

func unary(c *call, m grpc.MethodDesc, impl any) error {
	answer, err := m.Handler(impl, c.ctx, c.only, nil)
	if err != nil {
		return err
	}
	return c.SendMsg(answer)
}

func (t *table) row(desc *grpc.ServiceDesc, name string, stream bool, do func(c *call) error) {
	as, ok := t.names[name]
	if !ok {
		return
	}
	i := slices.IndexFunc(t.like, func(r api.Route) bool { return r.Method == as.method && r.Path == as.path })
	row := t.like[i]
	limit := max(row.MaxBody, maxSmall)
	t.rows = append(t.rows, api.Route{
		Method: http.MethodPost, Path: "/" + desc.ServiceName + "/" + name, Like: row.Path, Summary: row.Summary, Produces: contentType,
		Scope: row.Scope, Limit: row.Limit, Audit: row.Audit, Object: row.Object, Statuses: append([]int{http.StatusBadRequest}, row.Statuses...),
		MaxBody: limit + headSize, Turns: stream && row.Limit == api.LimitInfer,
		Handle: func(w http.ResponseWriter, r *http.Request) error { return serve(w, r, limit, do) },
	})
}

// serve answers one call. What fails before the answer has begun is the gate's to tell.
func serve(w http.ResponseWriter, r *http.Request, limit int64, do func(c *call) error) error {
	c, cancel, err := open(w, r, limit)
	if err != nil {
		return err
	}
	defer cancel()
	err = failure(do(c))
	switch {
	case err == nil:
		c.begin()
		end(w, nil)
	case c.begun:
		end(w, core.AsError(err))
	}
	return err
}
