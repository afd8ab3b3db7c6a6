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
	"ashatai/internal/optimize"
)

// ollamaDialect builds Ollama's dialect from the server's parts.
func (n *Node) ollamaDialect(gen metered) api.Dialect {
	text := ollamaText{gen, n.visible()}
	return ollama.New(ollama.Config{
		Generator: text, Embedder: text, Tokens: text, Fleet: ollamaFleet{n.fleet, n.infer, n.visible()},
		Models: ollamaModels{n.visible(), n.fleet, n.optimize, puller{n.jobs, n.models}}, Blobs: ollamaBlobs{n.visible()}, Version: n.opt.Version,
	})
}

type wishKey struct{}

// withWish carries how one request wants its model to be kept past infer, which has no word for it, to where infer's target
// becomes the fleet's.
func withWish(ctx context.Context, w ollama.Wish) context.Context {
	return context.WithValue(ctx, wishKey{}, w)
}

// wished applies the wish in ctx, if there is one, to a target. It never makes a context smaller: the instance is shared.
func wished(ctx context.Context, t infer.Target) infer.Target {
	t.Where = whereOf(ctx)
	w, _ := ctx.Value(wishKey{}).(ollama.Wish)
	if w.KeepAlive != nil {
		t.KeepAlive = *w.KeepAlive
		if t.KeepAlive == 0 {
			t.KeepAlive = keepAlive(0)
		}
	}
	t.Spec.Context = max(t.Spec.Context, w.Context)
	return t
}

// bounded cuts a wish to what the model was trained for.
func bounded(m *core.Manifest, w ollama.Wish) ollama.Wish {
	if m.Context > 0 {
		w.Context = min(w.Context, m.Context)
	}
	return w
}

// ollamaText gives Ollama's dialect text and vectors.
type ollamaText struct {
	gen metered
	m   visible
}

func (a ollamaText) Generate(ctx context.Context, req *core.Request, w ollama.Wish) (*core.Stream, error) {
	m, err := a.m.Resolve(ctx, req.Model)
	if err != nil {
		return nil, err
	}
	return a.gen.Generate(withWish(ctx, bounded(m, w)), req)
}

func (a ollamaText) Embed(ctx context.Context, req *core.EmbedRequest, w ollama.Wish) (*core.Embeddings, error) {
	m, err := a.m.Resolve(ctx, req.Model)
	if err != nil {
		return nil, err
	}
	return a.gen.Embed(withWish(ctx, bounded(m, w)), req)
}

func (a ollamaText) Tokenize(ctx context.Context, model, text string, w ollama.Wish) ([]int, error) {
	return a.gen.Tokenize(withWish(ctx, w), model, text, false)
}

func (a ollamaText) Detokenize(ctx context.Context, model string, tokens []int, w ollama.Wish) ([]byte, error) {
	return a.gen.Detokenize(withWish(ctx, w), model, tokens)
}

// ollamaFleet gives Ollama's dialect its view of what is loaded.
type ollamaFleet struct {
	f *fleet.Fleet
	i *infer.Service
	m visible
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
	_, err = a.f.Load(ctx, fleet.Target(wished(withWish(ctx, bounded(m, w)), t)), nil)
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
	out := []ollama.Running{}
	for _, i := range loaded(ctx, list) {
		if i.State != "ready" {
			continue
		}
		r := ollama.Running{
			Model: i.Name, Size: i.Memory, Context: i.Facts.Context, Embedding: i.Embedding, ExpiresAt: i.ExpiresAt,
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
	visible

	f *fleet.Fleet
	o *optimize.Service
	p puller
}

func (a ollamaModels) Create(ctx context.Context, c ollama.Creation, progress func(string)) error {
	_, err := a.visible.Create(ctx, models.CreateRequest{
		Name: c.Name, From: c.From, SHA256: c.SHA256, System: c.System, Template: c.Template, License: c.License,
		Defaults: c.Sampling, Stop: c.Stop, Window: c.Context, Messages: c.Messages,
	}, progress)
	return err
}

// List has an entry for each alias besides, as Ollama has one for each name of a model.
func (a ollamaModels) List(ctx context.Context) ([]*core.Manifest, error) {
	list, err := a.visible.List(ctx)
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
	_, err := a.visible.Copy(ctx, from, to)
	return err
}

func (a ollamaModels) Remove(ctx context.Context, name string) error {
	_, err := v1Models{a.visible, a.f, a.o}.Remove(ctx, name)
	return err
}

func (a ollamaModels) Pull(ctx context.Context, name string, progress func(ollama.Progress)) error {
	_, err := a.p.pull(ctx, models.PullRequest{Source: name}, func(_ string, p core.JobProgress) {
		progress(ollama.Progress{Status: p.Status, Digest: p.Digest, Completed: p.Completed, Total: p.Total})
	})
	return err
}

// ollamaBlobs gives Ollama's dialect the uploaded files.
type ollamaBlobs struct{ m visible }

func (a ollamaBlobs) HasBlob(_ context.Context, sha string) bool { return a.m.HasBlob(sha) }

func (a ollamaBlobs) PutBlob(ctx context.Context, sha string, size int64, r io.Reader) (bool, error) {
	return a.m.PutBlob(ctx, sha, size, r)
}
