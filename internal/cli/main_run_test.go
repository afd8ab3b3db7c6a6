package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func TestServe(t *testing.T) {
	var got ServeOptions
	deps := Deps{Serve: func(_ context.Context, o ServeOptions, out io.Writer) error {
		got = o
		_, err := io.WriteString(out, "ready http://127.0.0.1:1\n")
		return err
	}}
	var f *fake
	f.cmdWith(t, deps, "serve", "--addr", "127.0.0.1:0", "--home", "h", "--config", "c", "--set", "logs.level=debug", "--set", "a.b=x=y").
		want(t, ExitDone, "ready http://127.0.0.1:1\n", "")
	want := ServeOptions{Addr: "127.0.0.1:0", Home: "h", Config: "c", Set: map[string]string{"logs.level": "debug", "a.b": "x=y"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestExitCodes holds every code of the product to its exit code, by way of a server that does not start.
func TestExitCodes(t *testing.T) {
	for code, want := range map[core.Code]int{
		core.CodeInvalidRequest: ExitUsage, core.CodeContextExceeded: ExitFailed, core.CodeUnsupported: ExitFailed,
		core.CodeUnauthenticated: ExitRefused, core.CodeForbidden: ExitRefused, core.CodeNotFound: ExitNotFound,
		core.CodeModelNotFound: ExitNotFound, core.CodeMethod: ExitFailed, core.CodeConflict: ExitRefused,
		core.CodeTooLarge: ExitFailed, core.CodeRateLimited: ExitUnavailable, core.CodeQueueFull: ExitUnavailable,
		core.CodeCancelled: ExitInterrupted, core.CodeDeadline: ExitFailed, core.CodeBadModel: ExitFailed,
		core.CodeOutOfMemory: ExitUnavailable, core.CodeDiskFull: ExitFailed, core.CodeWorkerDied: ExitFailed,
		core.CodeQuarantined: ExitRefused, core.CodeUnavailable: ExitUnavailable, core.CodeDraining: ExitUnavailable,
		core.CodeInternal: ExitFailed,
	} {
		deps := Deps{Serve: func(context.Context, ServeOptions, io.Writer) error {
			return core.Wrap(code, errors.New("private"), "A sentence about %s.", code)
		}}
		got := (*fake)(nil).cmdWith(t, deps, "serve")
		got.want(t, want, "", "ashatai: A sentence about "+string(code)+".\n")
		if strings.Contains(got.err, "private") {
			t.Errorf("%s shows its private cause: %s", code, got.err)
		}
	}
	deps := Deps{Serve: func(context.Context, ServeOptions, io.Writer) error { return errors.New("some error") }}
	(*fake)(nil).cmdWith(t, deps, "serve").want(t, ExitFailed, "", "ashatai: Some error.\n")
}

// awaited is an output that tells when a text has come.
type awaited struct {
	strings.Builder

	text string
	seen chan struct{}
	once sync.Once
}

func (a *awaited) Write(p []byte) (int, error) {
	n, err := a.Builder.Write(p)
	if strings.Contains(a.String(), a.text) {
		a.once.Do(func() { close(a.seen) })
	}
	return n, err
}

// WriteString keeps io.WriteString from going past Write.
func (a *awaited) WriteString(s string) (int, error) { return a.Write([]byte(s)) }

func TestInterrupt(t *testing.T) {
	f := start(t)
	env := []string{"ASHATAI_SERVER=" + f.URL}
	var errs strings.Builder
	out := &awaited{text: "wait", seen: make(chan struct{})}
	code := interrupted(t.Context(), out.seen, Deps{Stdout: out, Stderr: &errs, Env: env}, 1, "run", "smollm2:135m", "wait")
	outcome{code, out.String(), errs.String()}.want(t, ExitInterrupted, "You said: wait\n", "")
	if errs.Len() > 0 {
		t.Errorf("an interrupt is no error to tell: %q", errs.String())
	}

	// A command that does not end when it is told to is cut off by the second interrupt.
	begun, release := make(chan struct{}), make(chan struct{})
	stubborn := Deps{Serve: func(context.Context, ServeOptions, io.Writer) error {
		close(begun)
		<-release
		return nil
	}}
	if code := interrupted(t.Context(), begun, stubborn, 2, "serve"); code != ExitInterrupted {
		t.Errorf("exit code %d", code)
	}
	close(release)

	// One that drains and ends well is done.
	begun = make(chan struct{})
	good := Deps{Serve: func(ctx context.Context, _ ServeOptions, _ io.Writer) error {
		close(begun)
		<-ctx.Done()
		return nil
	}}
	if code := interrupted(t.Context(), begun, good, 1, "serve"); code != ExitDone {
		t.Errorf("exit code %d", code)
	}

	closed := make(chan os.Signal)
	close(closed)
	(*fake)(nil).cmdWith(t, Deps{Interrupts: closed}, "version", "--server", f.URL).want(t, ExitDone, "9.8.7", "")
}

func TestDoctorFails(t *testing.T) {
	deps := Deps{Doctor: func(context.Context, DoctorOptions) (DoctorReport, error) {
		return DoctorReport{}, core.Invalid("x", "The setting x is wrong.")
	}}
	(*fake)(nil).cmdWith(t, deps, "doctor").want(t, ExitUsage, "", "The setting x is wrong.")
	(*fake)(nil).cmdWith(t, Deps{}, "doctor").want(t, ExitFailed, "", "nothing to look at")
	deps.Doctor = func(context.Context, DoctorOptions) (DoctorReport, error) { return DoctorReport{}, nil }
	(*fake)(nil).cmdWith(t, deps, "doctor", "--json").want(t, ExitDone, `"checks": []`, "")
}

func TestPullMakesPathsWhole(t *testing.T) {
	f := start(t)
	f.cmd(t, "", "pull", "a.gguf", "--name", "n", "--sha256", "00").want(t, ExitDone, "Installed", "")
	abs, err := filepath.Abs("a.gguf")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]pullRequest{{Source: abs, Name: "n", SHA256: "00"}}, f.pulls); diff != "" {
		t.Error(diff)
	}
}

func TestRunSendsWhatWasGiven(t *testing.T) {
	f := start(t)
	f.cmd(t, "", "run", "smollm2:135m", "hi", "--system", "S", "--temperature", "0", "--seed", "-3", "--max-tokens", "5").
		want(t, ExitDone, "You said: hi", "")
	zero, seed, most := 0.0, int64(-3), 5
	want := []chatRequest{{
		Model: "smollm2:135m", Messages: []chatMessage{{"system", "S"}, {"user", "hi"}},
		Temperature: &zero, Seed: &seed, MaxTokens: &most, Stream: true, StreamOptions: streamOptions{IncludeUsage: true},
	}}
	if diff := cmp.Diff(want, f.chats); diff != "" {
		t.Error(diff)
	}
}

func TestRunRefusesInput(t *testing.T) {
	f := start(t)
	f.cmd(t, "a\xff", "run").want(t, ExitUsage, "", "not valid UTF-8")
	f.cmd(t, "", "run", "m", "x", "--system", "\xff").want(t, ExitUsage, "", "--system is not valid UTF-8")
	f.cmd(t, strings.Repeat("x", maxPrompt+1), "run").want(t, ExitUsage, "", "longer than 8.39 MB")
	f.cmdWith(t, Deps{Stdin: iotest.ErrReader(errors.New("gone"))}, "run").want(t, ExitFailed, "", "Standard input cannot be read: gone.")
	f.cmdWith(t, Deps{}, "run", "").want(t, ExitUsage, "", "There is no prompt")
	if len(f.chats) > 0 {
		t.Errorf("sent %+v", f.chats)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestRunCannotWrite(t *testing.T) {
	f := start(t)
	var errs strings.Builder
	code := Main(t.Context(), []string{"run", "--server", f.URL, "smollm2:135m", "hi"}, Deps{Stdout: fullDisk{}, Stderr: &errs})
	outcome{code, "", errs.String()}.want(t, ExitFailed, "", "cannot be written to standard output")
}

func TestStrangeAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		want   string
	}{
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
		}, "ended its answer in the middle"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "status 302"},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "it does not answer"},
		"empty error": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			w.WriteHeader(http.StatusTeapot)
		}, "status 418, no content type"},
		"unavailable": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, "status 503"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(c.handle)
			defer s.Close()
			(*fake)(nil).cmd(t, "", "list", "--server", s.URL).want(t, ExitUnavailable, "", c.want)
		})
	}
}

func TestModelDefaultsOfErrors(t *testing.T) {
	for status, want := range map[int]int{
		http.StatusBadRequest: ExitUsage, http.StatusUnauthorized: ExitRefused, http.StatusForbidden: ExitRefused,
		http.StatusNotFound: ExitNotFound, http.StatusConflict: ExitRefused, http.StatusTooManyRequests: ExitUnavailable,
		http.StatusServiceUnavailable: ExitUnavailable, http.StatusTeapot: ExitFailed, http.StatusInternalServerError: ExitFailed,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			answer(w, status, `{"error":{"message":"A word of another API.","type":"x","code":null}}`)
		}))
		(*fake)(nil).cmd(t, "", "list", "--server", s.URL, "--api-key", "agp_live_x").want(t, want, "", "ashatai: A word of another API.")
		s.Close()
	}
}
