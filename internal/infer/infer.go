package infer

import (
	"context"
	"strings"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Models knows what is installed.
type Models interface {
	// Resolve finds the manifest of a name or alias; the empty name is the default chat model. Manifests are not changed
	// after they were returned. Errors: CodeModelNotFound, CodeInvalidRequest.
	Resolve(ctx context.Context, name string) (*core.Manifest, error)
	// Path is where the model's main file lies.
	Path(m *core.Manifest) string
}

// Fleet runs models. It loads what a Target names when it is not loaded.
type Fleet interface {
	Generate(ctx context.Context, t Target, it core.QueueItem, req engine.GenerateRequest) (*core.Stream, error)
	// Embed, Rerank and Infer say with an error too where they ran; no place is one where they did not begin.
	Embed(ctx context.Context, t Target, it core.QueueItem, prompts []engine.Prompt) ([][]float32, core.Usage, core.Placement, error)
	Rerank(ctx context.Context, t Target, it core.QueueItem, query string, documents []string) ([]float32, core.Usage, core.Placement, error)
	Tokenize(ctx context.Context, t Target, p engine.Prompt) ([]int, error)
	Detokenize(ctx context.Context, t Target, tokens []int) ([]byte, error)
	// Infer computes tensors.
	Infer(ctx context.Context, t Target, it core.QueueItem, inputs []core.Tensor, outputs []string) ([]core.Tensor, core.Usage, core.Placement, error)
	// Facts are what the loaded model says of itself.
	Facts(ctx context.Context, t Target) (engine.Facts, error)
}

// Target is a model as it is to be loaded.
type Target struct {
	Name      string // canonical model name
	Digest    string
	Runtime   string
	Spec      engine.LoadSpec
	Memory    int64         // estimate in bytes, until a load has measured it; 0: not known
	Pinned    bool          // never unloaded by itself
	KeepAlive time.Duration // how long it stays without work; 0: the fleet's default, negative: for ever

	Replicas []engine.Replica // places that it can be served from; empty: one, which the fields above name
	Balance  string           // how requests are spread over them: a policy of fleet/plan/replica; empty: by score
	Where    engine.Where     // what this call asks of its place
	Label    string           // of the replica that was chosen; the fleet sets it
}

// Settings are one model's own, from the configuration. Zero values mean: the manifest's or the server's.
type Settings struct {
	Runtime   string          // empty: what Config.Runtime says
	Load      engine.LoadSpec // Path and Embedding are not looked at
	Weights   string          // file to load instead of Models.Path; empty: that one
	Sampling  core.Sampling
	Stop      []string // strings that end every answer, besides the model's
	System    string   // system prompt for conversations that have none
	Template  string   // Jinja source of the chat template
	Pinned    bool
	KeepAlive time.Duration
	Replicas  []engine.Replica // see Target
	Balance   string
	Local     *core.Manifest // the installed model that replicas here serve; nil: there is none
}

// Config is what Service needs beyond its partners.
type Config struct {
	Sampling engine.Sampling                                    // the server's defaults; Seed is not looked at
	Timeout  time.Duration                                      // limit of a request that has none, and of every other; 0: none
	Runtime  func(m *core.Manifest) string                      // which runtime loads a model
	Settings func(m *core.Manifest) Settings                    // nil: no model has any
	Estimate func(m *core.Manifest, spec engine.LoadSpec) int64 // bytes that a load will take; nil: not known
	Quota    Quota                                              // nil: no limits
	Now      func() time.Time                                   // nil: time.Now
	Random   func() (int64, error)                              // seed of a request that has none; nil: from the system's random source
}

// DefaultSampling is the sampling of a server whose settings say nothing.
func DefaultSampling() engine.Sampling {
	return engine.Sampling{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, TypicalP: 1, RepeatPenalty: 1, RepeatLastN: 64}
}

// Service answers requests with the fleet's help. It may be used by many goroutines.
type Service struct {
	models    Models
	fleet     Fleet
	cfg       Config
	templates *templates
	abilities *abilities
	markers   *markers
}

// New makes a Service.
func New(models Models, fleet Fleet, cfg Config) *Service {
	if cfg.Settings == nil {
		cfg.Settings = func(*core.Manifest) Settings { return Settings{} }
	}
	if cfg.Estimate == nil {
		cfg.Estimate = func(*core.Manifest, engine.LoadSpec) int64 { return 0 }
	}
	if cfg.Quota == nil {
		cfg.Quota = free{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = randomSeed
	}
	return &Service{models: models, fleet: fleet, cfg: cfg, templates: newTemplates(), abilities: &abilities{all: map[string][]core.Capability{}}, markers: newMarkers()}
}

// Generate starts an answer. The stream's Events must be ranged over, or ctx ended; either frees what the request holds.
// Errors: those of core.Request.Validate, of Models and Fleet, CodeUnsupported for what the model cannot do, and
// CodeInvalidRequest for a conversation that the chat template refuses.
func (s *Service) Generate(ctx context.Context, req *core.Request) (*core.Stream, error) {
	stream, err := s.generate(ctx, req)
	if err != nil {
		return nil, inWords(req, err)
	}
	stream.Events = eventsInWords(req, stream.Events)
	return stream, nil
}

func (s *Service) generate(ctx context.Context, req *core.Request) (*core.Stream, error) {
	if err := check(req); err != nil {
		return nil, err
	}
	laws, err := newLaws(req)
	if err != nil {
		return nil, err
	}
	m, set, err := s.known(ctx, req.Model)
	if err != nil {
		return nil, err
	}
	t := s.target(m, set, false)
	req, p, left, err := s.fitted(ctx, m, set, req)
	if err != nil {
		return nil, err
	}
	sampling, err := s.sampling(m, set, req)
	if err != nil {
		return nil, err
	}
	choices := max(req.Choices, 1)
	work := engine.GenerateRequest{
		ID: req.ID, Tenant: req.Principal.Tenant, Prompt: p.Prompt, Sampling: sampling,
		MaxTokens: req.MaxTokens, Choices: choices, Stop: stops(m, set, req), IgnoreEOS: req.IgnoreEOS,
		Logprobs: req.Logprobs, TopLogprobs: req.TopLogprobs,
		Pins: p.pins, Constraint: engine.Constraint{Kind: req.Format.Kind, Source: req.Format.Source},
	}
	if m.Elsewhere() || len(set.Replicas) > 0 {
		work.Asked = asked(m, set, req)
	}
	ctx, cancel, deadline := s.limit(ctx, req.Timeout)
	used, err := s.reserve(ctx, req.Principal, m, t, &work)
	if err != nil {
		cancel()
		return nil, err
	}
	it := s.item(req.Principal, t, p.Prompt)
	cost := answerCost(work.MaxTokens, m.Context)
	if req.MaxTokens == 0 { // a quota's limit is no plan of the caller's
		cost = min(cost, answerCost(0, m.Context))
	}
	it.Cost += choices * cost
	it.Deadline = deadline
	j := &job{
		fleet: s.fleet, target: t, item: it, work: work, used: used, answer: &answer{id: req.ID, seed: sampling.Seed, laws: laws, raw: !p.talk},
	}
	stream, err := s.start(ctx, j, req, p)
	if err != nil {
		used.settle(false)
		cancel()
		return nil, err
	}
	place := stream.Placement
	place.LeftOut = left
	if p.fallback != "" {
		place.Fallback = strings.TrimPrefix(place.Fallback+"; "+p.fallback, "; ")
	}
	events := used.until(ctx, lessened(j.answer.read(stream.Events), left))
	return &core.Stream{Placement: place, Events: func(yield func(core.Event, error) bool) {
		defer cancel()
		events(yield)
	}}, nil
}

// start sends a request off, with what its answer is held to.
func (s *Service) start(ctx context.Context, j *job, req *core.Request, p prompt) (*core.Stream, error) {
	if p.elsewhere {
		j.answer.form = p.form
		return j.start(ctx)
	}
	if !p.talk {
		return j.start(ctx)
	}
	a := j.answer
	a.form, a.tools, a.single, a.opened, a.begun = p.form, active(req), single(req), p.opened, req.Continue
	_, a.called = demanded(req)
	a.tokens = func(text string) int {
		ids, err := s.fleet.Tokenize(ctx, j.target, engine.Prompt{Segments: []engine.Segment{{Text: text}}})
		if err != nil {
			return 0 // the answer is there; only this figure is not
		}
		return len(ids)
	}
	j.work.Reveal = p.form.Markers(len(a.tools) > 0)
	var err error
	if j.work.Constraint, err = s.constrain(ctx, j.target, req, p.form, p.opened); err != nil {
		return nil, err
	}
	budget := req.Thinking.Budget
	if budget == 0 && !p.effort && j.work.Choices == 1 {
		budget = effortBudget(req.Thinking.Effort, j.work.MaxTokens)
	}
	if budget == 0 || !p.form.Thinks() || quiet(req) || j.work.Constraint.Kind != "" {
		return j.start(ctx) // a constraint bounds the reasoning itself
	}
	if j.work.Choices > 1 {
		return nil, core.Invalid("n", "A budget for reasoning is kept for one answer at a time; n is %d. Ask for one, or leave the budget out.", j.work.Choices)
	}
	return j.bounded(ctx, budget)
}

// limit applies a request's time limit, which cannot be above the server's. Without any limit deadline is zero.
func (s *Service) limit(ctx context.Context, asked time.Duration) (_ context.Context, _ context.CancelFunc, deadline time.Time) {
	d := s.cfg.Timeout
	if asked > 0 && (d <= 0 || asked < d) {
		d = asked
	}
	if d <= 0 {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, cancel, time.Time{}
	}
	deadline = s.cfg.Now().Add(d)
	ctx, cancel := context.WithTimeout(ctx, d)
	return ctx, cancel, deadline
}

// known finds a model by name, and what the settings say of it.
func (s *Service) known(ctx context.Context, name string) (*core.Manifest, Settings, error) {
	m, err := s.models.Resolve(ctx, name)
	if err != nil {
		return nil, Settings{}, err
	}
	m, set := s.prompting(m)
	return m, set, nil
}

// prompting is what the settings say of a model, and the model by which its prompts are made. A name that only servers elsewhere would
// give is as the installed model that serves it too: prompts for that are made here, by its template, and the others agree in it.
func (s *Service) prompting(m *core.Manifest) (*core.Manifest, Settings) {
	set := s.cfg.Settings(m)
	if m.Elsewhere() && set.Local != nil {
		as := *set.Local
		as.Name, as.Digest = m.Name, m.Digest
		m = &as
	}
	return m, set
}

// Target finds a model by name, as it would be loaded to generate, or to embed where it can do nothing else.
func (s *Service) Target(ctx context.Context, name string) (Target, error) {
	m, set, err := s.known(ctx, name)
	if err != nil {
		return Target{}, err
	}
	return s.target(m, set, !generates(m) && (m.Can(core.CapEmbed) || m.Can(core.CapRerank))), nil
}

// generates reports whether a model makes text.
func generates(m *core.Manifest) bool { return m.Can(core.CapChat) || m.Can(core.CapGenerate) }

func (s *Service) target(m *core.Manifest, set Settings, embedding bool) Target {
	t := Target{
		Name: m.Name, Digest: m.Digest, Runtime: set.Runtime, Spec: set.Load,
		Pinned: set.Pinned, KeepAlive: set.KeepAlive, Replicas: set.Replicas, Balance: set.Balance,
	}
	if t.Runtime == "" {
		t.Runtime = s.cfg.Runtime(m)
	}
	if t.Spec.Path, t.Spec.Embedding = set.Weights, embedding; t.Spec.Path == "" {
		t.Spec.Path = s.models.Path(m)
	}
	t.Memory = s.cfg.Estimate(m, t.Spec)
	return t
}
