// Package serve is the child's side of the worker protocol: it says hello, loads the one model that the server asks for and
// answers its calls until the channel closes. It opens nothing and knows nothing beyond that channel: no network, no
// settings, no database, no second model.
package serve

import (
	"log/slog"

	"ashatai/internal/engine"
)

// Options are what the worker program brings.
type Options struct {
	Build    string           // the build of this program; the server must be the same
	Runtimes []engine.Runtime // the launch names one of them
	Log      *slog.Logger     // goes to standard error, which the server collects
	Env      []string         // environment of the program after the sandbox's first stage; used by Main alone
}
