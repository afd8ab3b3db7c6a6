package node

import (
	"context"
	"maps"
	"os"
	"slices"

	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/engine/remote"
	"ashatai/internal/node/borrow"
)

// maxKeyFile bounds a credential.
const maxKeyFile = 64 << 10

func (n *Node) makeRemotes(context.Context) error {
	var servers []remote.Server
	for _, name := range slices.Sorted(maps.Keys(n.set.Remotes)) {
		s := n.set.Remotes[name]
		if s.Key != "" && s.KeyFile != "" {
			return core.Invalid("remotes."+name, "The settings remotes.%s.key and remotes.%s.key_file are both given; give one of them.", name, name)
		}
		servers = append(servers, remote.Server{
			Name: name, URL: s.URL, Kind: s.Kind, Key: keyOf(s, func() string { return n.current().Remotes[name].Key }), Timeout: s.Timeout, Concurrency: s.Concurrency, Retries: s.Retries,
			Allow: n.set.Network.Allow, UserAgent: "ashatai/" + n.opt.Version,
		})
	}
	rt, err := remote.New(servers)
	if err != nil {
		return err
	}
	n.closers = append(n.closers, rt.Close)
	n.remote, n.remotes = rt, borrow.New(n.set.Remotes, n.set.Models, rt, n.models, n.log)
	return nil
}

// keyOf reads a server's credential whenever it is needed: a file, or what is sealed, may hold another one by then. Now is that of
// the settings that count.
func keyOf(s config.Remote, now func() string) func() (string, error) {
	switch {
	case s.KeyFile != "":
		return func() (string, error) {
			data, err := os.ReadFile(s.KeyFile)
			if err != nil {
				return "", err
			}
			return string(data[:min(len(data), maxKeyFile)]), nil
		}
	case s.Key != "":
		return func() (string, error) { return now(), nil }
	}
	return nil
}
