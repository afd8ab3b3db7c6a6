// Package view is the installed models as one credential may use them. Every dialect and infer look models up through it, so
// that no way leads around it.
package view

import (
	"context"
	"slices"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/fleet"
	"ashatai/internal/models"
	"ashatai/internal/models/get"
	"ashatai/internal/models/inventory"
)

// Models are the installed models as the credential of a request may use them: of a key with a list of models, the others
// do not exist.
type Models struct{ *models.Models }

// Resolve finds a model by name. Errors: CodeModelNotFound also for one that is not on the key's list.
func (v Models) Resolve(ctx context.Context, name string) (*core.Manifest, error) {
	m, err := v.Models.Resolve(ctx, name)
	allowed := core.PrincipalFrom(ctx).Models
	if allowed == "" || err == nil && allowed.Has(m.Name) {
		return m, err
	}
	if name != "" {
		return nil, hidden(name)
	}
	list, err := v.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range list { // the default is not for this key; the first chat model that is takes its place
		if m.Can(core.CapChat) || m.Can(core.CapGenerate) {
			return m, nil
		}
	}
	return nil, core.Errorf(core.CodeModelNotFound, "None of the models that this key may use is installed.")
}

// List lists the models that may be used.
func (v Models) List(ctx context.Context) ([]*core.Manifest, error) {
	list, err := v.Models.List(ctx)
	allowed := core.PrincipalFrom(ctx).Models
	if err != nil || allowed == "" {
		return list, err
	}
	out := []*core.Manifest{}
	for _, m := range list {
		if allowed.Has(m.Name) {
			out = append(out, m)
		}
	}
	return out, nil
}

// Source is where a pull takes a model from, without what may be a signature.
func Source(source string) string {
	shown, _, _ := strings.Cut(source, "?")
	return shown
}

func hidden(name string) error {
	return core.Errorf(core.CodeModelNotFound, "There is no model %.200q that this key may use.", name)
}

// Whole refuses keys for some models only: what they installed could take the place of a model that they may not see.
func Whole(ctx context.Context) error {
	if core.PrincipalFrom(ctx).Models == "" {
		return nil
	}
	return core.Errorf(core.CodeForbidden, "A key for some models only cannot install, make or copy models.")
}

// Create makes a model. Errors: CodeForbidden for a key with a list of models, CodeConflict for a name that is taken and a
// caller who may add models but not put others in place of those that people use.
func (v Models) Create(ctx context.Context, req models.CreateRequest, progress func(string)) (*core.Manifest, error) {
	if err := Whole(ctx); err != nil {
		return nil, err
	}
	if _, err := v.Models.Resolve(ctx, req.Name); err == nil && !core.PrincipalFrom(ctx).Scopes.Has(core.ScopeOperate) {
		return nil, core.Errorf(core.CodeConflict, "There is a model %.200q already; to replace it needs the scope operate. Choose another name.", req.Name)
	}
	api.NoteObject(ctx, req.Name)
	return v.Models.Create(ctx, req, progress)
}

// Copy gives a model another name. Errors as of Create.
func (v Models) Copy(ctx context.Context, from, to string) (*core.Manifest, error) {
	if err := Whole(ctx); err != nil {
		return nil, err
	}
	api.NoteObject(ctx, to)
	api.NoteDetail(ctx, "from "+from)
	return v.Models.Copy(ctx, from, to)
}

// SetAlias makes a name stand for a model. Errors as of Create: the name could be one that others mean a hidden model by.
func (v Models) SetAlias(ctx context.Context, name, model string) (core.Alias, error) {
	if err := Whole(ctx); err != nil {
		return core.Alias{}, err
	}
	api.NoteDetail(ctx, "stands for "+model)
	return v.Models.SetAlias(ctx, name, model)
}

// Pull installs a model. Errors as of Create.
func (v Models) Pull(ctx context.Context, req get.Request, progress func(get.Progress)) (*core.Manifest, error) {
	if err := Whole(ctx); err != nil {
		return nil, err
	}
	api.NoteObject(ctx, Source(req.Source))
	return v.Models.Pull(ctx, req, progress)
}

// Metadata reads what a model's file says about itself.
func (v Models) Metadata(ctx context.Context, name string) (map[string]any, error) {
	if _, err := v.Resolve(ctx, name); err != nil {
		return nil, err
	}
	return v.Models.Metadata(ctx, name)
}

// Loaded leaves the instances out whose models are not to be seen.
func Loaded(ctx context.Context, list []fleet.Instance) []fleet.Instance {
	allowed := core.PrincipalFrom(ctx).Models
	return slices.DeleteFunc(list, func(i fleet.Instance) bool { return !allowed.Has(i.Name) })
}

// Visible is what lies in the models folder, without the files of models that are not to be seen.
func (Models) Visible(ctx context.Context, r inventory.Report) inventory.Report {
	if core.PrincipalFrom(ctx).Models == "" {
		return r
	}
	r.Failed = nil
	allowed := core.PrincipalFrom(ctx).Models
	r.Loaded = slices.DeleteFunc(slices.Clone(r.Loaded), func(f inventory.ScannedFile) bool { return !allowed.Has(f.Name) })
	return r
}

// Aliases lists the names that stand for models, without those of models that are not to be seen.
func (v Models) Aliases(ctx context.Context) []core.Alias {
	allowed := core.PrincipalFrom(ctx).Models
	return slices.DeleteFunc(v.Models.Aliases(ctx), func(a core.Alias) bool { return !allowed.Has(a.Model) })
}

// Remove removes a model. Of those that are not to be seen there is none.
func (v Models) Remove(ctx context.Context, name string) error {
	if core.PrincipalFrom(ctx).Models != "" {
		if _, err := v.Resolve(ctx, name); err != nil {
			return err
		}
	}
	api.NoteObject(ctx, name)
	return v.Models.Remove(ctx, name)
}

// RemoveAlias removes a name that stands for a model. Errors as of Create.
func (v Models) RemoveAlias(ctx context.Context, name string) error {
	if err := Whole(ctx); err != nil {
		return err
	}
	return v.Models.RemoveAlias(ctx, name)
}
