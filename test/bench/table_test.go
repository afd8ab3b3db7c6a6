package main

import (
	"strings"
	"testing"
)

func TestMarkdown(t *testing.T) {
	one := func(ttft, steady float64, errs int) turn {
		return turn{Phases: []phase{{Name: "decode-1", TTFT: ttft, Steady: steady, Errors: errs}}, rss: 400, ready: 1}
	}
	got := markdown([]turn{one(90, 150, 0), one(100, 151, 1), one(110, 152, 0)}, []turn{one(200, 100, 0), one(201, 100, 0), one(202, 100, 0)})
	for _, want := range []string{
		"| decode-1 | first token, ms | 100 (90.0–110) | 201 | 0.50 | less |",
		"| decode-1 | tokens/s, steady | 151 | 100 | 1.51 | more |",
		"| decode-1 | failed requests | 1 | 0 | | less |",
		"| the whole run | memory at its end, MiB | 400 | 400 | 1.00 | less |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks\n%s\nit is\n%s", want, got)
		}
	}
	if strings.Contains(got, "longest gap") {
		t.Error("a figure that nobody measured has a row")
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestRunNeedsItsFiles(t *testing.T) {
	if err := run(t.Context(), options{rounds: 1}); err == nil {
		t.Error("no error without files")
	}
	if err := run(t.Context(), options{load: "x", ours: "/nonexistent/ashatai", peer: "y", model: "z", rounds: 1}); err == nil || !strings.Contains(err.Error(), "ashatai") {
		t.Errorf("a missing server: %v", err)
	}
}
