package progress

import (
	"strings"
	"testing"
	"time"

	"ashatai/internal/cli/screen"
	"ashatai/internal/core"
)

func TestProgressBar(t *testing.T) {
	var b strings.Builder
	now := time.Unix(1000, 0)
	drawn := &bar{out: screen.New(nil, false), err: screen.New(&b, false), now: func() time.Time { return now }}
	drawn.Step(Step{Status: "pulling"}, nil)
	drawn.Step(Step{Status: "pulling", Total: 1000, Completed: 500}, nil) // resumed: no speed yet
	b.Reset()
	now = now.Add(10 * time.Second)
	drawn.Step(Step{Status: "pulling", Total: 1000, Completed: 600}, nil)
	want := "\rpulling  [##################............]  60%  600 B of 1 kB  10 B/s  40s left\x1b[K"
	if b.String() != want {
		t.Errorf("drew %q, want %q", b.String(), want)
	}
	for width := range 90 {
		if n := len([]rune(drawn.line(Step{Status: "pulling", Total: 1000, Completed: 2000}, time.Minute, width))); n > max(width-1, 0) {
			t.Errorf("%d columns on a terminal of %d", n, width)
		}
	}
	drawn.End(false)
	if !strings.HasSuffix(b.String(), "\n") {
		t.Error("an unfinished bar keeps the line")
	}
}

const whole = `{"status":"pulling","total":100,"completed":0}

{"status":"pulling","total":100,"completed":5}
{"status":"pulling","total":100,"completed":50}
{"status":"success","model":{"name":"x","size":100}}
`

const same = `{"status":"already up to date"}
{"status":"success","model":{"name":"x","size":100}}
`

func TestFollow(t *testing.T) {
	var out, errs strings.Builder
	if err := Follow(strings.NewReader(whole), Of(screen.New(&out, false), screen.New(&errs, false))); err != nil {
		t.Fatal(err)
	}
	if want := "pulling 0% (0 B of 100 B)\npulling 50% (50 B of 100 B)\n"; errs.String() != want || out.String() != "Installed x (100 B).\n" {
		t.Errorf("%q and %q", errs.String(), out.String())
	}
	out.Reset()
	if err := Follow(strings.NewReader(whole), JSON{&out}); err != nil || out.String() != strings.ReplaceAll(whole, "\n\n", "\n") {
		t.Errorf("%v, %q", err, out.String())
	}
	tty := screen.New(&errs, false)
	tty.Terminal = true
	errs.Reset()
	out.Reset()
	if err := Follow(strings.NewReader(whole), Of(screen.New(&out, false), tty)); err != nil || !strings.HasSuffix(errs.String(), "\r\x1b[K") || out.String() != "Installed x (100 B).\n" {
		t.Errorf("%v, %q, %q", err, errs.String(), out.String())
	}
	errs.Reset()
	out.Reset()
	for _, errs := range []*screen.Screen{screen.New(&errs, false), tty} {
		if err := Follow(strings.NewReader(same), Of(screen.New(&out, false), errs)); err != nil {
			t.Error(err)
		}
	}
	if want := "x is already up to date (100 B).\n"; out.String() != want+want || !strings.HasPrefix(errs.String(), current+"\n") {
		t.Errorf("%q and %q", errs.String(), out.String())
	}
	for in, want := range map[string]string{
		`{"status":"pulling"}`: ErrCutOff.Error(), "<p>": ErrCutOff.Error(),
		`{"error":{"code":"bad_model","message":"It is broken."}}`: "It is broken.",
	} {
		if err := Follow(strings.NewReader(in), JSON{&out}); err == nil || err.Error() != want && core.AsError(err).Message != want {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func FuzzPull(f *testing.F) {
	f.Add(`{"status":"pulling","total":9,"completed":3}` + "\n" + `{"status":"success","model":{"name":"x"}}`)
	f.Add(`{"error":{"message":"m","code":"bad_model"}}`)
	f.Fuzz(func(t *testing.T, in string) {
		out := screen.New(&strings.Builder{}, false)
		_ = Follow(strings.NewReader(in), Of(out, out))
		b := &bar{out: out, err: out, now: time.Now}
		err := Follow(strings.NewReader(in), b)
		if err == nil && !strings.Contains(in, "odel") {
			t.Errorf("%q counts as done", in)
		}
	})
}
