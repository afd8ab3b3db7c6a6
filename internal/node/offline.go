package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/api/v1"
	"ashatai/internal/auth"
	"ashatai/internal/core"
	"ashatai/internal/obs"
)

// Offline is the server's own API for accounts on a home that no server uses, for whoever may read that home. The caller
// ends it. Errors: CodeConflict where a server uses the home.
func Offline(ctx context.Context, opt Options) (http.RoundTripper, func() error, error) {
	n := &Node{opt: opt, set: opt.Settings, log: slog.New(slog.DiscardHandler)}
	end := func() error {
		var errs []error
		for _, c := range slices.Backward(n.closers) {
			errs = append(errs, c())
		}
		n.closers = nil
		return errors.Join(errs...)
	}
	for _, step := range []func(context.Context) error{n.openHome, n.openStore} {
		if err := step(ctx); err != nil {
			return nil, nil, errors.Join(err, end())
		}
	}
	n.auth = auth.New(auth.Config{Store: n.db.Accounts(), Log: n.log})
	if err := n.openQuotas(ctx); err != nil {
		return nil, nil, errors.Join(err, end())
	}
	g := gate.New(gate.Options{
		Log: n.log, Metrics: obs.NewMetrics(opt.Version), Auth: keeper{}, Limit: gate.NewLimits(gate.LimitOptions{}), Audit: gate.LogAudit{Log: n.log},
	})
	d := v1.Dialect(v1.Config{})
	d.Routes = slices.Concat(n.identityRoutes(), n.quotaRoutes())
	mux, err := api.NewMux([]api.Dialect{d}, g.Wrap)
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return inProcess{mux}, end, nil
}

// keeper takes whoever calls for the keeper of the home: they may read and write its database anyway.
type keeper struct{}

// Authenticate implements gate.Authenticator.
func (keeper) Authenticate(*http.Request) (core.Principal, error) { return core.Local(), nil }

// inProcess answers requests by a handler of this process.
type inProcess struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.Host, in.RemoteAddr, in.RequestURI = r.URL.Host, "127.0.0.1:0", r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &answer{header: http.Header{}}
	p.handler.ServeHTTP(w, in)
	if err := in.Body.Close(); err != nil {
		return nil, err
	}
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// answer is a whole answer in memory.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *answer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter; the first final status counts.
func (w *answer) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *answer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}
