package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/admin"
	"ashatai/internal/api/anthropic"
	"ashatai/internal/api/gate"
	"ashatai/internal/api/native"
	"ashatai/internal/api/oip"
	"ashatai/internal/api/oip/rpc"
	"ashatai/internal/api/openai"
	"ashatai/internal/api/ops"
	"ashatai/internal/api/v1"
	"ashatai/internal/api/v1/collect"
	"ashatai/internal/api/v1/control"
	"ashatai/internal/api/v1/hardware"
	"ashatai/internal/api/v1/secrets"
	"ashatai/internal/config"
	"ashatai/internal/feature"
	"ashatai/internal/node/cert"
	"ashatai/internal/node/devices"
	"ashatai/internal/node/record"
	"ashatai/internal/node/repository"
	"ashatai/internal/node/share"
	"ashatai/internal/node/wish"
	"ashatai/internal/obs"
	"ashatai/internal/project"
	"ashatai/internal/rawio"
	"ashatai/internal/web"
)

// server is the HTTP side.
type server struct {
	http   http.Server
	chain  atomic.Pointer[http.Handler] // from the gate to the handlers; another one after a reload
	cancel context.CancelFunc           // ends the context of every request
	leave  context.CancelFunc           // ends the waiting for requests on streams of them
	left   context.Context              //nolint:containedctx // done after leave

	dialects []api.Dialect
	certs    *cert.Keeper
}

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// makeServer builds the routes, the gate and the listener's handler.
func (n *Node) makeServer(ctx context.Context) error {
	certs := &cert.Keeper{}
	if n.set.TLS.On() {
		if err := certs.Load(n.set.TLS.Cert, n.set.TLS.Key); err != nil {
			return err
		}
		if text, _ := cert.Verdict(certs.Leaf(), time.Now()); text != "" {
			n.log.WarnContext(ctx, "the certificate needs a look", slog.String("reason", text))
		}
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &server{cancel: cancel, dialects: n.dialects(), certs: certs}
	s.left, s.leave = context.WithCancel(base)
	n.server, n.limiter = s, gate.NewLimits(n.limits())
	if err := n.openGate(); err != nil {
		cancel()
		return err
	}
	s.http = http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.chain.Load()).ServeHTTP(w, wish.WithWhere(r)) }), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
		Protocols:   protocols(),
		// A deadline of one answer cannot free what waits for a connection that its client does not read.
		HTTP2: &http.HTTP2Config{WriteByteTimeout: api.WriteTimeout},
	}
	n.closers = append(n.closers, func() error { cancel(); return nil })
	return nil
}

// protocols are those of the listener: clients of gRPC speak HTTP/2 in the clear too, without asking first.
func protocols() *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// openGate makes the chain before the handlers from the settings that count now.
func (n *Node) openGate() error {
	set := n.current()
	g := gate.New(gate.Options{
		Log: n.log, Metrics: n.metrics,
		Auth:  n.authenticator(),
		Limit: n.limiter,
		Audit: record.Auditor{Log: n.log, Chain: n.audit, Users: n.auth},
		Hosts: gate.Hosts{Bound: n.set.Server.Addr, Allowed: set.Server.AllowedHosts}, Proxies: gate.ParseProxies(set.Server.TrustedProxies),
		Features: n.live,
		Draining: n.health.draining, Leaving: n.server.left,
		MaxBody: int64(set.Server.MaxBody), RequestTimeout: set.Server.RequestTimeout,
	})
	mux, err := api.NewMux(n.server.dialects, g.Wrap)
	if err != nil {
		return err
	}
	n.server.chain.Store(&mux)
	return nil
}

func (n *Node) limits() gate.LimitOptions {
	set := n.current()
	l := gate.LimitOptions{Concurrent: set.Server.MaxRequests, PerCaller: set.Server.MaxPerCaller}
	if n.quota != nil {
		l.Quotas = n.quota.Left
	}
	on := set.RateLimit.Enabled
	l.Own = on != nil && *on
	if on == nil || *on {
		l.PerMinute, l.PerHour = set.RateLimit.RequestsPerMinute, set.RateLimit.RequestsPerHour
	}
	return l
}

// dialects lists everything that the server speaks. The OpenAPI document is made of the same list.
func (n *Node) dialects() []api.Dialect {
	gen := metered{n.infer, n.metrics, n.activity, n.tracer}
	n.oip = oip.NewService(oip.Config{
		Version: n.opt.Version, Tensors: n.infer, Generator: gen, Catalogue: n.visible(), Ready: n.health.isReady,
		Repository: repository.Repository{Fleet: n.fleet, Infer: n.infer, Models: n.visible()},
	})
	v := version(n.opt)
	own := v1.Config{
		Version: v, Models: v1Models{n.shown(), n.fleet, n.optimize}, Puller: v1Puller{puller{n.jobs, n.shown()}}, Jobs: v1Jobs{n.jobs, puller{n.jobs, n.shown()}},
		Fleet: v1Fleet{n.fleet, n.infer, n.visible()}, Tokens: n.infer,
		Creator: v1Creator{n.shown()}, Optimizer: v1Optimizer{n, n.optimize, n.visible(), n.fleet, n.runtimes},
		Chats: n.convo, ChatItems: n.convo.Items(), Activity: n.activity, Budget: n.budget,
	}
	own.Aliases = n.visible()
	var all []api.Dialect
	own.More = slices.Concat(
		n.identityRoutes(), api.Of(feature.OIDC, n.providerRoutes()...), api.Of(feature.Quotas, n.quotaRoutes()...), control.Routes(control.Config{Settings: n.live, Flags: n.live}),
		hardware.Routes(devices.Shown{Registry: n.devices}), secrets.Routes(n.secrets), collect.Routes(v1Collector{n}), n.auditRoutes(func() []api.Dialect { return all }),
	)
	document := sync.OnceValues(func() ([]byte, error) { return api.OpenAPI(n.opt.Version, all) })
	all = []api.Dialect{
		openai.New(gen, n.infer, n.visible(), n.openaiConfig()),
		native.New(gen, n.visible(), nativeScanner{n.visible()}, nativeProjects{project.New(gen, project.Config{})}, native.Config{Log: n.log}),
		n.ollamaDialect(gen),
		oip.Dialect(n.oip), rpc.Dialect(n.oip),
		v1.Dialect(own),
		admin.Dialect(admin.Config{Logins: n.auth, Keys: n.auth, Credential: gate.Credential}),
		ops.Dialect(ops.Config{Health: n.health, Metrics: n.metricsHandler(), Document: document, Page: web.Handler(), PageOff: func() bool { return !n.live.On(feature.Page) }}),
	}
	all = share.WithAnthropic(all, anthropic.New(gen, n.infer, n.visible()))
	return all
}

// Dialects are all rows of a server, to describe them: behind them stands no server, so they cannot answer.
func Dialects(version string) []api.Dialect {
	n := &Node{opt: Options{Version: version}, set: config.Default(), health: &health{}, metrics: obs.NewMetrics(version)}
	return n.dialects()
}

// start serves l until stop. The channel takes the error that ended it.
func (s *server) start(l net.Listener) <-chan error {
	failed := make(chan error, 1)
	l = rawio.Listener(l)
	if s.certs.Leaf() != nil {
		s.http.TLSConfig = s.certs.Config()
		go func() { failed <- s.http.ServeTLS(l, "", "") }()
		return failed
	}
	go func() { failed <- s.http.Serve(l) }()
	return failed
}

// stop closes the listener, waits for what is being answered, and ends what is left when ctx does.
func (s *server) stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	s.cancel()
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	return err
}
