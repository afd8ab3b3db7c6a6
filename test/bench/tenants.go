package main

import (
	"context"
	"fmt"
	"net/http"

	"ashatai/test/bench/load"
)

// tenants makes two accounts with a key each on a server of ours, which then asks everybody for credentials. Other servers have
// no accounts.
func tenants(ctx context.Context, s *server) (load.Tenants, error) {
	if s.name != oursName {
		return load.Tenants{}, nil
	}
	const password = "the bench's own horse"
	account := func(name, role string) map[string]string {
		return map[string]string{"name": name, "password": password, "role": role}
	}
	var made struct {
		Token  string `json:"token"`
		Secret string `json:"key"`
	}
	steps := []struct {
		path string
		body map[string]string
	}{
		{"/api/v1/users", account("admin", "admin")},
		{"/api/v1/login", map[string]string{"name": "admin", "password": password}},
		{"/api/v1/users", account("small", "user")},
		{"/api/v1/users", account("large", "user")},
	}
	for _, step := range steps {
		if err := s.call(ctx, http.MethodPost, step.path, made.Token, step.body, &made); err != nil {
			return load.Tenants{}, fmt.Errorf("%s: %w", step.path, err)
		}
	}
	key := func(name string) (string, error) {
		err := s.call(ctx, http.MethodPost, "/api/v1/keys", made.Token, map[string]string{"name": "bench", "user": name}, &made)
		return made.Secret, err
	}
	small, err := key("small")
	if err != nil {
		return load.Tenants{}, err
	}
	large, err := key("large")
	return load.Tenants{Small: small, Large: large}, err
}
