// Package node is the composition root: it builds the server's parts from the settings, hands each what it needs, starts
// them in order and stops them in reverse. It decides nothing that a part could decide.
package node

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ashatai/internal/api/gate"
	"ashatai/internal/api/oip"
	"ashatai/internal/audit"
	"ashatai/internal/auth"
	"ashatai/internal/blob"
	"ashatai/internal/blob/depot"
	"ashatai/internal/config"
	"ashatai/internal/convo"
	"ashatai/internal/core"
	"ashatai/internal/device/fallback"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/engine/remote"
	"ashatai/internal/fleet"
	"ashatai/internal/infer"
	"ashatai/internal/jobs"
	"ashatai/internal/models"
	"ashatai/internal/models/facts"
	"ashatai/internal/models/fetch"
	"ashatai/internal/models/source"
	"ashatai/internal/netx"
	"ashatai/internal/node/borrow"
	"ashatai/internal/node/datadir"
	"ashatai/internal/node/devices"
	"ashatai/internal/node/figures"
	"ashatai/internal/node/live"
	"ashatai/internal/node/sso"
	"ashatai/internal/node/stock"
	"ashatai/internal/node/traces"
	"ashatai/internal/node/vault"
	"ashatai/internal/obs"
	"ashatai/internal/obs/logfile"
	"ashatai/internal/optimize"
	"ashatai/internal/proc"
	"ashatai/internal/quota"
	"ashatai/internal/seal"
	"ashatai/internal/store"
	"ashatai/internal/worker/host"
	"ashatai/python"
)

// Options say what to build.
type Options struct {
	Version  string
	Build    string
	Settings *config.Settings
	Program  string    // path of the running program; the worker and share/ashatai are found from it
	Out      io.Writer // takes the line "ready http://ADDR"
	Errors   io.Writer // takes the log

	Read   func() (*config.Settings, error) // reads the settings again; nil: they never change
	Reload <-chan os.Signal                 // when to; nil: never
}

// Node is a built server.
type Node struct {
	opt      Options
	set      *config.Settings
	live     *live.Live
	log      *slog.Logger
	level    *slog.LevelVar
	metrics  *obs.Metrics
	activity *obs.Activity
	tracer   *obs.Tracer // nil: no traces are made
	budget   int64       // bytes that models may take
	health   *health
	closers  []func() error
	db       store.DB
	evicted  chan error // tells that another server took the database; nil where none can
	models   *models.Models
	depot    *depot.Depot // of the models' files; nil: the home has them alone
	upkeep   *stock.Upkeep
	fleet    *fleet.Fleet
	infer    *infer.Service
	convo    *convo.Service
	auth     *auth.Service
	provider *sso.Provider // nil: there is none
	keys     *seal.Ring
	audit    *audit.Service
	secrets  *vault.Vault
	jobs     *jobs.Service
	quota    *quota.Service
	server   *server
	egress   *netx.Client
	limiter  gate.Limiter
	oip      *oip.Service

	remotes  *borrow.Service
	remote   *remote.Runtime
	optimize *optimize.Service
	weights  func(m *core.Manifest) (*optimize.Weights, string) // which a load is to use, see optimize.Service.Use
	runtimes map[string]engine.Runtime
	devices  *fallback.Registry
}

// Serve builds a server, runs it until ctx ends, and takes it down: no new work, running streams finish within the drain
// limit. Errors are those of the start; an orderly end is none.
func Serve(ctx context.Context, opt Options) error {
	n, err := build(ctx, opt)
	if err != nil {
		return err
	}
	defer n.close(ctx)
	return n.run(ctx)
}

func build(ctx context.Context, opt Options) (_ *Node, err error) {
	n := &Node{opt: opt, set: opt.Settings, health: &health{}}
	defer func() {
		if err != nil {
			n.close(ctx)
		}
	}()
	if err := n.openLog(); err != nil {
		return nil, err
	}
	for _, notice := range n.set.Notices {
		n.log.WarnContext(ctx, "a setting is not in force", slog.String("notice", notice))
	}
	n.metrics, n.activity = obs.NewMetrics(opt.Version), obs.NewActivity(nil)
	for _, step := range []func(context.Context) error{n.openHome, n.openStore, n.openAudit, n.openSecrets, n.openTraces, n.openLive, n.openAccounts, n.openProvider, n.openModels, n.openQuotas, n.openOptimize, n.makeRemotes, n.checkSections, n.makeFleet, n.makeConvo, n.makeJobs, n.makeServer, n.makeReload} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// openLog begins the log: on standard error, or in the file of the settings.
func (n *Node) openLog() error {
	n.level = &slog.LevelVar{}
	if err := setLevel(n.level, n.set); err != nil {
		return err
	}
	to, set := n.opt.Errors, n.set.Logs
	if set.File != "" {
		if err := os.MkdirAll(n.set.Home, 0o700); err != nil { // it may lie there
			return core.Wrap(core.CodeUnavailable, err, "The data folder %s cannot be made. Choose another with --home.", n.set.Home)
		}
		f, err := logfile.Open(logfile.Options{Path: set.File, Bytes: int64(set.MaxSize), Keep: set.Keep, Age: set.MaxAge, Now: time.Now})
		if err != nil {
			return err
		}
		n.closers = append(n.closers, f.Close)
		to = f
	}
	n.log = obs.NewLogger(to, obs.LogOptions{Level: n.level, Format: set.Format})
	return nil
}

func setLevel(v *slog.LevelVar, s *config.Settings) error {
	if err := v.UnmarshalText([]byte(s.Logs.Level)); err != nil {
		return core.Invalid("logs.level", "logs.level is %q; it is debug, info, warn or error.", s.Logs.Level)
	}
	return nil
}

// openTraces makes the tracer, where the settings name a collector.
func (n *Node) openTraces(ctx context.Context) (err error) {
	var stop func() error
	if n.tracer, stop, err = traces.Open(ctx, n.set.Telemetry, n.opt.Version, n.log); err == nil {
		n.closers = append(n.closers, stop)
	}
	return err
}

// openHome makes the data folder and takes it for this process alone.
func (n *Node) openHome(context.Context) error {
	if err := os.MkdirAll(n.set.Home, 0o700); err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The data folder %s cannot be made. Choose another with --home.", n.set.Home)
	}
	release, err := datadir.Lock(n.set.Home)
	if err != nil {
		return err
	}
	n.closers = append(n.closers, release)
	return nil
}

const (
	pullTimeout = 24 * time.Hour
	maxPull     = 1 << 42 // bytes of one file
)

func (n *Node) openModels(ctx context.Context) error {
	blobs, err := blob.Open(filepath.Join(n.set.Home, "blobs"))
	if err != nil {
		return err
	}
	n.closers = append(n.closers, blobs.Close)
	shared, done, err := stock.Open(n.set.Blobs, stock.Options{Version: n.opt.Version, Local: blobs, Check: facts.Accepts, Busy: n.loaded, Log: n.log})
	if err != nil {
		return err
	}
	n.depot = shared
	n.closers = append(n.closers, func() error { done(); return nil })
	egress, err := netx.New(netx.Policy{
		Allow: n.set.Network.Allow, MaxBytes: maxPull, Timeout: pullTimeout, UserAgent: "ashatai/" + n.opt.Version,
	})
	if err != nil {
		return err
	}
	n.egress = egress
	n.closers = append(n.closers, func() error { egress.Close(); return nil })
	p := n.set.Pull
	n.models, err = models.Open(ctx, models.Config{
		Home: n.set.Home, Shared: []string{sharedModels(n.opt.Program)}, ModelsDir: n.set.ModelsDirectory,
		Index: n.db.Models(), Blobs: blobs, Depot: shared, Fetch: egress, DefaultModel: n.set.DefaultModel, Log: n.log, Now: time.Now,
		Sources: source.Settings{
			Hub: p.Hub, HubToken: func() string { return n.current().Pull.HubToken },
			Registry: p.Registry, RegistryToken: func() string { return n.current().Pull.RegistryToken },
		},
		Download: fetch.Limits{Streams: p.Streams}, Aliases: n.set.Aliases(),
	})
	if err != nil {
		return err
	}
	n.upkeep = newUpkeep(n)
	return nil
}

// freeShare is the part of the free memory that models may take when no budget is set.
const freeShare = 0.8

func budget(s *config.Settings) int64 {
	if s.Fleet.MemoryBudget > 0 {
		return int64(s.Fleet.MemoryBudget)
	}
	return int64(float64(proc.AvailableMemory()) * freeShare)
}

func (n *Node) makeFleet(context.Context) error {
	total := budget(n.set)
	n.budget = total
	hc := hostConfig(n.opt, n.set, n.log, total)
	h := host.New(hc)
	runtimes := map[string]engine.Runtime{}
	for _, d := range catalog.Workers() {
		runtimes[d.Name] = h.Runtime(d.Name, d)
	}
	n.devices, runtimes[catalog.LlamaCpp] = devices.New(devices.Options{
		Host: hc, Share: filepath.Dir(llamaLibraries(n.opt.Program)), Settings: n.set, Fell: n.metrics.Fallback, Log: n.log,
	})
	for name, rt := range runtimes {
		runtimes[name] = stock.Wrap(rt, n.depot)
	}
	runtimes[catalog.Remote] = n.remote // as it is: it loads no file, and says where its models are (engine.Placer)
	n.runtimes = runtimes
	n.fleet = fleet.New(fleet.Config{
		Runtimes: runtimes, Budget: total, Memory: func() int64 { return budget(n.set) }, Devices: n.devices.Limits(), MaxQueue: n.set.Fleet.MaxQueue, MaxQueuedCost: int64(n.set.Fleet.MaxQueuedTokens),
		DefaultKeepAlive: n.set.Fleet.KeepAlive, Processors: proc.CPUs(), LoadTimeout: n.set.Fleet.LoadTimeout, DrainTimeout: n.set.Server.DrainTimeout,
		Log: n.log, Metrics: figures.Fleet{Metrics: n.metrics},
	})
	n.infer = infer.New(n.visible(), inferFleet{n.fleet}, infer.Config{
		Sampling: infer.DefaultSampling(), Timeout: n.set.Server.RequestTimeout,
		Quota: n.quota, Runtime: n.runtimeOf, Settings: n.settingsOf, Estimate: estimate,
	})
	return nil
}

// hostConfig says how workers are started: with the environment that their libraries need and nothing else.
func hostConfig(opt Options, s *config.Settings, log *slog.Logger, total int64) host.Config {
	libs := llamaLibraries(opt.Program)
	limit := int64(s.Worker.MemoryLimit)
	if limit == 0 && total > 0 {
		limit = total + workerReserve
	}
	return host.Config{
		Binary: workerProgram(opt.Program), Build: opt.Build, Log: log,
		Env:       []string{"ASHATAI_LLAMACPP=" + libs, "ASHATAI_ONNXRUNTIME=" + onnxLibrary(opt.Program), "ASHATAI_PYTORCH=" + pytorchEnvironment(opt.Program), "ASHATAI_TENSORFLOW=" + tensorflowLibraries(opt.Program), "TF_CPP_MIN_LOG_LEVEL=2", "GGML_NO_BACKTRACE=1"},
		Locks:     map[string]string{catalog.PyTorch: python.Lock()},
		Limits:    proc.Limits{MemoryBytes: limit, OpenFiles: workerFiles},
		ReadPaths: []string{libs, filepath.Join(filepath.Dir(libs), "llguidance"), onnxLibrary(opt.Program), tensorflowLibraries(opt.Program)},
	}
}

const (
	workerReserve = 512 << 20 // bytes a worker may take beyond its models: its own code and buffers
	workerFiles   = 256
)

// run starts the parts, says that the server is ready, and waits for the end.
func (n *Node) run(ctx context.Context) error {
	noted := func(ctx context.Context) error {
		n.noteStart(ctx)
		return nil
	}
	for _, part := range []func(context.Context) error{n.fleet.Start, n.convo.Start, n.audit.Start, noted, n.auth.Start, n.jobs.Start, n.quota.Start, n.remotes.Start, n.upkeep.Start} {
		if err := part(ctx); err != nil {
			n.stop(ctx)
			return err
		}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", n.set.Server.Addr)
	if err != nil {
		n.stop(ctx)
		return core.Wrap(core.CodeUnavailable, err, "The address %s cannot be listened on: %s. Stop what uses it, or choose another with --addr.", n.set.Server.Addr, cause(err))
	}
	failed := n.server.start(l)
	n.preload(ctx)
	n.health.started()
	n.tellReady(ctx, l.Addr().String())
	err = n.wait(ctx, failed)
	n.stop(ctx)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// wait returns when the server is to stop: with the error of a listener that failed, or with none when ctx ends.
func (n *Node) wait(ctx context.Context, failed <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case err := <-n.evicted:
			return err
		case <-n.opt.Reload:
			n.reload(ctx)
		}
	}
}

func (n *Node) tellReady(ctx context.Context, addr string) {
	lines, err := n.readyLines(ctx, addr)
	if _, failed := io.WriteString(n.opt.Out, lines); err != nil || failed != nil {
		n.log.WarnContext(ctx, "what is printed at the start is not whole", slog.String("error", errors.Join(err, failed).Error()))
	}
	some, _ := n.auth.Any(ctx) // a failure was just told
	principal := "local"
	if some {
		principal = "by credentials"
	}
	n.log.InfoContext(ctx, "the server is ready", slog.String("addr", addr), slog.String("home", n.set.Home),
		slog.String("principal", principal), slog.Bool("accounts", some))
}

func cause(err error) string {
	var sys interface{ Unwrap() error }
	for errors.As(err, &sys) && sys.Unwrap() != nil {
		err = sys.Unwrap()
	}
	return err.Error()
}

// preload loads what the settings name before the server says that it is ready. A failure is a line in the log.
func (n *Node) preload(ctx context.Context) {
	for _, name := range n.set.Preload {
		t, err := n.infer.Target(ctx, name)
		if err == nil {
			_, err = n.fleet.Load(ctx, fleet.Target(t), nil)
		}
		if err != nil {
			n.log.ErrorContext(ctx, "a model could not be loaded at the start", slog.String("model", name), slog.String("error", core.AsError(err).Error()))
		}
	}
}

// stopGrace is what a stop may take beyond the drain limit: ending workers, closing connections.
const stopGrace = 15 * time.Second

// stop takes the server down: readiness off, no new work, what runs finishes or is ended with a typed error.
func (n *Node) stop(ctx context.Context) {
	n.health.drain()
	n.server.leave()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.set.Server.DrainTimeout+stopGrace)
	defer cancel()
	n.log.InfoContext(ctx, "the server stops", slog.Duration("drain", n.set.Server.DrainTimeout))
	n.optimize.Stop()
	kept := n.upkeep.Stop(ctx)
	// Jobs are told at once and take what they need, while the fleet lets running streams finish and refuses new ones, which
	// need the HTTP server to hear it. A job that is slow to end does not keep the fleet from draining.
	ended := make(chan error, 1)
	go func() { ended <- n.jobs.Stop(ctx) }()
	err := errors.Join(kept, n.remotes.Stop(ctx), n.fleet.Stop(ctx), <-ended, n.convo.Stop(ctx), n.server.stop(ctx), n.auth.Stop(ctx), n.quota.Stop(ctx), n.audit.Stop(ctx))
	if err != nil {
		n.log.WarnContext(ctx, "the stop was not clean", slog.String("error", err.Error()))
	}
}

// close frees what build took, in reverse.
func (n *Node) close(ctx context.Context) {
	for _, c := range slices.Backward(n.closers) {
		if err := c(); err != nil && n.log != nil {
			n.log.WarnContext(ctx, "something could not be closed", slog.String("error", err.Error()))
		}
	}
	n.closers = nil
}
