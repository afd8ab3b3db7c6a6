// Package settings are the commands on a server's settings: config show, check and schema. They read what a start would
// read, and need no server.
package settings

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
	"ashatai/internal/config"
	"ashatai/internal/core"
)

// Command is config with the commands below it. Env is the environment, as os.Environ returns it.
func Command(on console.Console, out io.Writer, env []string) *cobra.Command {
	g := group{on: on, out: out, env: env}
	cmd := &cobra.Command{
		Use: "config", Short: "Look at the settings and check them", Args: on.NoSuch,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(g.show(), g.check(), g.schema())
	return cmd
}

type group struct {
	on  console.Console
	out io.Writer
	env []string
}

// place are the flags that say which settings; they are those of serve.
type place struct {
	home, file string
	set        []string
}

func (p *place) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.home, "home", "", "the data folder `DIR` whose settings are read (default ~/.ashatai)")
	cmd.Flags().StringVar(&p.file, "config", "", "read the settings from `FILE` (default ashatai.yaml in the home)")
	cmd.Flags().StringArrayVar(&p.set, "set", nil, "set one setting, as `KEY=VALUE`; may be repeated")
}

func (g group) load(cmd *cobra.Command, p place) (*config.Settings, error) {
	args := map[string]string{}
	for _, s := range p.set {
		key, value, ok := strings.Cut(s, "=")
		if !ok || key == "" {
			return nil, g.on.Usage(cmd, "--set %q has no value; it is written --set logs.level=debug.", s)
		}
		args[key] = value
	}
	return config.Load(config.Sources{Args: args, File: p.file, Home: p.home, Env: g.env})
}

// value is a setting as JSON.
type value struct {
	Key     string `json:"key"`
	Value   any    `json:"value"`
	Default any    `json:"default"`
	Source  string `json:"source"`
	Origin  string `json:"origin,omitempty"`
	Secret  bool   `json:"secret"`
	Reload  bool   `json:"reload"`
}

func (g group) show() *cobra.Command {
	var at place
	var asJSON, changed bool
	cmd := &cobra.Command{
		Use:   "show [KEY ...]",
		Short: "Show the settings and where each value comes from",
		Long: "Show the settings that a start would have, and where each value comes from: default, file, env or flag. Secrets are hidden.\n" +
			"KEY names a setting or a section. A running server may have read them before they changed; GET /api/v1/settings tells.",
		Example: "  ashatai config show --changed\n  ashatai config show server logs.level",
		RunE: func(cmd *cobra.Command, keys []string) error {
			s, err := g.load(cmd, at)
			if err != nil {
				return err
			}
			values, err := chosen(s.Values(), keys)
			if err != nil {
				return err
			}
			if changed {
				values = slices.DeleteFunc(values, func(v config.Value) bool { return v.Source == config.FromDefault })
			}
			if asJSON {
				return g.json(s, values)
			}
			g.on.Printf("home %s\n\n", g.on.Plain(s.Home))
			rows := [][]string{{"SETTING", "VALUE", "FROM"}}
			for _, v := range values {
				from := string(v.Source)
				if v.Origin != "" {
					from += ": " + v.Origin
				}
				rows = append(rows, []string{v.Key, text(v.Value), from})
			}
			return g.on.Table(rows)
		},
	}
	at.add(cmd)
	cmd.Flags().BoolVar(&changed, "changed", false, "only what somebody set")
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

func (g group) json(s *config.Settings, values []config.Value) error {
	list := []value{}
	for _, v := range values {
		list = append(list, value{v.Key, v.Value, v.Default, string(v.Source), v.Origin, v.Secret, v.Reload})
	}
	return g.on.JSON(struct {
		Home     string  `json:"home"`
		Settings []value `json:"settings"`
	}{s.Home, list})
}

// chosen are the settings that keys name, each by itself or by its section.
func chosen(all []config.Value, keys []string) ([]config.Value, error) {
	if len(keys) == 0 {
		return all, nil
	}
	var out []config.Value
	for _, k := range keys {
		n := len(out)
		for _, v := range all {
			if v.Key == k || strings.HasPrefix(v.Key, k+".") {
				out = append(out, v)
			}
		}
		if len(out) == n {
			return nil, core.Errorf(core.CodeNotFound, "There is no setting or section %q, or nothing is said of it; the nearest setting is %s.", k, config.Nearest(k))
		}
	}
	return out, nil
}

// text is a value as the table shows it.
func text(v any) string {
	const longest = 60
	s := fmt.Sprint(v)
	switch x := v.(type) {
	case nil:
		return "-"
	case []string:
		s = strings.Join(x, ", ")
	}
	s = strings.Join(strings.Fields(s), " ") // a prompt may have many lines
	if s == "" {
		return "-"
	}
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "…"
	}
	return s
}

func (g group) check() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say whether a server would start with the settings",
		Long:  "Read the settings as a start does, and say where they are wrong: the file, the line, the key, and what would be right.",
		Args:  g.on.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := g.load(cmd, at)
			if err != nil {
				return err
			}
			for _, n := range s.Notices {
				g.on.Printf("note: %s\n", g.on.Plain(n))
			}
			said := len(slices.DeleteFunc(s.Values(), func(v config.Value) bool { return v.Source == config.FromDefault }))
			g.on.Printf("the settings are good: %s set, the rest by default\n", g.on.Plural(said, "value"))
			return nil
		},
	}
	at.add(cmd)
	return cmd
}

func (g group) schema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of ashatai.yaml",
		Long: "Print the JSON Schema of ashatai.yaml, for editors that complete and check: write it to a file and name that in the first line,\n" +
			"as `# yaml-language-server: $schema=ashatai.schema.json`.",
		Args: g.on.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(g.out, "%s\n", s)
			return err
		},
	}
}
