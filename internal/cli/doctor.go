package cli

import (
	"github.com/spf13/cobra"

	"ashatai/internal/cli/human"
	"ashatai/internal/cli/screen"
	"ashatai/internal/core"
)

func (a *app) doctor() *cobra.Command {
	var o DoctorOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at this machine and say what is missing",
		Long:  "Look at this machine, its libraries and the data folder, and say what is missing. It needs no running server.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.deps.Doctor == nil {
				return core.Errorf(core.CodeUnsupported, "This program was built without a server, so there is nothing to look at.")
			}
			report, err := a.deps.Doctor(cmd.Context(), o)
			if err != nil {
				return err
			}
			if report.Checks == nil {
				report.Checks = []DoctorCheck{}
			}
			if asJSON {
				if err := a.out.JSON(report); err != nil {
					return err
				}
			} else {
				a.showReport(report)
			}
			failed := 0
			for _, c := range report.Checks {
				if c.State == StateFail {
					failed++
				}
			}
			if failed > 0 {
				return core.Errorf(core.CodeInternal, "%d of %s failed.", failed, human.Plural(len(report.Checks), "check"))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&o.Home, "home", "", "look at the data in `DIR` (default ~/.ashatai)")
	cmd.Flags().StringVar(&o.Config, "config", "", "read the settings from `FILE` (default ashatai.yaml in the home)")
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}

func (a *app) showReport(report DoctorReport) {
	width := 0
	for _, c := range report.Checks {
		width = max(width, len(c.Name))
	}
	for _, c := range report.Checks {
		mark := a.out.Green("ok  ")
		switch c.State {
		case StateOK:
		case StateWarn:
			mark = a.out.Yellow("warn")
		case StateFail:
			mark = a.out.Red("fail")
		}
		a.out.Printf("%s  %-*s  %s\n", mark, width, c.Name, screen.Plain(c.Detail))
		if c.Remedy != "" {
			a.out.Printf("      %-*s  %s\n", width, "", a.out.Dim("→ "+screen.Plain(c.Remedy)))
		}
	}
}
