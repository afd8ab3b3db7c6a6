package api

import "context"

// Turn begins one request of a stream of requests. It returns the context in which to answer it and what is called with the outcome,
// nil or an error; it is refused for what a request of its own would be refused for.
type Turn func() (ctx context.Context, end func(error), err error)

type turnKey struct{}

// WithTurns returns the context of a stream whose requests begin with t.
func WithTurns(ctx context.Context, t Turn) context.Context {
	return context.WithValue(ctx, turnKey{}, t)
}

// NextTurn begins the next request of a stream, once it was read. Without a gate before the handler nothing is refused.
func NextTurn(ctx context.Context) (turn context.Context, end func(error), err error) {
	if t, ok := ctx.Value(turnKey{}).(Turn); ok {
		return t()
	}
	return ctx, func(error) {}, nil
}
