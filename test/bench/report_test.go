package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/test/bench/load"
)

// given are two rounds of three contestants.
func given() []turn {
	mk := func(who string, ttft, rate float64, errs int) turn {
		t := turn{Contestant: who, Load: "0.5", Figures: map[string]float64{startSeconds: ttft / 100}, Work: []load.Summary{
			{Name: "decode-1", TTFT: ttft, Rate: rate, Measured: true, Requests: 2, Errors: errs, FirstError: "gone"},
			{Name: "busy-core-1", Measured: true},
			{Name: "copy-editing", Rate: rate, Measured: true, Overlap: 0.97},
			{Name: "schemas", Rate: 2 * rate, Measured: true, Overlap: 0.9},
			{Name: "restart-after", TTFT: ttft, Cached: 1400},
		}}
		if who == oursName {
			t.Work[1].Rate = 100
			t.Figures[frontCPU+"1"] = 30
		}
		return t
	}
	return []turn{
		mk(oursName, 90, 150, 0), mk(peerName, 200, 100, 0), mk(specName, 200, 160, 0),
		mk(oursName, 110, 152, 1), mk(peerName, 202, 100, 0), mk(specName, 200, 160, 0),
	}
}

func TestMarkdown(t *testing.T) {
	o := options{model: "/x/model.gguf", rounds: 2, targets: true}
	got := newReport(o, given()).markdown(true)
	for _, want := range []string{
		"| decode, 1 stream | tokens/s | 151 | 100 | 1.51 | ≥ 1 | yes |",
		"| same prefix after a restart | first token, ms | 100 (90.0–110) | 201 | 0.50 | ≤ 0.1 | no |",
		"| one core kept busy by another process, 1 stream | tokens/s | 100 | 0.00 | ∞ | ≥ 4 | yes |",
		"| copy-editing, 1 stream | tokens/s | 151 | 100 | 1.51 | ≥ 1.5 | yes |",
		"| copy-editing, 1 stream, beside its best speculation | tokens/s | 151 | 160 | 0.94 | ≥ 1 | no |",
		"| ten everyday schemas, 1 stream | tokens/s | 302 | 200 | 1.51 | ≥ 1.5 | yes |",
		"answers are whole, the others cut by the limit of tokens: ashatai 90.0, llama-server 90.0",
		"| front process, 1 stream | CPU per streamed token, µs | 30.0 | – |  | ≤ 25 µs | no |",
		"| first start | first answer after, s | 1.00 (0.90–1.10) | 2.01 | 0.50 | | |",
		"in the text that was to be repeated: ashatai 97.0, llama-server 97.0",
		"had not to be computed: ashatai 1400",
		"decode-1: 1 of 2 requests failed, the first with: gone.",
		"| decode-1 | first token, ms | 100 (90.0–110) | 201 |",
		"model.gguf, 2 rounds",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks\n%s\nit is\n%s", want, got)
		}
	}
	for _, absent := range []string{"decode, 4 streams", "longest gap", "NaN"} {
		if strings.Contains(got, absent) {
			t.Errorf("a figure that nobody measured is shown: %s", absent)
		}
	}
	if got := newReport(options{}, given()).markdown(false); strings.Contains(got, "target") {
		t.Error("targets are shown that nobody asked for")
	}
}

// TestOneContestant shows figures without ratios: a look at one server alone.
func TestOneContestant(t *testing.T) {
	var alone []turn
	for _, x := range given() {
		if x.Contestant == oursName {
			alone = append(alone, x)
		}
	}
	got := newReport(options{targets: true}, alone).markdown(true)
	if !strings.Contains(got, "| decode, 1 stream | tokens/s | 151 | – |  | ≥ 1 | – |") {
		t.Error(got)
	}
}

func TestJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.json")
	if err := newReport(options{targets: true}, given()).write(file); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Rows) == 0 || len(back.Turns) != 6 || back.Rows[0].Ratio == nil || back.Rows[0].Met == nil || !*back.Rows[0].Met {
		t.Errorf("%s", b)
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

func TestOptions(t *testing.T) {
	good := options{ours: "/nonexistent/ashatai", peer: "y", model: "z", rounds: 1}
	for name, change := range map[string]func(*options){
		"no programs":   func(o *options) { o.ours = "" },
		"no round":      func(o *options) { o.rounds = 0 },
		"unknown work":  func(o *options) { o.only = []string{"dekode"} },
		"unknown guest": func(o *options) { o.who = []string{"me"} },
	} {
		o := good
		change(&o)
		if err := run(t.Context(), o, io.Discard); err == nil || strings.Contains(err.Error(), "nonexistent") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := run(t.Context(), good, io.Discard); err == nil || !strings.Contains(err.Error(), "ashatai") {
		t.Errorf("a missing server: %v", err)
	}
}

func TestContestants(t *testing.T) {
	names := func(o options) string {
		var out []string
		for _, c := range contestants(o) {
			out = append(out, c.name)
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct {
		o    options
		want string
	}{
		{options{}, "ours best peer speculating"},
		{options{only: []string{"decode"}}, "ours best peer"},
		{options{only: []string{"edit"}, who: []string{"speculating"}}, "speculating"},
		{options{who: []string{"ours"}}, "ours"},
	} {
		if got := names(c.o); got != c.want {
			t.Errorf("%+v: %s, want %s", c.o, got, c.want)
		}
	}
	got := strings.Join(contestants(options{sets: []string{"a=b"}})[0].args("127.0.0.1:1", "/h"), " ")
	if !strings.Contains(got, "--set a=b") || !strings.Contains(got, "--home /h") {
		t.Error(got)
	}
}
