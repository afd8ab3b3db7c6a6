package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/human"
	"ashatai/internal/cli/screen"
	"ashatai/internal/core"
)

func (a *app) show() *cobra.Command {
	var flags serverFlags
	var asJSON, asFile bool
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show what is known of a model",
		Args:  oneArg("the name of a model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON && asFile {
				return usage(cmd, "Give one of --json and --modelfile.")
			}
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			var m modelDetail
			raw, err := c.Call(cmd.Context(), http.MethodGet, modelPath(args[0]), nil, &m)
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.out.Raw(raw)
			case asFile:
				typed := struct {
					Defaults *core.Sampling `json:"parameters"`
				}{&m.Sampling}
				if err := json.Unmarshal(raw, &typed); err != nil {
					return core.Wrap(core.CodeUnavailable, err, "The server's answer about %s cannot be understood; are both of one version?", args[0])
				}
				return a.out.Text(modelfileOf(m))
			}
			return a.showModel(m)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	cmd.Flags().BoolVar(&asFile, "modelfile", false, "print the Modelfile that makes such a model")
	cmd.ValidArgsFunction = a.completeModels(&flags, 1)
	return cmd
}

// showModel writes one fact per line; what a model does not have is left out.
func (a *app) showModel(m modelDetail) error {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-14s%s\n", key, screen.Plain(value))
		}
	}
	line("name", m.Name)
	line("aliases", strings.Join(m.Aliases, ", "))
	line("digest", m.Digest)
	line("format", m.Format)
	line("size", human.Size(m.Size))
	line("architecture", m.Architecture)
	if m.Parameters > 0 {
		line("parameters", human.Count(m.Parameters))
	}
	line("quantization", m.Quantization)
	line("context", fmt.Sprintf("%d tokens", m.Context))
	line("capabilities", strings.Join(m.Capabilities, ", "))
	line("license", m.License)
	line("source", m.Source)
	if !m.Created.IsZero() {
		line("installed", m.Created.Format(time.RFC3339)+" ("+human.Ago(m.Created, time.Now())+")")
	}
	for _, k := range slices.Sorted(maps.Keys(m.Defaults)) {
		line("default", fmt.Sprintf("%s %v", k, m.Defaults[k]))
	}
	for _, k := range slices.Sorted(maps.Keys(m.Labels)) {
		line("label", k+" "+m.Labels[k])
	}
	for _, f := range m.Files {
		line("file", fmt.Sprintf("%s (%s)", f.Name, human.Size(f.Size)))
	}
	if o := m.Optimized; o != nil {
		line("optimized", o.String())
		for _, t := range o.Trials {
			line("", t.String())
		}
		line("", "measured on "+o.Machine+" with llama.cpp "+o.Release)
	}
	for _, s := range m.Stop {
		line("stop", strconv.Quote(s))
	}
	if m.Window > 0 {
		line("window", fmt.Sprintf("%d tokens", m.Window))
	}
	for _, t := range m.Messages {
		line("message", string(t.Role)+": "+strings.ReplaceAll(t.Content, "\n", "\n"+strings.Repeat(" ", 14)))
	}
	line("system", strings.ReplaceAll(m.System, "\n", "\n"+strings.Repeat(" ", 14)))
	if m.Template != "" {
		line("template", human.Plural(strings.Count(strings.TrimSuffix(m.Template, "\n"), "\n")+1, "line")+" of Jinja; --json shows it")
	}
	_, err := a.out.Write([]byte(b.String()))
	return err
}
