package people

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/prompt"
	"ashatai/internal/core"
)

// connection is a Caller: a server, and where none answers perhaps a home.
type connection struct {
	Client

	env   []string
	other func(ctx context.Context) (Client, error) // asked where the server does not answer; nil: nobody is
}

// Call implements Caller.
func (p *connection) Call(ctx context.Context, method, path string, body, into any) (json.RawMessage, error) {
	raw, err := p.Client.Call(ctx, method, path, body, into)
	if p.other == nil || !absent(err) {
		return raw, err
	}
	c, failed := p.other(ctx)
	if failed != nil {
		return nil, failed
	}
	p.Client, p.other = c, nil
	return p.Client.Call(ctx, method, path, body, into)
}

// Open implements Caller.
func (p *connection) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	body, err := p.Client.Open(ctx, path)
	if p.other == nil || !absent(err) {
		return body, err
	}
	c, failed := p.other(ctx)
	if failed != nil {
		return nil, failed
	}
	p.Client, p.other = c, nil
	return p.Client.Open(ctx, path)
}

// Keep implements Caller.
func (p *connection) Keep(credential string) error { return keep(p.env, p.Base, credential) }

// absent reports that nothing answers at a server's address.
func absent(err error) bool {
	return core.CodeOf(err) == core.CodeUnavailable && strings.HasPrefix(core.AsError(err).Message, "No server answers")
}

// connect finds a server, or a home that no server uses: where one is named, or where no server is named and none answers.
func (g group) connect(cmd *cobra.Command, at Place, offline bool) (Caller, func() error, error) {
	end := func() error { return nil }
	open := func(ctx context.Context) (Client, error) {
		if g.deps.Offline == nil {
			return Client{}, core.Errorf(core.CodeUnsupported, "This program was built without a server, so it can work on no home.")
		}
		c, done, err := g.deps.Offline(ctx, at.Home, at.Config)
		if err == nil {
			end = done
		}
		return c, err
	}
	closing := func() error { return end() }
	if offline && at.Home != "" {
		if at.Server != "" {
			return nil, nil, g.on.Usage(cmd, "--home and --server are two places; name one.")
		}
		c, err := open(cmd.Context())
		return &connection{Client: c, env: g.deps.Env}, closing, err
	}
	c, err := g.deps.Server(cmd, at.Server, at.Key)
	p := &connection{Client: c, env: g.deps.Env}
	if offline && g.deps.Offline != nil && !g.deps.Named(at.Server) {
		p.other = open
	}
	return p, closing, err
}

// secret asks for a password, or reads it from what is no terminal.
func (g group) secret(ctx context.Context, question string, pipe bool) (string, error) {
	if pipe {
		return prompt.Line(g.deps.In)
	}
	if !prompt.Terminal(g.deps.In) {
		return "", core.Invalid("password", "There is no terminal to ask for the password; say --password-stdin to read it from standard input.")
	}
	return prompt.Hidden(ctx, g.deps.In, g.deps.Tell, question, "password")
}

// askLine asks for a line of a terminal.
func (g group) askLine(_ context.Context, question string) (string, error) {
	if !prompt.Terminal(g.deps.In) {
		return "", core.Invalid("name", "There is no terminal to ask for the name; write it behind the command.")
	}
	g.deps.Tell("%s", question)
	return prompt.Line(g.deps.In)
}
