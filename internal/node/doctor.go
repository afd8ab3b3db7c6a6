package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/models"
	"ashatai/internal/models/inventory"
	"ashatai/internal/netx"
	"ashatai/internal/node/checkup"
	"ashatai/internal/node/datadir"
	"ashatai/internal/node/devices"
	"ashatai/internal/node/stock"
	"ashatai/internal/node/vault"
	"ashatai/internal/proc"
	"ashatai/internal/store"
	"ashatai/internal/worker/host"
)

// Finding is one thing that Doctor looked at.
type Finding = checkup.Finding

const (
	findOK   = checkup.OK
	findWarn = checkup.Warn
	findFail = checkup.Fail
)

// Doctor looks at this machine and at the data folder without starting a server. It changes nothing but what opening the
// data folder makes.
func Doctor(ctx context.Context, opt Options) []Finding {
	d := &doctor{opt: opt, set: opt.Settings, h: host.New(hostConfig(opt, opt.Settings, slog.New(slog.DiscardHandler), budget(opt.Settings)))}
	d.machine()
	for _, desc := range catalog.Workers() {
		d.runtime(ctx, desc.Name)
	}
	reg, _ := devices.New(devices.Options{
		Host: hostConfig(opt, d.set, slog.New(slog.DiscardHandler), budget(d.set)), Share: filepath.Dir(llamaLibraries(opt.Program)), Settings: d.set, Log: slog.New(slog.DiscardHandler),
	})
	d.found = append(d.found, devices.Findings(ctx, reg, devices.Policy(d.set.GPU))...)
	d.home(ctx)
	d.address(ctx)
	d.found = slices.Concat(d.found, checkup.Home(d.set.Home), checkup.Secrets(d.set), checkup.TLS(d.set, d.accounts, time.Now()), checkup.Features(d.set))
	d.bucket(ctx)
	for _, n := range opt.Settings.Notices {
		d.add("settings", findWarn, n, "Remove it from the settings, or wait for the version that brings it.")
	}
	return d.found
}

type doctor struct {
	accounts bool // there are some in the home
	opt      Options
	set      *config.Settings
	opened   *config.Settings // with sealed credentials in their places; nil where they were not opened
	h        *host.Host
	found    []Finding
	tier     bool // the sandbox was reported
}

func (d *doctor) add(name, state, detail, remedy string) {
	d.found = append(d.found, Finding{Name: name, State: state, Detail: detail, Remedy: remedy})
}

// leastMemory is what a very small model and the server need.
const leastMemory = 1 << 30

func (d *doctor) machine() {
	d.add("program", findOK, fmt.Sprintf("ashatai %s, build %s, %s for %s/%s", d.opt.Version, d.opt.Build, runtime.Version(), runtime.GOOS, runtime.GOARCH), "")
	d.add("processor", findOK, fmt.Sprintf("%d cores for this process", proc.CPUs()), "")
	mem := proc.AvailableMemory()
	text := fmt.Sprintf("%.1f GiB free, %.1f GiB for models", float64(mem)/(1<<30), float64(budget(d.set))/(1<<30))
	if mem < leastMemory {
		d.add("memory", findWarn, text, "Free some memory: even a very small model needs about 1 GiB.")
		return
	}
	d.add("memory", findOK, text, "")
}

// runtime asks a worker of the runtime about itself, and tells the sandbox that it runs in once.
func (d *doctor) runtime(ctx context.Context, name string) {
	i, err := d.h.Inspect(ctx, name)
	if err != nil {
		d.add("runtime "+name, findFail, core.AsError(err).Message, "Build and install both programs together: `make build`.")
		return
	}
	if !i.Status.Ready {
		d.add("runtime "+name, findFail, i.Status.Missing, "")
	} else {
		d.add("runtime "+name, findOK, fmt.Sprintf("version %s on %s", i.Status.Version, i.Status.Device), "")
	}
	switch {
	case i.Status.Guide != "":
		d.add("formats "+name, findOK, "answers held to schemas and grammars by "+i.Status.Guide, "")
	case i.Status.NoGuide != "":
		d.add("formats "+name, findWarn, i.Status.NoGuide, "")
	}
	if d.tier {
		return
	}
	d.tier = true
	if strings.Contains(i.Tier, "missing") || strings.Contains(i.Tier, "(") {
		d.add("sandbox", findWarn, i.Tier, "Workers run with the parts named first; a kernel with the missing ones makes them safer.")
		return
	}
	d.add("sandbox", findOK, i.Tier, "")
}

// home looks at the data folder, the database and the models in it. A folder that a running server uses is not touched.
func (d *doctor) home(ctx context.Context) {
	dir := d.set.Home
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		d.add("data folder", findOK, dir+" does not exist yet; the first start makes it", "")
		d.models(ctx, nil)
		return
	}
	release, err := datadir.Lock(dir)
	if err != nil {
		e := core.AsError(err)
		if e.Code == core.CodeConflict {
			d.add("data folder", findOK, dir+" is in use by a running server", "")
			d.accounts = true // that server was allowed to listen
		} else {
			d.add("data folder", findFail, e.Message, "")
		}
		return
	}
	defer release() //nolint:errcheck // a lock file that is closed
	d.add("data folder", findOK, dir+" can be written", "")
	free, err := blob.FreeAt(dir)
	d.found = append(d.found, checkup.Disk(dir, free, err))
	db, err := d.database(ctx)
	if core.CodeOf(err) == core.CodeNotFound {
		d.add("database", findOK, core.AsError(err).Message, "")
		d.models(ctx, nil)
		return
	}
	if err != nil {
		d.add("database", findFail, core.AsError(err).Message, "")
		return
	}
	defer db.Close() //nolint:errcheck // nothing was written
	if d.accounts, err = db.Accounts().Users().Any(ctx); err != nil {
		d.add("accounts", findFail, core.AsError(err).Message, "")
	}
	found, opened := vault.Findings(ctx, d.set, db)
	d.found, d.opened = append(d.found, found...), opened
	if err := db.Check(ctx); err != nil {
		d.add("database", findFail, core.AsError(err).Message, "Stop the server and put a backup in its place.")
	} else {
		d.add("database", findOK, "no damage found", "")
	}
	d.models(ctx, db)
}

// blobs are the settings of the bucket, whose credentials may be sealed. Those of a home that is in use its server alone opens.
func (d *doctor) blobs() (set config.Blobs, opened bool) {
	if d.opened != nil {
		return d.opened.Blobs, true
	}
	return d.set.Blobs, !slices.ContainsFunc(d.set.Sealed(), func(s config.Sealed) bool { return strings.HasPrefix(s.Key, "blobs.") })
}

// bucket looks at the bucket.
func (d *doctor) bucket(ctx context.Context) {
	set, opened := d.blobs()
	if !opened {
		d.add("bucket", findOK, "not tried: its credentials are sealed and were not opened here", "")
		return
	}
	d.found = append(d.found, stock.Findings(ctx, set, d.opt.Version)...)
}

// database opens the database to look at it. One of PostgreSQL's may be in use by a server on another home.
func (d *doctor) database(ctx context.Context) (store.DB, error) {
	if d.set.Database.URL == "" {
		return datadir.OpenDatabase(ctx, d.set)
	}
	db, err := datadir.SeenPostgres(ctx, d.set.Database.URL)
	if err != nil {
		return nil, err
	}
	return db, nil
}

// models tells which models would be served. Without a database, in a folder that does not exist yet, it looks at what is
// installed with the program.
func (d *doctor) models(ctx context.Context, db store.DB) {
	if db == nil {
		files, _ := filepath.Glob(filepath.Join(sharedModels(d.opt.Program), "*.gguf")) // the pattern is well-formed
		d.count(ctx, len(files), nil)
		return
	}
	blobs, err := blob.Open(filepath.Join(d.set.Home, "blobs"))
	if err != nil {
		d.add("models", findFail, core.AsError(err).Message, "")
		return
	}
	defer blobs.Close() //nolint:errcheck // nothing was written
	fetch, err := netx.New(netx.Policy{Allow: d.set.Network.Allow})
	if err != nil {
		d.add("settings", findFail, core.AsError(err).Message, "")
		return
	}
	defer fetch.Close()
	m, err := models.Open(ctx, models.Config{
		Home: d.set.Home, Shared: []string{sharedModels(d.opt.Program)}, ModelsDir: d.set.ModelsDirectory,
		Index: db.Models(), Blobs: blobs, Fetch: fetch, DefaultModel: d.set.DefaultModel, Now: time.Now,
	})
	if err != nil {
		d.add("models", findFail, core.AsError(err).Message, "")
		return
	}
	list, err := m.List(ctx)
	if err != nil {
		d.add("models", findFail, core.AsError(err).Message, "")
		return
	}
	d.count(ctx, len(list), m.Report().Failed)
	known, err := openOptimize(ctx, d.set, slog.New(slog.DiscardHandler))
	if err != nil {
		d.add("optimized weights", findFail, core.AsError(err).Message, "")
		return
	}
	d.weights(list, known)
}

// count tells of the models that are on this machine and in the bucket. A bucket that cannot be read is told of elsewhere.
func (d *doctor) count(ctx context.Context, n int, failed []inventory.FailedFile) {
	text := fmt.Sprintf("%d installed", n)
	if set, opened := d.blobs(); opened && set.On() {
		if shared, err := stock.Count(ctx, set, d.opt.Version); err == nil {
			text = fmt.Sprintf("%d installed on this machine, %d in the bucket", n, shared)
			n += shared
		}
	}
	if n == 0 {
		d.add("models", findWarn, "no model is installed", "Run `make setup` for the default model, or `ashatai pull`.")
	} else {
		d.add("models", findOK, text, "")
	}
	for _, f := range failed {
		d.add("model file "+f.FileName, findWarn, f.Error, "")
	}
}

// address looks whether the server could listen.
func (d *doctor) address(ctx context.Context) {
	if err := allowBind(d.set, d.accounts); err != nil {
		d.add("address", findFail, core.AsError(err).Message, "")
		return
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", d.set.Server.Addr)
	if err != nil {
		d.add("address", findWarn, fmt.Sprintf("%s is not free: %s", d.set.Server.Addr, cause(err)), "Perhaps the server runs already; else stop what uses the address, or choose another with --addr.")
		return
	}
	if err := l.Close(); err != nil {
		d.add("address", findWarn, err.Error(), "")
		return
	}
	d.add("address", findOK, d.set.Server.Addr+" is free", "")
}
