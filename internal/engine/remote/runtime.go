package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
)

// Scheme begins the path of a model elsewhere: remote:SERVER/MODEL.
const Scheme = "remote:"

// Path is what a load of a model at a server is asked for with.
func Path(server, model string) string { return Scheme + server + "/" + model }

// Runtime knows the servers.
type Runtime struct {
	servers map[string]*server
}

// New makes the runtime. It asks nobody. Close it when it is no longer needed. Error: CodeInvalidRequest for a server
// whose address cannot be used.
func New(list []Server) (*Runtime, error) {
	r := &Runtime{servers: map[string]*server{}}
	for _, s := range list {
		made, err := newServer(s)
		if err != nil {
			return nil, err
		}
		r.servers[s.Name] = made
	}
	return r, nil
}

// Close ends idle connections.
func (r *Runtime) Close() error {
	for _, s := range r.servers {
		s.http.Close()
	}
	return nil
}

// Descriptor implements engine.Runtime.
func (r *Runtime) Descriptor() engine.Descriptor {
	d, _ := catalog.Get(catalog.Remote)
	return d
}

// Probe asks every server whether it answers.
func (r *Runtime) Probe(ctx context.Context) engine.Status {
	if len(r.servers) == 0 {
		return engine.Status{Missing: "No server elsewhere is set. Name one under remotes in the settings; docs/runtimes.md shows how."}
	}
	names := slices.Sorted(maps.Keys(r.servers))
	found := make([]string, len(names))
	wrong := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			s := r.servers[name]
			list, err := s.models(ctx)
			if wrong[i] = err; err == nil {
				found[i] = fmt.Sprintf("%s (%s, %d models)", name, s.kind(ctx, list), len(list))
			}
		})
	}
	wg.Wait()
	found = slices.DeleteFunc(found, func(s string) bool { return s == "" })
	st := engine.Status{Ready: len(found) > 0, Version: "OpenAI v1", Device: strings.Join(found, ", ")}
	var why []string
	for _, err := range wrong {
		if err != nil {
			why = append(why, core.AsError(err).Message)
		}
	}
	st.Missing = strings.Join(why, " ")
	return st
}

// deviceOf is the word for a model's place at a server: all begin with the kind of device, by which requests can ask for any of them.
func deviceOf(server string) string { return Scheme + server }

// Device implements engine.Placer.
func (r *Runtime) Device(spec engine.LoadSpec) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(spec.Path, Scheme), "/")
	return deviceOf(name)
}

// Models lists what a server serves.
func (r *Runtime) Models(ctx context.Context, name string) ([]Listed, error) {
	s := r.servers[name]
	if s == nil {
		return nil, unknown(name)
	}
	list, err := s.models(ctx)
	if err != nil {
		return nil, err
	}
	if s.kind(ctx, list) == KindAshatai {
		s.describe(ctx, list)
	}
	return list, nil
}

func unknown(name string) error {
	return core.Errorf(core.CodeNotFound, "There is no remote %.80q in the settings.", name)
}

// Listed is a model of a server elsewhere.
type Listed struct {
	ID           string
	Owner        string
	Context      int               // tokens; 0: not told
	Capabilities []core.Capability // nil: not told
	Vocabulary   int               // tokens; 0: not told
	root         string            // of an alias: what it stands for
}

const (
	maxListed  = 4096
	maxContext = 1 << 24 // tokens; what is said to have more has this, so that nothing that is counted with it overflows
)

func bounded(n int) int { return min(max(n, 0), maxContext) }

// models asks for the list.
func (s *server) models(ctx context.Context) ([]Listed, error) {
	var got struct {
		Data []struct {
			ID      string `json:"id"`
			Owner   string `json:"owned_by"`
			Root    string `json:"root"`
			Longest int    `json:"max_model_len"` // vLLM, SGLang
			Meta    struct {
				Vocabulary int `json:"n_vocab"` // llama-server
				Trained    int `json:"n_ctx_train"`
				Context    int `json:"n_ctx"`
			} `json:"meta"`
		} `json:"data"`
	}
	err := s.patiently(ctx, func() error { return s.call(ctx, http.MethodGet, s.at("/models"), nil, &got) })
	if err != nil {
		return nil, err
	}
	if got.Data == nil || len(got.Data) > maxListed {
		return nil, s.fault(engine.FaultDown, nil, "lists its models in no form of OpenAI's interface")
	}
	list := make([]Listed, 0, len(got.Data))
	for _, m := range got.Data {
		l := Listed{ID: m.ID, Owner: m.Owner, Context: bounded(m.Longest), Vocabulary: max(0, m.Meta.Vocabulary), root: m.Root}
		if l.Context == 0 {
			l.Context = bounded(m.Meta.Context)
		}
		list = append(list, l)
	}
	return list, nil
}

// kind is what sort of server this is.
func (s *server) kind(ctx context.Context, list []Listed) string {
	if s.Kind != KindAuto {
		return s.Kind
	}
	for _, m := range list {
		switch m.Owner {
		case KindLlamaCpp, KindVLLM, KindSGLang:
			return m.Owner
		}
	}
	var v struct {
		Version string `json:"version"`
		Go      string `json:"go"`
	}
	if err := s.call(ctx, http.MethodGet, s.root("/api/v1/version"), nil, &v); err == nil && v.Version != "" && v.Go != "" {
		return KindAshatai
	}
	return KindOpenAI
}

// describe completes the list of another ASHATAI, which says more of its models in its own interface.
func (s *server) describe(ctx context.Context, list []Listed) {
	var got struct {
		Models []struct {
			Name         string            `json:"name"`
			Context      int               `json:"context"`
			Capabilities []core.Capability `json:"capabilities"`
		} `json:"models"`
	}
	if s.call(ctx, http.MethodGet, s.root("/api/v1/models"), nil, &got) != nil {
		return // the list is good without
	}
	var run struct {
		Instances []struct {
			Model   string `json:"model"`
			Context int    `json:"context"`
		} `json:"instances"`
	}
	_ = s.call(ctx, http.MethodGet, s.root("/api/v1/instances"), nil, &run) // what is loaded may not be for this key to see
	for i := range list {
		for _, m := range got.Models {
			if m.Name == list[i].ID || m.Name == list[i].root {
				list[i].Context, list[i].Capabilities = bounded(m.Context), m.Capabilities
			}
		}
		for _, r := range run.Instances { // loaded with less than the model was trained for
			if r.Model == list[i].ID && r.Context > 0 {
				list[i].Context = bounded(r.Context)
			}
		}
	}
}

// Load asks the server whether it serves the model. Spec.Path is remote:SERVER/MODEL. Errors: CodeNotFound for a server that
// is not set, CodeBadModel for a model that it does not serve, a *engine.FaultError where it cannot be asked.
func (r *Runtime) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	name, id, ok := strings.Cut(strings.TrimPrefix(spec.Path, Scheme), "/")
	s := r.servers[name]
	if !strings.HasPrefix(spec.Path, Scheme) || !ok || s == nil {
		return nil, unknown(name)
	}
	for _, key := range slices.Sorted(maps.Keys(spec.Options)) {
		return nil, core.Invalid(key, "The runtime remote has no option %q; it has none at all.", key)
	}
	if ctx.Err() != nil {
		return nil, core.AsError(context.Cause(ctx))
	}
	tell := func(part float64) {
		if progress != nil {
			progress(part)
		}
	}
	tell(0)
	list, err := s.models(ctx)
	if err != nil {
		return nil, err
	}
	m := newModel(s, id, spec.Embedding)
	m.kind = s.kind(ctx, list)
	if m.kind == KindAshatai {
		s.describe(ctx, list)
	}
	i := slices.IndexFunc(list, func(l Listed) bool { return same(l.ID, id) })
	if i < 0 {
		return nil, core.Errorf(core.CodeBadModel, "The remote %s does not serve the model %.200q. It serves: %s.", name, id, s.quoted(ids(list), ""))
	}
	m.id, m.listed = list[i].ID, list[i]
	m.template = m.templateDigest(ctx)
	tell(1)
	return m, nil
}

// same compares names as the servers themselves do: another ASHATAI and Ollama write the tag latest out.
func same(a, b string) bool {
	return strings.TrimSuffix(a, ":latest") == strings.TrimSuffix(b, ":latest")
}

func ids(list []Listed) string {
	names := make([]string, len(list))
	for i, l := range list {
		names[i] = l.ID
	}
	return strings.Join(names, ", ")
}

// templateDigest is the SHA-256 of the chat template where the server shows it.
func (m *model) templateDigest(ctx context.Context) string {
	var got struct {
		ChatTemplate string `json:"chat_template"` // llama-server
		Template     string `json:"template"`      // ASHATAI
	}
	var err error
	switch m.kind {
	case KindLlamaCpp:
		err = m.s.call(ctx, http.MethodGet, m.s.root("/props"), nil, &got)
	case KindAshatai:
		err = m.s.call(ctx, http.MethodGet, m.s.root("/api/v1/models/"+url.PathEscape(m.id)), nil, &got)
	default:
		err = errors.ErrUnsupported
	}
	if text := got.ChatTemplate + got.Template; err == nil && text != "" {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	return ""
}
