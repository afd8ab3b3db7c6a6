package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// Aliases are the other names of models, each with the name of the section that gives it.
func (s *Settings) Aliases() map[string]string {
	out := map[string]string{}
	for model, m := range s.Models {
		for _, a := range m.Aliases {
			out[a] = strings.TrimSuffix(model, ":latest")
		}
	}
	return out
}

// refuseModels stops the start where sections of models contradict each other, or hold what no request may ask for.
func refuseModels(s *Settings, from map[string]origin) error {
	seen := map[string]string{}
	for _, model := range slices.Sorted(maps.Keys(s.Models)) {
		m, short := s.Models[model], strings.TrimSuffix(model, ":latest")
		fail := func(key, format string, args ...any) error {
			return core.Invalid("models."+short+"."+key, "%sthe setting models.%s.%s %s.", place(from, model, key), short, key, fmt.Sprintf(format, args...))
		}
		if err := (&core.Request{Stop: m.Stop}).Validate(); err != nil {
			return fail("stop", "cannot be this: %s", strings.TrimSuffix(core.AsError(err).Message, "."))
		}
		for _, a := range m.Aliases {
			n, err := core.ParseModelName(a)
			if err != nil {
				return err
			}
			if _, section := s.Models[n.String()]; section {
				return fail("aliases", "holds %s, which has a section of its own; an alias is not the name of a model", a)
			}
			if other, twice := seen[a]; twice {
				return fail("aliases", "holds %s, which is an alias of %s already", a, other)
			}
			seen[a] = short
		}
	}
	return nil
}

// place is where a model's setting was read, for the beginning of a message.
func place(from map[string]origin, model, key string) string {
	for path, o := range from {
		rest, ok := strings.CutPrefix(path, "models.")
		if name, last := strings.CutSuffix(rest, "."+key); ok && last {
			if n, err := core.ParseModelName(name); err == nil && n.String() == model {
				return o.String() + ": "
			}
		}
	}
	return ""
}
