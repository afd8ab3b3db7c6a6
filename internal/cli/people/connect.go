package people

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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

func terminalOf(v any) (fd int, ok bool) {
	f, isFile := v.(interface{ Fd() uintptr })
	if !isFile {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

// secret asks for a password. A terminal does not show it, and shows again what is typed when the command ends.
func (g group) secret(ctx context.Context, prompt string, pipe bool) (string, error) {
	if pipe {
		return g.line()
	}
	fd, ok := terminalOf(g.deps.In)
	if !ok {
		return "", core.Invalid("password", "There is no terminal to ask for the password; say --password-stdin to read it from standard input.")
	}
	before, err := term.GetState(fd)
	if err != nil {
		return "", core.Wrap(core.CodeUnavailable, err, "The terminal cannot be asked for a password.")
	}
	g.deps.Tell("%s", prompt)
	type result struct {
		text []byte
		err  error
	}
	got := make(chan result, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		got <- result{b, err}
	}()
	select {
	case r := <-got:
		g.deps.Tell("\n")
		return string(r.text), r.err
	case <-ctx.Done():
		g.deps.Tell("\n")
		_ = term.Restore(fd, before) // the interrupt is what there is to tell
		return "", ctx.Err()
	}
}

// askLine asks for a line of a terminal.
func (g group) askLine(_ context.Context, prompt string) (string, error) {
	if _, ok := terminalOf(g.deps.In); !ok {
		return "", core.Invalid("name", "There is no terminal to ask for the name; write it behind the command.")
	}
	g.deps.Tell("%s", prompt)
	return g.line()
}

// line reads a line of standard input.
func (g group) line() (string, error) {
	text, err := bufio.NewReader(io.LimitReader(g.deps.In, maxLine)).ReadString('\n')
	if err != nil && (err != io.EOF || text == "") {
		return "", core.Wrap(core.CodeInvalidRequest, err, "Standard input ended before there was a line.")
	}
	return strings.TrimRight(text, "\r\n"), nil
}

const maxLine = 4096
