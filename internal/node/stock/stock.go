// Package stock keeps the files of models where the settings say: it makes the depot of a bucket, brings a model's file here
// before a runtime loads it, and looks after what other servers changed and what nobody names any more.
package stock

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/blob/bucket"
	"ashatai/internal/blob/depot"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine"
	"ashatai/internal/models/shelf"
	"ashatai/internal/netx"
	"ashatai/internal/node/checkup"
)

const (
	transferTime = 24 * time.Hour
	maxObject    = 5 << 40 // bytes; the most that S3 has
)

// Options say what Open needs besides the settings.
type Options struct {
	Version string
	Local   *blob.Store
	Check   blob.Check // looks at a file that comes, before it is kept
	Log     *slog.Logger
	// Busy reports whether a model of this file is loaded.
	Busy func(ctx context.Context, sha string) bool
}

// Open makes the depot of the settings' bucket; nil where they name none. The caller calls done at the end.
func Open(set config.Blobs, o Options) (d *depot.Depot, done func(), err error) {
	if !set.On() {
		return nil, func() {}, nil
	}
	b, done, err := open(set, o.Version)
	if err != nil {
		return nil, nil, err
	}
	return depot.New(depot.Config{Local: o.Local, Bucket: b, Bound: int64(set.Cache), Check: o.Check, Busy: o.Busy, Log: o.Log, Now: time.Now}), done, nil
}

// open makes the client of the bucket. It may reach the bucket's host although that is private, and nothing else that is.
func open(set config.Blobs, version string) (*bucket.Bucket, func(), error) {
	u, err := url.Parse(set.Endpoint)
	if err != nil {
		return nil, nil, core.Wrap(core.CodeInvalidRequest, err, "blobs.endpoint is no address.")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[u.Scheme]
	}
	if port == "" {
		port = "80"
	}
	host := u.Hostname()
	allow := []string{net.JoinHostPort(host, port)}
	if !set.PathStyle {
		allow = append(allow, net.JoinHostPort(set.Bucket+"."+host, port))
	}
	egress, err := netx.New(netx.Policy{Allow: allow, MaxBytes: maxObject, Timeout: transferTime, UserAgent: "ashatai/" + version})
	if err != nil {
		return nil, nil, err
	}
	return bucket.New(bucket.Config{
		Endpoint: set.Endpoint, Bucket: set.Bucket, Prefix: set.Prefix, Region: set.Region, PathStyle: set.PathStyle,
		AccessKey: set.AccessKey, SecretKey: set.SecretKey, Doer: egress,
	}), egress.Close, nil
}

// Findings looks at the bucket: that it is there, and that the credentials can write, read and delete in it.
func Findings(ctx context.Context, set config.Blobs, version string) []checkup.Finding {
	if !set.On() {
		return nil
	}
	b, done, err := open(set, version)
	if err == nil {
		defer done()
		err = b.Check(ctx)
	}
	if err != nil {
		return []checkup.Finding{{Name: "bucket", State: checkup.Fail, Detail: core.AsError(err).Message}}
	}
	return []checkup.Finding{{Name: "bucket", State: checkup.OK, Detail: "objects can be written to " + b.Where() + ", read and deleted"}}
}

// Count says how many models are in the bucket that the settings name.
func Count(ctx context.Context, set config.Blobs, version string) (int, error) {
	b, done, err := open(set, version)
	if err != nil {
		return 0, err
	}
	defer done()
	return shelf.Count(ctx, b)
}

// Wrap makes a runtime that brings a model's file here before it loads it. Without a depot it is the runtime itself.
func Wrap(rt engine.Runtime, d *depot.Depot) engine.Runtime {
	if d == nil {
		return rt
	}
	r := runtime{rt, d}
	if o, ok := rt.(engine.Optimizer); ok {
		return optimizer{r, o}
	}
	return r
}

type runtime struct {
	engine.Runtime
	depot *depot.Depot
}

// fetched is the part of a load's progress that bringing the file is.
const fetched = 0.9

// Load implements engine.Runtime.
func (r runtime) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	sha := r.depot.Named(spec.Path)
	if sha == "" {
		return r.Runtime.Load(ctx, spec, progress)
	}
	brought := 0.0
	done, err := r.depot.Use(ctx, sha, func(n, total int64) {
		if brought = fetched * float64(n) / float64(max(total, 1)); progress != nil {
			progress(brought)
		}
	})
	if err != nil {
		return nil, err
	}
	defer done() // what is loaded is known to be busy
	return r.Runtime.Load(ctx, spec, func(part float64) {
		if progress != nil {
			progress(brought + (1-brought)*part)
		}
	})
}

// Expect is what a load is expected to take of devices, as the runtime says.
func (r runtime) Expect(spec engine.LoadSpec, estimate int64) []device.Part {
	if e, ok := r.Runtime.(interface {
		Expect(spec engine.LoadSpec, estimate int64) []device.Part
	}); ok {
		return e.Expect(spec, estimate)
	}
	return nil
}

type optimizer struct {
	runtime
	inner engine.Optimizer
}

// Variant implements engine.Optimizer.
func (o optimizer) Variant(ctx context.Context, spec engine.VariantSpec, step func(stage string, part float64)) (engine.Variant, error) {
	if sha := o.depot.Named(spec.Load.Path); sha != "" {
		done, err := o.depot.Use(ctx, sha, nil)
		if err != nil {
			return engine.Variant{}, err
		}
		defer done()
	}
	return o.inner.Variant(ctx, spec, step)
}
