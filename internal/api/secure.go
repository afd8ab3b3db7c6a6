package api

import (
	"context"
	"net/http"
)

type secureKey struct{}

// WithSecure returns a context of a request that reached a trusted proxy over TLS, wherever it goes on from there.
func WithSecure(ctx context.Context) context.Context {
	return context.WithValue(ctx, secureKey{}, true)
}

// Secure reports whether the caller speaks TLS, to this server or to a proxy in front of it that is trusted.
func Secure(r *http.Request) bool {
	secure, _ := r.Context().Value(secureKey{}).(bool)
	return secure || r.TLS != nil
}
