package cli

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) show() *cobra.Command {
	var flags serverFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show what is known of a model",
		Args:  oneArg("the name of a model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			var m modelDetail
			raw, err := c.call(cmd.Context(), http.MethodGet, modelPath(args[0]), nil, &m)
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.raw(raw)
			}
			return a.showModel(m)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	cmd.ValidArgsFunction = a.completeModels(&flags, 1)
	return cmd
}

// showModel writes one fact per line; what a model does not have is left out.
func (a *app) showModel(m modelDetail) error {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-14s%s\n", key, plain(value))
		}
	}
	line("name", m.Name)
	line("aliases", strings.Join(m.Aliases, ", "))
	line("digest", m.Digest)
	line("format", m.Format)
	line("size", size(m.Size))
	line("architecture", m.Architecture)
	if m.Parameters > 0 {
		line("parameters", count(m.Parameters))
	}
	line("quantization", m.Quantization)
	line("context", fmt.Sprintf("%d tokens", m.Context))
	line("capabilities", strings.Join(m.Capabilities, ", "))
	line("license", m.License)
	line("source", m.Source)
	if !m.Created.IsZero() {
		line("installed", m.Created.Format(time.RFC3339)+" ("+ago(m.Created, time.Now())+")")
	}
	for _, k := range slices.Sorted(maps.Keys(m.Defaults)) {
		line("default", fmt.Sprintf("%s %v", k, m.Defaults[k]))
	}
	for _, k := range slices.Sorted(maps.Keys(m.Labels)) {
		line("label", k+" "+m.Labels[k])
	}
	for _, f := range m.Files {
		line("file", fmt.Sprintf("%s (%s)", f.Name, size(f.Size)))
	}
	if o := m.Optimized; o != nil {
		line("optimized", o.String())
		for _, t := range o.Trials {
			line("", t.String())
		}
		line("", "measured on "+o.Machine+" with llama.cpp "+o.Release)
	}
	line("system", strings.ReplaceAll(m.System, "\n", "\n"+strings.Repeat(" ", 14)))
	if m.Template != "" {
		line("template", plural(strings.Count(strings.TrimSuffix(m.Template, "\n"), "\n")+1, "line")+" of Jinja; --json shows it")
	}
	_, err := a.out.Write([]byte(b.String()))
	return err
}
