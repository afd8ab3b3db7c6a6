package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/failure"
	"ashatai/internal/cli/human"
	"ashatai/internal/cli/progress"
	"ashatai/internal/cli/screen"
)

type optimizeRequest struct {
	Types []string `json:"types,omitempty"`
}

type optimizeProgress struct {
	Status   string     `json:"status"`
	Type     string     `json:"type"`
	Fraction float64    `json:"fraction"`
	Trial    *trial     `json:"trial"`
	Result   *optimized `json:"result"`
}

// optimized is what was found about a model's weights.
type optimized struct {
	Type       string  `json:"type"`
	Size       int64   `json:"size"`
	Trials     []trial `json:"trials"`
	Machine    string  `json:"machine"`
	Release    string  `json:"release"`
	Weights    string  `json:"weights"`
	Suggestion string  `json:"suggestion"`
}

type trial struct {
	Type       string      `json:"type"`
	Size       int64       `json:"size"`
	Divergence float64     `json:"divergence"`
	Agreement  float64     `json:"agreement"`
	Tokens     int         `json:"tokens"`
	Speeds     []workSpeed `json:"speeds"`
	Refused    string      `json:"refused"`
}

type workSpeed struct {
	Work  string  `json:"work"`
	AsIs  float64 `json:"as_is"`
	New   float64 `json:"new"`
	Ratio float64 `json:"ratio"`
}

func (a *app) optimize() *cobra.Command {
	var flags serverFlags
	var req optimizeRequest
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "optimize MODEL",
		Short: "Look for weights of a model that are nearly the same and faster here",
		Long: "Write the weights of a model in other types, compare what both compute, and measure how fast they are on the server's\n" +
			"machine. The best one that differs by at most 0.01 nats per token and is nowhere more than 3 % slower is kept beside the\n" +
			"model. The setting weights (of the engine, or of one model) says whether it is used. It takes some minutes and both\n" +
			"weights in memory; what else runs meanwhile makes the figures worse.",
		Example: "  ashatai optimize smollm2:135m\n  ashatai optimize smollm2:135m --type q8_0",
		Args:    oneArg("the name of a model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			resp, err := c.Open(cmd.Context(), http.MethodPost, "/api/v1/models/"+url.PathEscape(args[0])+"/optimize", req)
			if err != nil {
				return err
			}
			defer resp.Body.Close() //nolint:errcheck // what was not read of it is of no interest
			err = a.followTrials(resp.Body, asJSON)
			if errors.Is(err, progress.ErrCutOff) {
				err = c.Broken(cmd.Context(), err)
			}
			return err
		},
	}
	flags.add(cmd)
	cmd.Flags().StringSliceVar(&req.Types, "type", nil, "try only this `type`, as q8_0; may be given several times (default: all that there are)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the progress as lines of JSON")
	cmd.ValidArgsFunction = a.completeModels(&flags, 1)
	return cmd
}

// followTrials reads the lines to the end.
func (a *app) followTrials(r io.Reader, asJSON bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, progress.MaxLine)
	last := ""
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if e := failure.Parse(line, http.StatusInternalServerError); e != nil {
			return e
		}
		var p optimizeProgress
		if err := json.Unmarshal(line, &p); err != nil {
			return progress.ErrCutOff
		}
		switch now := p.Type + " " + p.Status; {
		case asJSON:
			a.out.Printf("%s\n", line)
		case p.Trial != nil:
			a.out.Printf("%s\n", screen.Plain(p.Trial.String()))
		case p.Result != nil:
			a.out.Printf("%s\n", screen.Plain(p.Result.String()))
		case now != last && p.Status != "":
			last = now
			a.err.Printf("%s: %s …\n", screen.Plain(p.Type), screen.Plain(p.Status))
		}
		if p.Result != nil {
			return nil
		}
	}
	return progress.ErrCutOff
}

// String is a trial in one line.
func (t trial) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s", t.Type)
	if t.Tokens > 0 {
		fmt.Fprintf(&b, " %s, %.4f nats, %.1f %% agree", human.Size(t.Size), t.Divergence, 100*t.Agreement)
	}
	for _, s := range t.Speeds {
		fmt.Fprintf(&b, ", %s %.0f→%.0f/s (×%.2f)", s.Work, s.AsIs, s.New, s.Ratio)
	}
	if t.Refused != "" {
		b.WriteString("  not kept: " + t.Refused)
	}
	return b.String()
}

// String is the result in a sentence or two.
func (o optimized) String() string {
	if o.Type == "" {
		return "The model is best as it is."
	}
	text := fmt.Sprintf("Kept %s (%s).", o.Type, human.Size(o.Size))
	switch {
	case o.Suggestion != "":
		text += " " + o.Suggestion
	case o.Weights == "as-is":
		text += " The setting weights is as-is, so it is not used."
	default:
		text += " The setting weights is " + o.Weights + "."
	}
	return text
}
