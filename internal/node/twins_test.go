package node

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"ashatai/internal/api/oip/inference"
)

// TestProtectedOverGRPC: what protects a call over HTTP protects the same call over gRPC.
func TestProtectedOverGRPC(t *testing.T) {
	s := start(t, options(t, settings(t, map[string]string{"api_key.protected_paths": "/v2/models"})))
	conn, err := grpc.NewClient(strings.TrimPrefix(s.addr, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := inference.NewGRPCInferenceServiceClient(conn)
	if code, body := s.call(t, http.MethodGet, "/v2/models/tiny", ""); code != http.StatusUnauthorized {
		t.Errorf("over HTTP: %d %s", code, body)
	}
	if _, err := c.ModelMetadata(t.Context(), &inference.ModelMetadataRequest{Name: "tiny"}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the same call: %v", err)
	}
	if _, err := c.ModelInfer(t.Context(), &inference.ModelInferRequest{ModelName: "tiny"}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("tensors: %v", err)
	}
	if _, err := c.ServerMetadata(t.Context(), &inference.ServerMetadataRequest{}); err != nil {
		t.Errorf("a call that is not protected: %v", err)
	}
	if _, err := c.RepositoryIndex(t.Context(), &inference.RepositoryIndexRequest{}); err != nil {
		t.Errorf("another one: %v", err)
	}
}
