// Package borrow offers the models of servers elsewhere that the settings name: it asks the servers for their lists, at the start
// and again and again, and gives the models names of this server. It runs none of them.
package borrow

import (
	"context"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/engine/remote"
	"ashatai/internal/life"
	"ashatai/internal/models"
)

// Service keeps the lists.
type Service struct {
	life.Base
	set     map[string]config.Remote
	runtime *remote.Runtime
	models  *models.Models
	log     *slog.Logger

	mu       sync.Mutex
	sections map[string]config.Model    // of the models, as the settings are now
	known    map[string][]remote.Listed // by server; the last list that came
}

const (
	relist    = time.Minute
	firstList = 3 * time.Second // what the start waits for lists at most
)

// New makes a service that is not started, and offers what the settings name. Sections are those of the models.
func New(set map[string]config.Remote, sections map[string]config.Model, rt *remote.Runtime, m *models.Models, log *slog.Logger) *Service {
	r := &Service{set: set, sections: sections, runtime: rt, models: m, log: log, known: map[string][]remote.Listed{}}
	r.offer()
	return r
}

// Start asks for the lists, and waits for them a moment: a server that is slow or away must not hold up this one.
func (r *Service) Start(ctx context.Context) error {
	if len(r.set) == 0 {
		return nil
	}
	first := make(chan struct{})
	err := r.Launch(ctx, func(ctx context.Context) {
		r.list(ctx)
		close(first)
		tick := time.NewTicker(relist)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.list(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	if err != nil {
		return err
	}
	wait := time.NewTimer(firstList)
	defer wait.Stop()
	select {
	case <-first:
	case <-wait.C:
	case <-ctx.Done():
	}
	return nil
}

// SetSections says what the settings say of single models now, and offers what they name.
func (r *Service) SetSections(sections map[string]config.Model) {
	r.mu.Lock()
	r.sections = sections
	r.mu.Unlock()
	r.offer()
}

// list asks every server that has no list in the settings, all at once.
func (r *Service) list(ctx context.Context) {
	var wg sync.WaitGroup
	for name := range r.set {
		wg.Go(func() {
			list, err := r.runtime.Models(ctx, name)
			if err != nil {
				if ctx.Err() == nil {
					r.log.WarnContext(ctx, "a remote does not list its models", slog.String("remote", name), slog.String("error", core.AsError(err).Message))
				}
				return
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.known[name] = list
		})
	}
	wg.Wait()
	r.offer()
}

// offer makes the models known by names of this server: REMOTE/MODEL.
func (r *Service) offer() {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []models.Elsewhere
	taken := map[string]bool{}
	for _, server := range slices.Sorted(maps.Keys(r.set)) {
		for _, l := range r.offered(server) {
			name, ok := localName(server, l.ID)
			if !ok || taken[name] {
				continue
			}
			taken[name] = true
			out = append(out, models.Elsewhere{
				Name: name, Path: remote.Path(server, l.ID), Source: "remote " + server + ": " + l.ID, Context: l.Context, Capabilities: abilities(l),
			})
		}
	}
	for _, b := range r.borrowed(r.sections) {
		if !taken[b.Name] {
			out = append(out, b)
		}
	}
	r.models.SetElsewhere(out)
}

// offered are a server's models that the settings want, with what is known of them.
func (r *Service) offered(server string) []remote.Listed {
	wanted := r.set[server].Models
	if len(wanted) == 0 {
		return r.known[server]
	}
	var out []remote.Listed
	for _, id := range wanted {
		l := remote.Listed{ID: id}
		if i := slices.IndexFunc(r.known[server], func(k remote.Listed) bool { return k.ID == id || k.ID == id+":latest" }); i >= 0 {
			l = r.known[server][i]
		}
		out = append(out, l)
	}
	return out
}

// localName is what a model of a server is called here: the last part of its name there, below the server's name.
func localName(server, id string) (string, bool) {
	keep := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '_', r == '-', r == ':':
			return r
		}
		return '-'
	}
	base := strings.Map(keep, strings.ToLower(strings.TrimSuffix(path.Base(id), ".gguf")))
	n, err := core.ParseModelName(server + "/" + strings.Trim(base, ".-_"))
	return n.String(), err == nil
}

// abilities are what a model can do: as its server says, else as its name suggests.
func abilities(l remote.Listed) []core.Capability {
	if l.Capabilities != nil {
		return l.Capabilities
	}
	name := strings.ToLower(l.ID)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
	}
	switch {
	case has("rerank"):
		return []core.Capability{core.CapRerank}
	case has("embed", "minilm", "bge-", "gte-", "e5-"):
		return []core.Capability{core.CapEmbed}
	}
	return []core.Capability{core.CapChat, core.CapGenerate}
}

// borrowed are the models of the settings that are not installed here and have replicas at servers elsewhere.
func (r *Service) borrowed(sections map[string]config.Model) []models.Elsewhere {
	var out []models.Elsewhere
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		for _, text := range sections[name].Replicas {
			rep, err := config.ParseReplica(text)
			if err != nil || rep.Remote == "" {
				continue
			}
			server := strings.ToLower(rep.Remote)
			l := remote.Listed{ID: rep.Model}
			if i := slices.IndexFunc(r.known[server], func(k remote.Listed) bool { return k.ID == rep.Model || k.ID == rep.Model+":latest" }); i >= 0 {
				l = r.known[server][i]
			}
			out = append(out, models.Elsewhere{
				Name: name, Path: remote.Path(server, rep.Model), Source: "replicas", Context: l.Context, Capabilities: abilities(l),
			})
			break
		}
	}
	return out
}
