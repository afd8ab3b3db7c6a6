package cli

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

type fakeKey struct{}

// TestScripts runs testdata/script against a fake server. Commands of the scripts:
//
//	ashatai ARGS…           must exit with 0
//	from FILE ARGS…         the same, with FILE as standard input
//	exits CODE ARGS…        must exit with CODE
//	server stop|empty       ends the server, or removes its models
//	made NAME from|sha256 X compares the last creation that arrived
//	auth TEXT               compares the last Authorization header
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			f := newFake()
			env.Defer(f.Close)
			env.Setenv("ASHATAI_SERVER", f.URL)
			env.Values[fakeKey{}] = f
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ashatai": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg {
					ts.Fatalf("say which exit code: exits CODE %s", strings.Join(args, " "))
				}
				runScripted(t.Context(), ts, "", ExitDone, args)
			},
			"from": func(ts *testscript.TestScript, _ bool, args []string) {
				runScripted(t.Context(), ts, ts.ReadFile(args[0]), ExitDone, args[1:])
			},
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				code, err := strconv.Atoi(args[0])
				ts.Check(err)
				runScripted(t.Context(), ts, "", code, args[1:])
			},
			"server": func(ts *testscript.TestScript, _ bool, args []string) {
				f := ts.Value(fakeKey{}).(*fake)
				switch args[0] {
				case "stop":
					f.Close()
				case "empty":
					f.mu.Lock()
					f.models = nil
					f.mu.Unlock()
				}
			},
			"made": func(ts *testscript.TestScript, _ bool, args []string) {
				f := ts.Value(fakeKey{}).(*fake)
				f.mu.Lock()
				defer f.mu.Unlock()
				last := f.made[len(f.made)-1]
				if got := map[string]string{"from": last.From, "sha256": last.SHA256}[args[1]]; last.Name != args[0] || got != args[2] {
					ts.Fatalf("%+v was made", last)
				}
			},
			"auth": func(ts *testscript.TestScript, _ bool, args []string) {
				f := ts.Value(fakeKey{}).(*fake)
				f.mu.Lock()
				defer f.mu.Unlock()
				if f.auth != args[0] {
					ts.Fatalf("Authorization was %q", f.auth)
				}
			},
		},
	})
}

func runScripted(ctx context.Context, ts *testscript.TestScript, stdin string, want int, args []string) {
	code := Main(ctx, args, Deps{
		Version: "1.2.3", Build: "build-1",
		Stdin:  strings.NewReader(stdin),
		Stdout: ts.Stdout(), Stderr: ts.Stderr(),
		Env: []string{
			"ASHATAI_SERVER=" + ts.Getenv("ASHATAI_SERVER"), "ASHATAI_API_KEY=" + ts.Getenv("ASHATAI_API_KEY"),
		},
		Doctor: scriptedDoctor,
	})
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// scriptedDoctor finds as much trouble as the home's name says.
func scriptedDoctor(_ context.Context, o DoctorOptions) (DoctorReport, error) {
	r := DoctorReport{Checks: []DoctorCheck{
		{Name: "program", State: StateOK, Detail: "version 1.2.3"},
		{Name: "sandbox", State: StateWarn, Detail: "no Landlock", Remedy: "Use a newer kernel."},
	}}
	if o.Home == "sick" {
		r.Checks = append(r.Checks, DoctorCheck{Name: "llamacpp", State: StateFail, Detail: "libffi is missing", Remedy: "Install libffi8."})
	}
	return r, nil
}
