package cli

import (
	"strings"
	"testing"
	"time"

	"ashatai/internal/cli/failure"
	"ashatai/internal/cli/sse"
)

func TestLeaves(t *testing.T) {
	now := time.Now()
	later := now.Add(time.Hour)
	for want, i := range map[string]instance{
		"never (pinned)": {Pinned: true, ExpiresAt: &now}, "not while busy": {}, "now": {ExpiresAt: &now}, "in 1 hour": {ExpiresAt: &later},
	} {
		if got := leaves(i, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestServerURL(t *testing.T) {
	for in, want := range map[string]string{
		"localhost:7077": "http://localhost:7077", "http://h/": "http://h", "https://h:1/base/": "https://h:1/base", "[::1]:7": "http://[::1]:7",
	} {
		if got, err := serverURL(in); err != nil || got != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "http://", "ftp://x", "http://u:p@h", "http://h?x=1", "http://h#x", "http://[x", "unix:///s"} {
		if got, err := serverURL(in); err == nil {
			t.Errorf("%q became %q", in, got)
		}
	}
	for base, want := range map[string]bool{"http://localhost:1": true, "http://127.0.0.2": true, "http://[::1]:1": true, "http://h": false, "http://192.0.2.1": false, "%": false} {
		if got := (&client{base: base}).local(); got != want {
			t.Errorf("%s is local: %v", base, got)
		}
	}
}

func TestModelAndPrompt(t *testing.T) {
	for _, c := range []struct {
		args          []string
		model, prompt string
	}{
		{nil, "", ""},
		{[]string{"m"}, "m", ""},
		{[]string{"m", "a", "b c"}, "m", "a b c"},
		{[]string{"why is it so"}, "", "why is it so"},
		{[]string{"why is", "it so"}, "", "why is it so"},
		{[]string{"", "hi"}, "", "hi"},
	} {
		if m, p := modelAndPrompt(c.args); m != c.model || p != c.prompt {
			t.Errorf("%q: %q and %q", c.args, m, p)
		}
	}
}

func TestPlain(t *testing.T) {
	if got := plain("a\x1b[31mb\rc\td\n\u009be\u202ef\x00é"); got != "a\uFFFD[31mb\uFFFDc\td\n\uFFFDe\uFFFDf\uFFFDé" {
		t.Errorf("%q", got)
	}
	var b strings.Builder
	s := &screen{w: &b, terminal: true}
	if err := s.text("\x1b]0;title\a"); err != nil || strings.ContainsAny(b.String(), "\x1b\a") {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	s.terminal = false
	if err := s.text("\x1b[0m"); err != nil || b.String() != "\x1b[0m" {
		t.Errorf("a file gets %q, %v", b.String(), err)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("data: x\n\n")
	f.Add(": c\r\ndata\ndata: \n\n\n")
	f.Fuzz(func(t *testing.T, in string) {
		for data, err := range sse.Events(strings.NewReader(in)) {
			if err == nil && len(data) > len(in) {
				t.Errorf("%d bytes of %d", len(data), len(in))
			}
			if err == nil {
				_, _ = new(chatReply).take(data)
				_ = failure.Parse(data, 500)
			}
		}
	})
}

func FuzzPull(f *testing.F) {
	f.Add(`{"status":"pulling","total":9,"completed":3}` + "\n" + `{"status":"success","model":{"name":"x"}}`)
	f.Add(`{"error":{"message":"m","code":"bad_model"}}`)
	f.Fuzz(func(t *testing.T, in string) {
		a := newApp(Deps{Stdout: &strings.Builder{}, Stderr: &strings.Builder{}})
		_ = follow(strings.NewReader(in), &progressLines{a: a})
		bar := &progressBar{a: a, now: time.Now}
		err := follow(strings.NewReader(in), bar)
		if err == nil && !strings.Contains(in, "odel") {
			t.Errorf("%q counts as done", in)
		}
	})
}

func TestProgressBar(t *testing.T) {
	var b strings.Builder
	now := time.Unix(1000, 0)
	bar := &progressBar{a: &app{out: newScreen(nil, false), err: newScreen(&b, false)}, now: func() time.Time { return now }}
	bar.step(pullProgress{Status: "pulling"}, nil)
	bar.step(pullProgress{Status: "pulling", Total: 1000, Completed: 500}, nil) // resumed: no speed yet
	b.Reset()
	now = now.Add(10 * time.Second)
	bar.step(pullProgress{Status: "pulling", Total: 1000, Completed: 600}, nil)
	want := "\rpulling  [##################............]  60%  600 B of 1 kB  10 B/s  40s left\x1b[K"
	if b.String() != want {
		t.Errorf("drew %q, want %q", b.String(), want)
	}
	for width := range 90 {
		if n := len([]rune(bar.line(pullProgress{Status: "pulling", Total: 1000, Completed: 2000}, time.Minute, width))); n > max(width-1, 0) {
			t.Errorf("%d columns on a terminal of %d", n, width)
		}
	}
	bar.end(false)
	if !strings.HasSuffix(b.String(), "\n") {
		t.Error("an unfinished bar keeps the line")
	}
}

func TestCommandWords(t *testing.T) {
	for line, want := range map[string]string{"/bye": "/bye", "/system a b": "/system", "/": "/", "/etc/passwd": "", "/A": "", "x /bye": "", "/x1": ""} {
		if word, _, _ := command(line); word != want {
			t.Errorf("%q: %q, want %q", line, word, want)
		}
	}
}
