// Command ashatai is the server and its command line.
package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"ashatai/internal/cli"
	"ashatai/internal/cli/runtimes"
	"ashatai/internal/config"
	"ashatai/internal/node"
	"ashatai/internal/proc"
)

// Stamped by the linker.
var (
	version = "dev"
	build   = "unstamped" //nolint:gochecknoglobals // the linker's -X needs a variable
)

func main() {
	ctx, stop := untilTerminated()
	defer stop()
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt)
	code := cli.Main(ctx, os.Args[1:], cli.Deps{
		Version: version, Build: build, Env: os.Environ(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Interrupts: interrupts,
		Serve: serve, Doctor: doctor, Spawn: spawn, Keep: keep(), Offline: offline, Runtimes: runtimes.Deps{Items: items(), Install: install},
	})
	stop()
	os.Exit(code) //nolint:gocritic // what was deferred has run
}

// untilTerminated is a context that the first SIGTERM ends; a second signal ends the program at once.
func untilTerminated() (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Notify(signals, os.Interrupt)
		stop()
		<-signals
		os.Exit(cli.ExitInterrupted)
	}()
	return ctx, stop
}

// options loads the settings and finds the installed tree from the running program.
func options(home, file, addr string, set map[string]string) (node.Options, error) {
	args := map[string]string{}
	maps.Copy(args, set)
	if addr != "" {
		args["server.addr"] = addr
	}
	read := func() (*config.Settings, error) {
		return config.Load(config.Sources{Args: args, File: file, Home: home, Env: os.Environ()})
	}
	s, err := read()
	if err != nil {
		return node.Options{}, err
	}
	program, err := installed()
	if err != nil {
		return node.Options{}, err
	}
	return node.Options{Version: version, Build: build, Settings: s, Program: program, Errors: os.Stderr, Read: read}, nil
}

// installed is the running program, behind the links that lead to it: the installed tree is around it.
func installed() (string, error) {
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err != nil {
		return "", fmt.Errorf("find the running program: %w", err)
	}
	return program, nil
}

func serve(ctx context.Context, o cli.ServeOptions, out io.Writer) error {
	opt, err := options(o.Home, o.Config, o.Addr, o.Set)
	if err != nil {
		return err
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	opt.Out, opt.Reload = out, hangups
	if os.Getenv("GOMAXPROCS") == "" {
		// Half of the processors are for models. With fewer of its own the scheduler wakes fewer threads for a token.
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
	return node.Serve(ctx, opt)
}

// spawn starts a server in the background, with its log in the data folder.
func spawn(ctx context.Context, addr string) error {
	opt, err := options("", "", addr, nil)
	if err != nil {
		return err
	}
	home := opt.Settings.Home
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	env := os.Environ()
	if opt.Settings.Logs.File == "" { // nobody keeps its standard error within bounds
		env = append(env, "ASHATAI__LOGS__FILE=server.log")
	}
	return proc.Detach(ctx, proc.Spec{
		Path: opt.Program, Args: []string{"serve", "--addr", addr, "--home", home}, Env: env, Dir: home,
	}, filepath.Join(home, "serve.log"))
}

func doctor(ctx context.Context, o cli.DoctorOptions) (cli.DoctorReport, error) {
	opt, err := options(o.Home, o.Config, "", nil)
	if err != nil {
		return cli.DoctorReport{}, err
	}
	var r cli.DoctorReport
	for _, f := range node.Doctor(ctx, opt) {
		r.Checks = append(r.Checks, cli.DoctorCheck{Name: f.Name, State: cli.State(f.State), Detail: f.Detail, Remedy: f.Remedy})
	}
	return r, nil
}
