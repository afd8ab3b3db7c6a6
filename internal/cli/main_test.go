package cli

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outcome is how a command ended.
type outcome struct {
	code     int
	out, err string
}

// cmd runs one command line against f; nil is no server.
func (f *fake) cmd(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	return f.cmdWith(t, Deps{Stdin: strings.NewReader(stdin)}, args...)
}

func (f *fake) cmdWith(t *testing.T, deps Deps, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	deps.Stdout, deps.Stderr = &out, &errs
	if deps.Version == "" {
		deps.Version, deps.Build = "1.2.3", "build-1"
	}
	if f != nil {
		deps.Env = append(deps.Env, "ASHATAI_SERVER="+f.URL)
	}
	code := Main(t.Context(), args, deps)
	return outcome{code, out.String(), errs.String()}
}

func (o outcome) want(t *testing.T, code int, out, errs string) {
	t.Helper()
	if o.code != code || !strings.Contains(o.out, out) || !strings.Contains(o.err, errs) {
		t.Errorf("exit code %d, stdout %q, stderr %q\nwant %d, %q, %q", o.code, o.out, o.err, code, out, errs)
	}
}

// interrupted runs a command and interrupts it when it has begun.
func interrupted(ctx context.Context, begun <-chan struct{}, deps Deps, times int, args ...string) int {
	signals := make(chan os.Signal)
	deps.Interrupts = signals
	code := make(chan int, 1)
	go func() { code <- Main(ctx, args, deps) }()
	<-begun
	for range times {
		signals <- os.Interrupt
	}
	return <-code
}
