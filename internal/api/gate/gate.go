// Package gate is the chain that every request passes, built from the request's row: id, recover, host, authenticate,
// authorise, limit, audit, then the handler, with the access log and the metrics around all of it. It decides who may
// come in and never what a call means; it writes no error shape of its own but the row's dialect's.
package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/feature"
	"ashatai/internal/obs"
)

// Authenticator finds who asks. Errors: CodeUnauthenticated, CodeForbidden.
type Authenticator interface {
	Authenticate(r *http.Request) (core.Principal, error)
}

// Limiter admits a request, and says in the answer's headers what is left to its caller. Release is called once when the
// request is done; it is nil when err is not. Errors: CodeRateLimited with RetryAfter.
type Limiter interface {
	Admit(h http.Header, r *http.Request, row api.Route, p core.Principal) (release func(), err error)
	// Again counts another request of a stream of them that was admitted.
	Again(r *http.Request, row api.Route, p core.Principal) error
}

// Features knows for whom a feature is open. Errors: CodeForbidden with the feature's name.
type Features interface {
	Allow(f feature.Name, role core.AccountRole) error
	Open(f feature.Name) error // for a caller whom nobody knows
}

// Auditor keeps a record of acts. Begin is called before the act: when it fails, the act is refused. The returned
// function completes the record with the outcome. The context carries an api.Note.
type Auditor interface {
	Begin(ctx context.Context, e Entry) (finish func(status int), err error)
}

// Options are what a gate is made of. Log, Metrics, Auth, Limit and Audit are needed.
type Options struct {
	Log     *slog.Logger
	Metrics *obs.Metrics
	Auth    Authenticator
	Limit   Limiter
	Audit   Auditor
	Hosts   Hosts
	Proxies Proxies // whose word for a caller's address and for its TLS counts
	// Features says for whom the features of rows are open; nil: for everybody.
	Features Features

	// Draining reports whether the server takes no new work any more; nil: it always does. Leaving is done from then on; nil: never.
	Draining func() bool
	Leaving  context.Context //nolint:containedctx // of the server, not of a call

	MaxBody        int64         // bytes of a body where the row names no limit
	RequestTimeout time.Duration // the longest a row of LimitInfer may take; 0: no limit
	BodyTimeout    time.Duration // the longest a body may stand still; 0: 30 s

	Now func() time.Time // of the window of strangers' acts on record; nil: time.Now
}

// Gate wraps rows.
type Gate struct {
	o         Options
	cross     *http.CrossOriginProtection
	strangers *window // acts on record of callers whom nobody knows yet
}

const (
	defaultMaxBody     = 16 << 20
	defaultBodyTimeout = 30 * time.Second
)

// New makes a gate.
func New(o Options) *Gate {
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.BodyTimeout <= 0 {
		o.BodyTimeout = defaultBodyTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Gate{o: o, cross: http.NewCrossOriginProtection(), strangers: newWindow(strangersPerMinute, time.Minute, "strangers")}
}

// Wrap is the chain of one row, for api.NewMux.
func (g *Gate) Wrap(row api.Route, d api.Dialect) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := requestID(r)
		h := w.Header()
		h.Set(api.HeaderRequestID, id)
		h.Set("X-Content-Type-Options", "nosniff")
		ctx := obs.WithTrace(obs.WithRequestID(r.Context(), id), r.Header)
		if g.o.Proxies.secure(r) {
			ctx = api.WithSecure(ctx)
		}
		r = r.WithContext(ctx) // a copy, so that the address can be put in
		r.RemoteAddr = g.o.Proxies.client(r)
		c := &call{g: g, row: row, d: d, w: &recorder{ResponseWriter: w, shared: r.ProtoMajor > 1}, start: start}
		g.o.Metrics.InFlight(1)
		defer c.done(r)
		defer func() {
			if p := recover(); p != nil {
				c.panicked(r, p)
			}
		}()
		c.serve(r)
	})
}

// call is one request on its way.
type call struct {
	g     *Gate
	row   api.Route
	d     api.Dialect
	w     *recorder
	who   core.Principal
	start time.Time
	abort bool // the connection must be cut, so that a broken answer does not look whole
}

func (c *call) serve(r *http.Request) {
	rc := http.NewResponseController(c.w.ResponseWriter) // past the recorder, which looks at what the handler sets
	_ = rc.SetWriteDeadline(time.Time{})                 // the last request on this connection left its own
	if r.ContentLength != 0 {
		// Also for a body that nobody reads: net/http empties it after the answer, and the sender may stand still.
		_ = rc.SetReadDeadline(time.Now().Add(c.g.o.BodyTimeout))
	}
	if err := c.pass(r); err != nil {
		c.fail(r, err)
	}
	_ = rc.SetWriteDeadline(time.Now().Add(api.WriteTimeout)) // for what is still buffered
}

// pass takes the request through the chain to its handler.
func (c *call) pass(r *http.Request) error {
	if err := c.g.o.Hosts.check(r); err != nil {
		return err
	}
	if err := c.g.cross.Check(r); err != nil {
		return core.Wrap(core.CodeForbidden, err, "A page of another site sent this request; browsers may call this server from its own page only.")
	}
	if err := c.admit(r); err != nil {
		c.recordRefusal(r, err)
		return err
	}
	if err := c.drain(); err != nil {
		return err
	}
	if err := c.feature(); err != nil {
		return err
	}
	if err := c.prioritise(r); err != nil {
		return err
	}
	ctx := core.WithPrincipal(r.Context(), c.who)
	if c.row.Limit == api.LimitInfer {
		c.w.wait = &core.Wait{}
		ctx = core.WithWait(ctx, c.w.wait)
	}
	r = r.WithContext(ctx)
	if !c.row.Turns {
		var stop func()
		r, stop = c.bound(r)
		defer stop()
	}
	release, err := c.g.o.Limit.Admit(c.w.Header(), r, c.row, c.who)
	if err != nil {
		return err
	}
	defer release()
	if c.row.Turns {
		r, over := c.turns(r)
		defer over()
		return c.handle(r)
	}
	if c.row.Audit != api.AuditNone {
		var finish func(status int)
		if r, finish, err = c.record(r); err != nil {
			return err
		}
		defer func() { finish(c.w.outcome()) }() // late: by then a failure or a panic of the handler has become an answer
	}
	if err := c.limitBody(r); err != nil {
		c.fail(r, err) // here and not by the caller, so that the audit sees the outcome
		return nil
	}
	err = c.handle(r)
	if err != nil && !c.w.wrote() {
		c.fail(r, err) // here and not by the caller, so that the audit sees the outcome
		return nil
	}
	return err
}

// bound ends a request with its time and with the credentials of its caller.
func (c *call) bound(r *http.Request) (*http.Request, context.CancelFunc) {
	cancel := func() {}
	if c.g.o.RequestTimeout > 0 && c.row.Limit == api.LimitInfer {
		var ctx context.Context
		ctx, cancel = context.WithTimeout(r.Context(), c.g.o.RequestTimeout)
		r = r.WithContext(ctx)
	}
	r, stop := c.recheck(r)
	return r, func() { stop(); cancel() }
}

// handle runs the handler. Its panic is answered here, so that the limits and the audit around it see the outcome.
func (c *call) handle(r *http.Request) error {
	defer func() {
		if p := recover(); p != nil {
			c.panicked(r, p)
		}
	}()
	err := c.row.Handle(c.w, r)
	if cause, ok := errors.AsType[*core.Error](context.Cause(r.Context())); ok && core.CodeOf(err) == core.CodeCancelled {
		return cause // the handler was told only that it ended
	}
	return err
}

// admit authenticates and authorises. A public row asks nobody, a local one nobody on this machine.
func (c *call) admit(r *http.Request) error {
	if c.row.Scope == core.ScopePublic {
		return nil
	}
	who, err := c.g.o.Auth.Authenticate(r)
	if (err != nil || !who.Scopes.Has(c.row.Scope)) && c.row.Local && (Local{}).here(r) {
		return nil
	}
	if err != nil {
		return err
	}
	c.who = who
	if !who.Scopes.Has(c.row.Scope) {
		return core.Errorf(core.CodeForbidden, "This call needs the scope %s, which these credentials do not have.", c.row.Scope)
	}
	return nil
}

// drain refuses new work while the server shuts down, and has every connection closed after its answer: the next request is
// for the server that comes after this one. Looking goes on.
func (c *call) drain() error {
	if c.g.o.Draining == nil || !c.g.o.Draining() {
		return nil
	}
	c.w.Header().Set("Connection", "close")
	if c.row.Limit == api.LimitInfer || c.row.Limit == api.LimitWrite {
		return errLeaving()
	}
	return nil
}

// feature refuses what belongs to a feature that is not open for the caller: the row's or the dialect's.
func (c *call) feature() error {
	if c.g.o.Features == nil {
		return nil
	}
	for _, f := range []feature.Name{c.d.Feature, c.row.Feature} {
		err := c.g.o.Features.Allow(f, c.who.Role)
		if c.row.Scope == core.ScopePublic {
			err = c.g.o.Features.Open(f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// limitBody bounds the body. One that says itself that it is too large is refused unread.
func (c *call) limitBody(r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	limit := c.maxBody()
	if r.ContentLength > limit {
		c.linger(r)
		return core.Errorf(core.CodeTooLarge, "The request body is larger than the limit of %d bytes.", limit)
	}
	rc := http.NewResponseController(c.w)
	r.Body = &patientBody{
		ReadCloser: http.MaxBytesReader(c.w.ResponseWriter, r.Body, limit), rc: rc, timeout: c.g.o.BodyTimeout,
	}
	return nil
}

func (c *call) maxBody() int64 {
	if c.row.MaxBody > 0 {
		return c.row.MaxBody
	}
	return c.g.o.MaxBody
}

// firstByte is how long the first byte of a body that is too large may take.
const firstByte = 100 * time.Millisecond

// linger has net/http wait a moment between the answer and the end of the connection, as it does when it meets a limit itself.
// Otherwise it would close at once where the client wants no other request, and the client, which still writes, would be reset
// before it reads the answer.
func (c *call) linger(r *http.Request) {
	_ = http.NewResponseController(c.w.ResponseWriter).SetReadDeadline(time.Now().Add(firstByte))
	_, _ = http.MaxBytesReader(c.w.ResponseWriter, r.Body, 0).Read(make([]byte, 1)) // it meets the limit
}

// fail answers with err in the dialect's shape, or only logs it when the answer has begun.
func (c *call) fail(r *http.Request, err error) {
	e := core.AsError(err)
	c.logError(r, e)
	if c.w.wrote() {
		return
	}
	if e.Code == core.CodeUnauthenticated {
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="ashatai"`)
	}
	c.w.failed = api.Status(e.Code)
	h := c.w.Header()
	h.Del("Content-Length")
	api.ErrorHeaders(c.w, e)
	c.d.WriteError(c.w, r, e)
}

func (c *call) logError(r *http.Request, e *core.Error) {
	level := slog.LevelInfo
	if api.Status(e.Code) >= http.StatusInternalServerError && e.Code != core.CodeDraining {
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("code", string(e.Code)), slog.String("route", c.row.Path)}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("cause", e.Cause.Error()))
	}
	if level == slog.LevelError {
		attrs = append(attrs, slog.String("message", e.Message))
	}
	c.g.o.Log.LogAttrs(r.Context(), level, "request failed", attrs...)
}

// done is the access log and the metrics.
func (c *call) done(r *http.Request) {
	took := time.Since(c.start)
	status := c.w.outcome()
	ctx := r.Context()
	// The server ends the context only after this, so an ended one means that the client went away. net/http notices that
	// once the body was read to its end.
	if errors.Is(ctx.Err(), context.Canceled) {
		c.g.o.Metrics.Cancelled(c.row.Path)
		if !c.w.wrote() {
			status = api.StatusClientClosed
		}
	}
	method := r.Method
	if c.row.Method == "" {
		method = "other" // a method that no row has is the caller's text, and labels are bounded
	}
	c.g.o.Metrics.Request(c.d.Name, c.row.Path, method, status, took)
	c.g.o.Metrics.InFlight(-1)
	level := slog.LevelInfo
	if c.row.Limit == api.LimitNone && status < http.StatusInternalServerError {
		level = slog.LevelDebug // health checks and scrapes would drown the rest
	}
	c.g.o.Log.LogAttrs(
		ctx, level, "request served",
		slog.String("dialect", c.d.Name), slog.String("method", method), slog.String("route", c.row.Path),
		slog.Int("status", status), slog.Int64("bytes", c.w.bytes), slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("tenant", c.who.Tenant), slog.String("user", c.who.User), slog.String("remote", r.RemoteAddr),
	)
	if c.abort {
		panic(http.ErrAbortHandler)
	}
}

const maxRequestID = 128

// requestID takes the caller's id where it is harmless in a log and a header, and makes one otherwise.
func requestID(r *http.Request) string {
	id := r.Header.Get(api.HeaderRequestID)
	if id == "" || len(id) > maxRequestID || strings.IndexFunc(id, strange) >= 0 {
		return "req_" + strings.ToLower(rand.Text())
	}
	return id
}

func strange(c rune) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == ':':
		return false
	}
	return true
}
