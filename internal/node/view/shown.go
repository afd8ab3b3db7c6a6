package view

import (
	"context"
	"slices"

	"ashatai/internal/core"
	"ashatai/internal/models"
)

// Shown are Models as people and programs see them: with what its chat template adds to what a model can do. Programs offer
// tools and thinking by that.
type Shown struct {
	Models

	// Abilities is what the template adds; its list is not changed.
	Abilities func(*core.Manifest) []core.Capability
}

func (v Shown) with(m *core.Manifest, err error) (*core.Manifest, error) {
	if err != nil {
		return nil, err
	}
	out := *m
	out.Capabilities = slices.Clone(m.Capabilities)
	for _, c := range v.Abilities(m) {
		if !m.Can(c) { // a server elsewhere may have said so
			out.Capabilities = append(out.Capabilities, c)
		}
	}
	return &out, nil
}

// Resolve finds a model by name. Errors as of Models.
func (v Shown) Resolve(ctx context.Context, name string) (*core.Manifest, error) {
	return v.with(v.Models.Resolve(ctx, name))
}

// List lists the models that may be used.
func (v Shown) List(ctx context.Context) ([]*core.Manifest, error) {
	list, err := v.Models.List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]*core.Manifest, len(list))
	for i, m := range list {
		out[i], _ = v.with(m, nil)
	}
	return out, nil
}

// Create makes a model. Errors as of Models.
func (v Shown) Create(ctx context.Context, req models.CreateRequest, progress func(string)) (*core.Manifest, error) {
	return v.with(v.Models.Create(ctx, req, progress))
}

// Copy gives a model another name. Errors as of Models.
func (v Shown) Copy(ctx context.Context, from, to string) (*core.Manifest, error) {
	return v.with(v.Models.Copy(ctx, from, to))
}
