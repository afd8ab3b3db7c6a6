package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ashatai/internal/cli/people"
	"ashatai/internal/config"
	"ashatai/internal/core"
)

// people is what the commands for accounts are lent.
func (a *app) people() people.Deps {
	return people.Deps{Call: a.callPeople, Secret: a.secret, Line: a.askLine, Raw: a.raw}
}

// personal is a client as the commands for accounts see it.
type personal struct {
	*client

	app *app
	// other is asked where the server does not answer; nil: nobody is.
	other func(ctx context.Context) (*client, error)
}

// Call implements people.Caller.
func (p *personal) Call(ctx context.Context, method, path string, body, into any) (json.RawMessage, error) {
	raw, err := p.client.call(ctx, method, path, body, into)
	if p.other == nil || !absent(err) {
		return raw, err
	}
	c, failed := p.other(ctx)
	if failed != nil {
		return nil, failed
	}
	p.client, p.other = c, nil
	return p.client.call(ctx, method, path, body, into)
}

// Keep implements people.Caller.
func (p *personal) Keep(credential string) error { return p.app.keep(p.base, credential) }

// callPeople connects to a server, or to a home that no server uses: where one is named, or where no server is named and
// none answers.
func (a *app) callPeople(cmd *cobra.Command, at people.Place, offline bool) (people.Caller, func() error, error) {
	end := func() error { return nil }
	open := func(ctx context.Context) (*client, error) {
		if a.deps.Offline == nil {
			return nil, core.Errorf(core.CodeUnsupported, "This program was built without a server, so it can work on no home.")
		}
		t, done, err := a.deps.Offline(ctx, OfflineOptions{Home: at.Home, Config: at.Config})
		if err != nil {
			return nil, err
		}
		end = done
		return &client{base: "http://127.0.0.1", http: &http.Client{Transport: t}}, nil
	}
	closing := func() error { return end() }
	if offline && at.Home != "" {
		if at.Server != "" {
			return nil, nil, usage(cmd, "--home and --server are two places; name one.")
		}
		c, err := open(cmd.Context())
		if err != nil {
			return nil, nil, err
		}
		return &personal{client: c, app: a}, closing, nil
	}
	c, err := a.client(cmd, serverFlags{server: at.Server, key: at.Key})
	if err != nil {
		return nil, nil, err
	}
	p := &personal{client: c, app: a}
	if offline && a.deps.Offline != nil && !config.ServerNamed(at.Server, a.deps.Env) {
		p.other = open
	}
	return p, closing, nil
}

// absent reports that nothing answers at a server's address.
func absent(err error) bool {
	return core.CodeOf(err) == core.CodeUnavailable && strings.HasPrefix(message(err), "No server answers")
}

// secret asks for a password. A terminal does not show it, and shows again what is typed when the command ends.
func (a *app) secret(ctx context.Context, prompt string, pipe bool) (string, error) {
	if pipe {
		return a.line()
	}
	fd, ok := terminalOf(a.in)
	if !ok {
		return "", core.Invalid("password", "There is no terminal to ask for the password; say --password-stdin to read it from standard input.")
	}
	before, err := term.GetState(fd)
	if err != nil {
		return "", core.Wrap(core.CodeUnavailable, err, "The terminal cannot be asked for a password.")
	}
	a.err.printf("%s", prompt)
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
		a.err.printf("\n")
		return string(r.text), r.err
	case <-ctx.Done():
		a.err.printf("\n")
		_ = term.Restore(fd, before) // the interrupt is what there is to tell
		return "", ctx.Err()
	}
}

// askLine asks for a line of a terminal.
func (a *app) askLine(_ context.Context, prompt string) (string, error) {
	if _, ok := terminalOf(a.in); !ok {
		return "", core.Invalid("name", "There is no terminal to ask for the name; write it behind the command.")
	}
	a.err.printf("%s", prompt)
	return a.line()
}

// line reads a line of standard input.
func (a *app) line() (string, error) {
	text, err := bufio.NewReader(io.LimitReader(a.in, maxLine)).ReadString('\n')
	if err != nil && (err != io.EOF || text == "") {
		return "", core.Wrap(core.CodeInvalidRequest, err, "Standard input ended before there was a line.")
	}
	return strings.TrimRight(text, "\r\n"), nil
}

const maxLine = 4096
