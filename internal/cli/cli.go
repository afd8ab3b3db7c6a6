package cli

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/audit"
	"ashatai/internal/cli/client"
	"ashatai/internal/cli/collect"
	"ashatai/internal/cli/console"
	"ashatai/internal/cli/human"
	"ashatai/internal/cli/jobs"
	"ashatai/internal/cli/keep"
	"ashatai/internal/cli/people"
	"ashatai/internal/cli/quotas"
	"ashatai/internal/cli/runtimes"
	"ashatai/internal/cli/screen"
	"ashatai/internal/cli/secrets"
	"ashatai/internal/cli/settings"
	"ashatai/internal/cli/usages"
)

// Deps is what the command line is given by the program around it.
type Deps struct {
	Version string // of this program
	Build   string // which commit it was built from; may be empty

	Stdin          io.Reader // nil reads as empty
	Stdout, Stderr io.Writer
	Env            []string // "KEY=value", as os.Environ returns it

	// Interrupts delivers Ctrl-C. The first one ends the command's context, or only the reply that is being written in a
	// chat; one more after that makes Main return at once. Nil: interrupts are not handled here.
	Interrupts <-chan os.Signal

	// Serve runs a server until ctx ends, and prints its ready line to out.
	Serve func(ctx context.Context, o ServeOptions, out io.Writer) error
	// Doctor looks at this machine. An error means that it could not look; what it found is in the report.
	Doctor func(ctx context.Context, o DoctorOptions) (DoctorReport, error)
	// Spawn starts a server on addr (host:port) that outlives this program, and returns without waiting until it is
	// ready. Nil: no chat offers it.
	Spawn func(ctx context.Context, addr string) error
	// Offline opens the API for accounts on a home that no server uses; the caller ends it. Nil: only servers are asked.
	Offline func(ctx context.Context, o OfflineOptions) (http.RoundTripper, func() error, error)
	// Keep are the commands on the data of a home.
	Keep keep.Deps
	// Runtimes install what runtimes need.
	Runtimes runtimes.Deps
}

// ServeOptions are the flags of serve. An empty field was not given.
type ServeOptions struct {
	Addr   string            // host:port to listen on
	Home   string            // data folder
	Config string            // settings file
	Set    map[string]string // "logs.level" → value: settings that win over files and environment
}

// OfflineOptions say which home; empty fields were not given.
type OfflineOptions struct {
	Home   string
	Config string
}

// DoctorOptions are the flags of doctor. An empty field was not given.
type DoctorOptions struct {
	Home   string
	Config string
}

// State is the verdict of one check.
type State string

// The states of a check.
const (
	StateOK   State = "ok"
	StateWarn State = "warn" // it works, but weaker or slower than it could
	StateFail State = "fail" // something does not work
)

// DoctorCheck is one thing that doctor looked at.
type DoctorCheck struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Detail string `json:"detail"`           // what was found
	Remedy string `json:"remedy,omitempty"` // what to do about it
}

// DoctorReport is all that doctor looked at, in the order in which it is shown.
type DoctorReport struct {
	Checks []DoctorCheck `json:"checks"`
}

// app is one run of the program.
type app struct {
	deps       Deps
	out, err   *screen.Screen
	in         io.Reader
	transport  *http.Transport
	interrupts *interrupts
}

func newApp(deps Deps) *app {
	in := deps.Stdin
	if in == nil {
		in = strings.NewReader("")
	}
	colour := screen.WantsColour(deps.Env)
	return &app{
		deps: deps, in: in, transport: client.NewTransport(), interrupts: &interrupts{},
		out: screen.New(deps.Stdout, colour), err: screen.New(deps.Stderr, colour),
	}
}

// New makes the tree of commands. Main runs it with exit codes and interrupts; New alone is for documentation and tests.
func New(deps Deps) *cobra.Command { return newApp(deps).root() }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ashatai",
		Short: "A self-hosted AI server and its command line",
		Long: "ASHATAI runs language models on your own machine.\n\n" +
			"`ashatai serve` starts a server; the other commands talk to one.",
		Example:           "  ashatai serve\n  ashatai run smollm2:135m \"Why is the sky blue?\"",
		Version:           serverVersion{Version: a.deps.Version, Commit: a.deps.Build}.String(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              noSuchCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%s", sentence(err.Error())) })
	root.SetHelpCommand(a.help())
	root.SetVersionTemplate("ashatai {{.Version}}\n")
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.AddCommand(
		a.serve(), a.run(), a.list(), a.show(), a.ps(), a.stop(), a.pull(), a.create(), a.cp(), a.alias(), a.optimize(), a.rm(), a.doctor(), a.version(), a.completion(),
	)
	root.AddCommand(jobs.Command(a.console()), collect.Command(a.console()), quotas.Command(a.console(), a.people()), usages.Command(a.console(), a.people()), runtimes.Command(a.console(), a.deps.Runtimes), settings.Command(a.console(), a.out, a.deps.Env))
	root.AddCommand(keep.Commands(a.console(), a.deps.Keep)...)
	root.AddCommand(people.Commands(a.console(), a.people())...)
	root.AddCommand(audit.Command(a.console(), a.people()), secrets.Command(a.console(), a.people()))
	return root
}

// console is what commands in folders of their own are lent.
func (a *app) console() console.Console {
	return console.Console{
		Printf: a.out.Printf, Tell: a.err.Printf, Table: a.out.Table, JSON: a.out.JSON, Plain: screen.Plain, Plural: human.Plural,
		Server: a.server, Usage: usage, NoArgs: noArgs, OneArg: oneArg, Args: fromTo, NoSuch: noSuchCommand,
	}
}

// Main runs one command line, without the program's name, and returns the exit code. What went wrong is told on
// Stderr. When a second interrupt cuts the command off, its goroutines still run: end the process.
func Main(ctx context.Context, args []string, deps Deps) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := newApp(deps)
	defer a.transport.CloseIdleConnections()
	a.interrupts.root = cancel
	root := a.root() //nolint:contextcheck // each command takes the context that ExecuteContext gives it
	root.SetArgs(args)
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	signals := deps.Interrupts
	for {
		select {
		case err := <-done:
			if err != nil {
				a.report(err)
			}
			return exitCode(err)
		case _, open := <-signals:
			if !open {
				signals = nil
			} else if !a.interrupts.hit() {
				return ExitInterrupted
			}
		}
	}
}

// server gives a command the flags that name a server.
func (a *app) server(cmd *cobra.Command) func() (console.Server, error) {
	var flags serverFlags
	flags.add(cmd)
	return func() (console.Server, error) {
		c, err := a.client(cmd, flags)
		if err != nil {
			return console.Server{}, err
		}
		return console.Server{Call: c.Call, Open: c.Read}, nil
	}
}
