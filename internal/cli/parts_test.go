package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ashatai/internal/cli/sse"
)

func TestSizesAndCounts(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1 kB", 1234: "1.23 kB", 12_345: "12.3 kB", 999_499: "999 kB", 999_500: "1.00 MB",
		91_739_424: "91.7 MB", 4_000_000_000: "4 GB", 5_500_000_000_000_000: "5.50 PB", -1: "?",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "-", 500: "500", 134_515_008: "135M", 1_540_000_000: "1.54B", 70_000_000_000: "70B"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for want, d := range map[string]time.Duration{
		"just now": 0, "in 1 second": -1500 * time.Millisecond, "2 seconds ago": 2 * time.Second, "1 minute ago": 90 * time.Second,
		"in 5 minutes": -5 * time.Minute, "3 hours ago": 3 * time.Hour, "1 day ago": 25 * time.Hour, "1 week ago": 8 * day,
		"2 months ago": 70 * day, "2 years ago": 800 * day,
	} {
		if got := ago(now.Add(-d), now); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if got := ago(time.Time{}, now); got != "-" {
		t.Errorf("never: %q", got)
	}
}

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
				_ = parseError(data, 500)
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

func TestKeys(t *testing.T) {
	k := &keys{in: strings.NewReader("ab\x03\x03cd")}
	p := make([]byte, 10)
	for _, want := range []struct {
		text string
		err  error
	}{{"ab", nil}, {"", errInterrupt}, {"", errInterrupt}, {"cd", nil}} {
		n, err := k.Read(p)
		if string(p[:n]) != want.text || !errors.Is(err, want.err) {
			t.Errorf("%q, %v; want %q, %v", p[:n], err, want.text, want.err)
		}
	}
	if _, err := k.Read(p); err == nil {
		t.Error("no end")
	}
}
