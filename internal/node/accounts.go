package node

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/api/v1/identity"
	v1sso "ashatai/internal/api/v1/sso"
	"ashatai/internal/auth"
	"ashatai/internal/auth/oidc"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/feature"
	"ashatai/internal/node/record"
	"ashatai/internal/node/sso"
)

// openAccounts makes the keeper of accounts, and refuses to stand open on a network without any.
func (n *Node) openAccounts(ctx context.Context) error {
	n.auth = auth.New(auth.Config{
		Store: n.db.Accounts(), Registration: n.set.Accounts.Registration, Parallel: runtime.GOMAXPROCS(0), Log: n.log, Now: time.Now,
	})
	some, err := n.auth.Any(ctx)
	if err != nil {
		return err
	}
	if err := allowBind(n.set, some); err != nil {
		return err
	}
	if some && !n.set.Server.Loopback() && !n.set.TLS.On() {
		n.log.WarnContext(ctx, "passwords and keys travel in the clear: this server has no certificate; set tls.cert and tls.key, or put a reverse proxy with one in front",
			slog.String("addr", n.set.Server.Addr))
	}
	return nil
}

// authenticator says who calls.
func (n *Node) authenticator() gate.Authenticator {
	twins := map[string]string{}
	for _, d := range n.server.dialects {
		for _, r := range d.Routes {
			if r.Like != "" {
				twins[r.Path] = r.Like
			}
		}
	}
	return gate.Accounts{
		Directory: n.auth, Local: gate.Local{Anyone: n.set.Server.InsecureNoAuth, Names: n.current().Server.AllowedHosts},
		Protected: n.current().APIKey.ProtectedPaths, Exempt: n.current().APIKey.ExemptPaths, Twins: twins,
	}
}

// identityRoutes are the rows of the server's own API for accounts.
func (n *Node) identityRoutes() []api.Route {
	o := n.set.Auth.OIDC
	c := identity.Config{Users: n.auth, Groups: n.auth, Keys: n.auth, Logins: n.auth, Cookie: gate.SessionCookie, Stored: record.Kept{DB: n.db}.Of}
	if o.On() {
		c.Issuer, c.Provider = o.Issuer, func() string {
			if n.live != nil && n.live.Open(feature.OIDC) != nil {
				return ""
			}
			return o.Label
		}
	}
	return identity.Routes(c)
}

// openProvider joins the identity provider of the settings, where they name one.
func (n *Node) openProvider(context.Context) error {
	o := n.set.Auth.OIDC
	if !o.On() {
		return nil
	}
	p, err := sso.New(sso.Options{
		Settings: o, Allow: n.set.Network.Allow, Agent: "ashatai/" + n.opt.Version, Users: n.auth, Box: n.keys,
		Secret: func(context.Context) (string, error) { return n.current().Auth.OIDC.ClientSecret, nil },
	})
	if err != nil {
		return err
	}
	n.provider = p
	n.closers = append(n.closers, p.Close)
	return nil
}

// providerRoutes are the rows by which a browser logs in at the identity provider.
func (n *Node) providerRoutes() []api.Route {
	c := v1sso.Config{Redirect: n.set.Auth.OIDC.RedirectURL, Cookie: gate.SessionCookie, Life: oidc.AttemptLife}
	if n.provider != nil {
		c.Provider = n.provider
	}
	return v1sso.Routes(c)
}

// readyLines is what a server prints when it answers: where, and while there are no accounts the link for the first.
func (n *Node) readyLines(ctx context.Context, addr string) (string, error) {
	addr = n.scheme() + addr
	lines := "ready " + addr + "\n"
	some, err := n.auth.Any(ctx)
	if err != nil || some {
		return lines, err
	}
	return lines + "set up accounts, if you want them, at " + addr + "/#setup=" + n.auth.SetupSecret() + "\n", nil
}

func (n *Node) scheme() string {
	if n.set.TLS.On() {
		return "https://"
	}
	return "http://"
}

// allowBind refuses to stand open on a network.
func allowBind(s *config.Settings, accounts bool) error {
	if accounts || s.Server.Loopback() || s.Server.InsecureNoAuth {
		return nil
	}
	return core.Errorf(core.CodeForbidden, "The address %s can be reached from other machines, and this server has no accounts: everybody could use it. "+
		"Make an admin with `ashatai user create --admin NAME`, listen on 127.0.0.1 and reach it through an SSH tunnel or a proxy with a login, "+
		"or set server.insecure_no_auth to true if the network itself is trusted.", s.Server.Addr)
}
