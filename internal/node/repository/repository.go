// Package repository lets the Open Inference Protocol load and unload models. It decides nothing.
package repository

import (
	"context"

	"ashatai/internal/core"
	"ashatai/internal/fleet"
	"ashatai/internal/infer"
	"ashatai/internal/node/view"
)

// Models finds models that a request's credential may use.
type Models interface {
	Resolve(ctx context.Context, name string) (*core.Manifest, error)
}

// Repository loads and unloads the models that a request's credential may use.
type Repository struct {
	Fleet  *fleet.Fleet
	Infer  *infer.Service
	Models Models
}

// Load loads a model, or waits until it is loaded.
func (r Repository) Load(ctx context.Context, model string) error {
	t, err := r.Infer.Target(ctx, model)
	if err != nil {
		return err
	}
	_, err = r.Fleet.Load(ctx, fleet.Target(t), nil)
	return err
}

// Unload unloads a model. Errors: CodeNotFound where it is not loaded.
func (r Repository) Unload(ctx context.Context, model string) error {
	m, err := r.Models.Resolve(ctx, model)
	if err != nil {
		return err
	}
	return r.Fleet.Unload(ctx, m.Name)
}

// Loaded lists the models that are ready.
func (r Repository) Loaded(ctx context.Context) ([]string, error) {
	list, err := r.Fleet.Instances(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, i := range view.Loaded(ctx, list) {
		if i.State == "ready" {
			out = append(out, i.Name)
		}
	}
	return out, nil
}
