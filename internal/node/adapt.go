package node

import (
	"context"
	"runtime"
	"slices"

	"ashatai/internal/api"
	"ashatai/internal/api/native"
	"ashatai/internal/api/v1"
	"ashatai/internal/core"
	"ashatai/internal/fleet"
	"ashatai/internal/infer"
	"ashatai/internal/models"
	"ashatai/internal/models/inventory"
	"ashatai/internal/node/view"
	"ashatai/internal/node/wish"
	"ashatai/internal/optimize"
	"ashatai/internal/project"
)

func version(o Options) v1.Version {
	return v1.Version{Version: o.Version, Commit: o.Build, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
}

// v1Models gives the server's own API its view of the installed models.
type v1Models struct {
	m view.Shown
	f *fleet.Fleet
	o *optimize.Service
}

func (a v1Models) List(ctx context.Context) ([]*core.Manifest, error) { return a.m.List(ctx) }

func (a v1Models) Get(ctx context.Context, name string) (*core.Manifest, error) {
	return a.m.Resolve(ctx, name)
}

// Remove unloads the model first: nothing runs from a file that is gone.
func (a v1Models) Remove(ctx context.Context, name string) ([]core.Alias, error) {
	m, err := a.m.Resolve(ctx, name)
	if err != nil {
		return nil, a.m.Remove(ctx, name) // one that is broken can go; else this says why not
	}
	aliases := slices.DeleteFunc(a.m.Aliases(ctx), func(al core.Alias) bool { return al.Model != m.Name })
	if err := a.m.Remove(ctx, name); err != nil {
		return nil, err
	}
	if err := a.f.Unload(ctx, m.Name); err != nil && core.CodeOf(err) != core.CodeNotFound {
		return nil, err
	}
	return aliases, a.forget(ctx, m.Digest)
}

// forget drops what was made of weights that no model has any more.
func (a v1Models) forget(ctx context.Context, digest string) error {
	list, err := a.m.Models.Models.List(ctx) // all of them, whoever asks
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(m *core.Manifest) bool { return m.Digest == digest }) {
		a.o.Forget(ctx, digest)
	}
	return nil
}

type v1Creator struct{ m view.Shown }

func (a v1Creator) Create(ctx context.Context, req v1.CreateRequest, progress func(string)) (*core.Manifest, error) {
	return a.m.Create(ctx, models.CreateRequest{
		Name: req.Name, From: req.From, SHA256: req.SHA256, System: req.System, Template: req.Template, License: req.License,
		Defaults: req.Defaults, Stop: req.Stop, Window: req.Window, Messages: req.Messages,
	}, progress)
}

func (a v1Creator) Copy(ctx context.Context, source, destination string) (*core.Manifest, error) {
	return a.m.Copy(ctx, source, destination)
}

// v1Fleet gives the server's own API its view of what is loaded.
type v1Fleet struct {
	f *fleet.Fleet
	i *infer.Service
	m view.Models
}

func (a v1Fleet) Load(ctx context.Context, model string, o v1.LoadOptions) (v1.Instance, error) {
	t, err := a.i.Target(ctx, model)
	if err != nil {
		return v1.Instance{}, err
	}
	api.NoteObject(ctx, t.Name)
	t.Pinned = t.Pinned || o.Pin
	if o.KeepAlive != nil {
		t.KeepAlive = wish.KeepAlive(*o.KeepAlive)
	}
	i, err := a.f.Load(ctx, fleet.Target(t), nil)
	if err != nil {
		return v1.Instance{}, err
	}
	return instance(i), nil
}

func (a v1Fleet) Unload(ctx context.Context, model string) error {
	m, err := a.m.Resolve(ctx, model)
	if err != nil {
		return err
	}
	api.NoteObject(ctx, m.Name)
	return a.f.Unload(ctx, m.Name)
}

func (a v1Fleet) Instances(ctx context.Context) ([]v1.Instance, error) {
	list, err := a.f.Instances(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]v1.Instance, 0, len(list))
	for _, i := range view.Loaded(ctx, list) {
		out = append(out, instance(i))
	}
	return out, nil
}

func instance(i fleet.Instance) v1.Instance {
	mem := i.Facts.Memory
	out := v1.Instance{
		Model: i.Name, Runtime: i.Runtime, Device: i.Device, State: i.State,
		Context: i.Facts.Context, Sequences: i.Facts.Sequences, Active: i.Active, Queued: i.Queued,
		Memory: v1.Memory{Weights: mem.Weights, KV: mem.KV, Compute: mem.Compute, Total: i.Memory, Estimate: i.Estimate},
		Pinned: i.Pinned, Fallback: i.Facts.Fallback, PID: i.PID, Embedding: i.Embedding,
		LastUsed: i.LastUsed,
	}
	if !i.ExpiresAt.IsZero() {
		out.ExpiresAt = &i.ExpiresAt
	}
	return out
}

func (a v1Fleet) Runtimes(ctx context.Context) ([]v1.Runtime, error) {
	list := a.f.Runtimes(ctx)
	out := make([]v1.Runtime, 0, len(list))
	for _, r := range list {
		out = append(out, v1.Runtime{
			Name: r.Name, Title: r.Title, Formats: r.Formats, Capabilities: r.Capabilities, Devices: r.Devices,
			Ready: r.Ready, Version: r.Version, Device: r.Device, Missing: r.Missing,
		})
	}
	return out, nil
}

// nativeScanner gives the old API its view of the models folder.
type nativeScanner struct{ m view.Models }

func (a nativeScanner) Report(ctx context.Context) (*native.Report, error) {
	return nativeReport(a.m.Visible(ctx, a.m.Report())), nil
}

func (a nativeScanner) Scan(ctx context.Context) (*native.Report, error) {
	r, err := a.m.Scan(ctx)
	if err != nil {
		return nil, err
	}
	return nativeReport(a.m.Visible(ctx, r)), nil
}

func nativeReport(r inventory.Report) *native.Report {
	out := &native.Report{ModelsDirectory: r.Dir}
	for _, f := range r.Loaded {
		out.LoadedModels = append(out.LoadedModels, native.ModelFile{
			FileName: f.FileName, Path: f.Path, SizeBytes: f.SizeBytes, Checksum: f.Checksum, LoadedAt: f.LoadedAt,
		})
	}
	for _, f := range r.Failed {
		out.FailedModels = append(out.FailedModels, native.FailedFile{FileName: f.FileName, Path: f.Path, Error: f.Error})
	}
	return out
}

// nativeProjects gives the old API the project feature.
type nativeProjects struct{ p *project.Service }

func (a nativeProjects) MakeProject(ctx context.Context, p native.ProjectRequest) (*native.Project, error) {
	r, err := a.p.Make(ctx, project.Spec{
		ID: p.ID, Principal: p.Principal, Description: p.Description, Type: p.Type, Language: p.Language, Model: p.Model,
		IncludeComments: p.IncludeComments, IncludeTests: p.IncludeTests, IncludeReadme: p.IncludeReadme,
		MaxFiles: p.MaxFiles, MaxFileBytes: p.MaxFileBytes,
	})
	if err != nil {
		return nil, err
	}
	return &native.Project{Files: r.Files, Model: r.Model, Type: r.Type, Language: r.Language, Warnings: r.Warnings}, nil
}
