package node

import (
	"context"
	"io"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/api/ollama"
	"ashatai/internal/core"
	"ashatai/internal/fleet"
	"ashatai/internal/infer"
	"ashatai/internal/models"
	"ashatai/internal/models/get"
	"ashatai/internal/node/view"
	"ashatai/internal/node/wish"
	"ashatai/internal/optimize"
)

// ollamaDialect builds Ollama's dialect from the server's parts.
func (n *Node) ollamaDialect(gen metered) api.Dialect {
	text := ollamaText{gen, n.visible()}
	return ollama.New(ollama.Config{
		Generator: text, Embedder: text, Tokens: text, Fleet: ollamaFleet{n.fleet, n.infer, n.visible()},
		Models: ollamaModels{n.shown(), n.fleet, n.optimize, puller{n.jobs, n.shown()}}, Blobs: ollamaBlobs{n.visible()}, Version: n.opt.Version,
	})
}

// ollamaText gives Ollama's dialect text and vectors.
type ollamaText struct {
	gen metered
	m   view.Models
}

func (a ollamaText) Generate(ctx context.Context, req *core.Request, w ollama.Wish) (*core.Stream, error) {
	m, err := a.m.Resolve(ctx, req.Model)
	if err != nil {
		return nil, err
	}
	return a.gen.Generate(wish.With(ctx, wish.Bounded(m, w)), req)
}

func (a ollamaText) Embed(ctx context.Context, req *core.EmbedRequest, w ollama.Wish) (*core.Embeddings, error) {
	m, err := a.m.Resolve(ctx, req.Model)
	if err != nil {
		return nil, err
	}
	return a.gen.Embed(wish.With(ctx, wish.Bounded(m, w)), req)
}

func (a ollamaText) Tokenize(ctx context.Context, model, text string, w ollama.Wish) ([]int, error) {
	return a.gen.Tokenize(wish.With(ctx, w), model, text, false)
}

func (a ollamaText) Detokenize(ctx context.Context, model string, tokens []int, w ollama.Wish) ([]byte, error) {
	return a.gen.Detokenize(wish.With(ctx, w), model, tokens)
}

// ollamaFleet gives Ollama's dialect its view of what is loaded.
type ollamaFleet struct {
	f *fleet.Fleet
	i *infer.Service
	m view.Models
}

func (a ollamaFleet) Load(ctx context.Context, model string, w ollama.Wish) error {
	m, err := a.m.Resolve(ctx, model)
	if err != nil {
		return err
	}
	t, err := a.i.Target(ctx, m.Name)
	if err != nil {
		return err
	}
	_, err = a.f.Load(ctx, fleet.Target(wish.Apply(wish.With(ctx, wish.Bounded(m, w)), t)), nil)
	return err
}

func (a ollamaFleet) Unload(ctx context.Context, model string) error {
	m, err := a.m.Resolve(ctx, model)
	if err != nil {
		return err
	}
	if err := a.f.Unload(ctx, m.Name); core.CodeOf(err) != core.CodeNotFound {
		return err
	}
	return nil
}

func (a ollamaFleet) Running(ctx context.Context) ([]ollama.Running, error) {
	list, err := a.f.Instances(ctx)
	if err != nil {
		return nil, err
	}
	aliases := map[string][]string{} // by model
	for _, al := range a.m.Aliases(ctx) {
		if n, err := core.ParseModelName(al.Name); err == nil && !al.Missing {
			aliases[al.Model] = append(aliases[al.Model], n.String())
		}
	}
	out := []ollama.Running{}
	for _, i := range view.Loaded(ctx, list) {
		if i.State != "ready" {
			continue
		}
		r := ollama.Running{
			Model: i.Name, Aliases: aliases[i.Name], Size: i.Memory, Context: i.Facts.Context, Embedding: i.Embedding, ExpiresAt: i.ExpiresAt,
		}
		if !strings.Contains(strings.ToLower(i.Device), "cpu") {
			r.VRAM = i.Memory
		}
		out = append(out, r)
	}
	return out, nil
}

// ollamaModels gives Ollama's dialect its view of what is installed.
type ollamaModels struct {
	view.Shown

	f *fleet.Fleet
	o *optimize.Service
	p puller
}

func (a ollamaModels) Create(ctx context.Context, c ollama.Creation, progress func(string)) error {
	_, err := a.Shown.Create(ctx, models.CreateRequest{
		Name: c.Name, From: c.From, SHA256: c.SHA256, System: c.System, Template: c.Template, License: c.License,
		Defaults: c.Sampling, Stop: c.Stop, Window: c.Context, Messages: c.Messages,
	}, progress)
	return err
}

// List has an entry for each alias besides, as Ollama has one for each name of a model.
func (a ollamaModels) List(ctx context.Context) ([]*core.Manifest, error) {
	list, err := a.Shown.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, al := range a.Aliases(ctx) {
		m, err := a.Resolve(ctx, al.Name)
		n, bad := core.ParseModelName(al.Name)
		if err != nil || bad != nil {
			continue // it stands for nothing
		}
		named := *m
		named.Name, named.Labels = n.String(), map[string]string{ollama.LabelParent: m.Name}
		list = append(list, &named)
	}
	return list, nil
}

func (a ollamaModels) Copy(ctx context.Context, from, to string) error {
	_, err := a.Shown.Copy(ctx, from, to)
	return err
}

func (a ollamaModels) Remove(ctx context.Context, name string) error {
	_, err := v1Models{a.Shown, a.f, a.o}.Remove(ctx, name)
	return err
}

func (a ollamaModels) Pull(ctx context.Context, name string, progress func(ollama.Progress)) error {
	_, err := a.p.pull(ctx, get.Request{Source: name}, func(_ string, p core.JobProgress) {
		progress(ollama.Progress{Status: p.Status, Digest: p.Digest, Completed: p.Completed, Total: p.Total})
	})
	return err
}

// ollamaBlobs gives Ollama's dialect the uploaded files.
type ollamaBlobs struct{ m view.Models }

func (a ollamaBlobs) HasBlob(_ context.Context, sha string) bool { return a.m.HasBlob(sha) }

func (a ollamaBlobs) PutBlob(ctx context.Context, sha string, size int64, r io.Reader) (bool, error) {
	return a.m.PutBlob(ctx, sha, size, r)
}
