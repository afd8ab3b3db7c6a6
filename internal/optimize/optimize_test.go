package optimize_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/optimize"
)

var own = strings.Repeat("ab", 32)

func model() *core.Manifest {
	return &core.Manifest{Name: "m:latest", Digest: own, Parameters: 1000, Files: []core.File{{Name: "m.gguf", Size: 5000}}, Capabilities: []core.Capability{core.CapGenerate}}
}

// maker writes the type's name as the file, and answers with what the test prepared.
type maker struct {
	found map[string]engine.Variant
	fail  map[string]error
	wait  chan struct{} // closed when a variant began that waits for the end of its context
}

func (f *maker) Variant(ctx context.Context, spec engine.VariantSpec, step func(string, float64)) (engine.Variant, error) {
	if spec.Load.Scratch != "" || spec.MaxDivergence != optimize.MaxDivergence {
		return engine.Variant{}, errors.New("the specification is wrong")
	}
	if err := os.WriteFile(spec.Out, []byte("weights "+spec.Type), 0o600); err != nil {
		return engine.Variant{}, err
	}
	step("making", 1)
	if f.wait != nil {
		close(f.wait)
		<-ctx.Done()
		return engine.Variant{}, ctx.Err()
	}
	v := f.found[spec.Type]
	v.Type, v.Release = spec.Type, "r1"
	return v, f.fail[spec.Type]
}

func speeds(ratios ...float64) []engine.WorkSpeed {
	var s []engine.WorkSpeed
	for _, r := range ratios {
		s = append(s, engine.WorkSpeed{Work: "w", AsIs: 100, New: 100 * r, Ratio: r, Pairs: 5})
	}
	return s
}

func open(t *testing.T, dir string) *optimize.Service {
	t.Helper()
	s, err := optimize.Open(t.Context(), optimize.Config{Dir: dir, Machine: "here", Now: func() time.Time { return time.Unix(1, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func target(f *maker, types ...string) optimize.Target {
	return optimize.Target{Model: model(), Load: engine.LoadSpec{Path: "/m.gguf", Scratch: "/s"}, Maker: f, Types: types}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, strings.ReplaceAll(e.Name(), own, "D"))
	}
	return strings.Join(out, " ")
}

func TestTheBestIsKeptAndUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "o")
	s := open(t, dir)
	f := &maker{found: map[string]engine.Variant{
		"exact": {Speeds: speeds(2, 1)}, "better": {Divergence: 0.009, Speeds: speeds(1.5, 1.5)}, "far": {Divergence: 0.011, Speeds: speeds(9)},
		"slow": {Speeds: speeds(3, 0.96)}, "vain": {Speeds: speeds(1.05, 1)}, "none": {}, "big": {Refused: "no room"},
	}, fail: map[string]error{"broken": core.Errorf(core.CodeDiskFull, "Full.")}}
	var trials, steps int
	rec, err := s.Run(t.Context(), target(f, "broken", "exact", "better", "far", "slow", "vain", "none", "big"), func(p optimize.Progress) {
		steps++
		if p.Trial != nil {
			trials++
		}
	})
	if err != nil || trials != 8 || steps < 16 {
		t.Fatal(err, trials, steps)
	}
	sum := sha256.Sum256([]byte("weights better"))
	if rec.Winner == nil || rec.Winner.Type != "better" || rec.Winner.SHA256 != hex.EncodeToString(sum[:]) || rec.Machine != "here" || rec.Release != "r1" {
		t.Fatalf("%+v", rec)
	}
	for i, want := range []string{"Full.", "", "", "differ too much", "w is slower", "gain is too small", "no speed", "no room"} {
		if got := rec.Trials[i].Refused; got != want && (want == "" || !strings.Contains(got, want)) {
			t.Errorf("%s: %q", rec.Trials[i].Type, got)
		}
	}
	if got := names(t, dir); got != "D-better.gguf D.json" {
		t.Error(got)
	}
	if best, ok := optimize.Best(rec.Trial()); !ok || best.Ratio != 1.5 {
		t.Error(best, ok)
	}
	// A start later everything is as it was, and what is not named is gone.
	for _, n := range []string{"job-1/x", "1.new", own + "-old.gguf"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(n)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir)
	if got := names(t, dir); got != "D-better.gguf D.json" {
		t.Error(got)
	}
	for _, want := range []string{"auto", "better"} {
		w, why := s.Use(t.Context(), model(), want)
		if w == nil || why != "" || w.SHA256 != rec.Winner.SHA256 || filepath.Base(w.Path) != rec.Winner.Name || w.Size != 14 {
			t.Errorf("%s: %+v %q", want, w, why)
		}
	}
	if w, why := s.Use(t.Context(), model(), "as-is"); w != nil || why != "" {
		t.Error(w, why)
	}
	if w, why := s.Use(t.Context(), model(), "exact"); w != nil || !strings.Contains(why, "instead of exact") {
		t.Error(w, why)
	}
	s.Forget(t.Context(), own)
	if got := names(t, dir); got != "" || s.Record(own) != nil {
		t.Error(got)
	}
	if w, why := s.Use(t.Context(), model(), "auto"); w != nil || !strings.Contains(why, "ashatai optimize m:latest") {
		t.Error(w, why)
	}
	s.Forget(t.Context(), "../x")
}

// A file that is not the one that was written down is not used, and the reason is told.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	f := &maker{found: map[string]engine.Variant{"q": {Speeds: speeds(2)}}}
	rec, err := s.Run(t.Context(), target(f, "q"), func(optimize.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, rec.Winner.Name)
	if w, why := s.Use(t.Context(), model(), "auto"); w == nil {
		t.Fatal(why)
	}
	change := func(text string) {
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Unix(int64(len(text)), 5)); err != nil {
			t.Fatal(err)
		}
	}
	change("Weights q")
	if w, why := s.Use(t.Context(), model(), "auto"); w != nil || !strings.Contains(why, "damaged") {
		t.Error(w, why)
	}
	change("weights")
	if w, why := s.Use(t.Context(), model(), "auto"); w != nil || !strings.Contains(why, "damaged") {
		t.Error(w, why)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if w, why := s.Use(t.Context(), model(), "auto"); w != nil || !strings.Contains(why, "gone") {
		t.Error(w, why)
	}
	record := filepath.Join(dir, own+".json")
	good, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "{", strings.ReplaceAll(string(good), own+"-q", "../../x"), strings.Replace(string(good), own, strings.Repeat("cd", 32), 1)} {
		if err := os.WriteFile(record, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if open(t, dir).Record(own) != nil {
			t.Errorf("%.60s is taken", bad)
		}
	}
}

func TestBestAsItIs(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	f := &maker{found: map[string]engine.Variant{"q": {Speeds: speeds(2)}}}
	if _, err := s.Run(t.Context(), target(f, "q"), func(optimize.Progress) {}); err != nil {
		t.Fatal(err)
	}
	f.found["q"] = engine.Variant{Divergence: 1}
	rec, err := s.Run(t.Context(), target(f, "q"), func(optimize.Progress) {})
	if err != nil || rec.Winner != nil || rec.Trial() != nil {
		t.Fatal(rec, err)
	}
	if got := names(t, dir); got != "D.json" { // the earlier winner lost its place
		t.Error(got)
	}
	if w, why := s.Use(t.Context(), model(), "auto"); w != nil || why != "" {
		t.Error(w, why)
	}
	if _, ok := optimize.Best(rec.Trial()); ok {
		t.Error("a best of nothing")
	}
}

func TestEndingLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	f := &maker{wait: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Run(ctx, target(f, "q", "r"), func(optimize.Progress) {})
		ended <- err
	}()
	<-f.wait
	if !strings.HasPrefix(names(t, dir), "job-") {
		t.Error(names(t, dir))
	}
	if _, err := s.Run(t.Context(), target(f, "q"), func(optimize.Progress) {}); core.CodeOf(err) != core.CodeConflict {
		t.Error(err)
	}
	cancel()
	if err := <-ended; core.CodeOf(err) != core.CodeCancelled {
		t.Error(err)
	}
	if got := names(t, dir); got != "" || s.Record(own) != nil {
		t.Error(got)
	}
}

func TestRefusals(t *testing.T) {
	s := open(t, t.TempDir())
	f := &maker{fail: map[string]error{"q": core.Errorf(core.CodeBadModel, "Bad.")}}
	noText, small, nobody := target(f, "q"), target(f, "q"), target(f, "q")
	noText.Model.Capabilities = []core.Capability{core.CapEmbed}
	small.Free = 1 << 20
	nobody.Maker = nil
	for _, c := range []struct {
		t    optimize.Target
		want core.Code
	}{
		{noText, core.CodeUnsupported},
		{nobody, core.CodeUnsupported},
		{target(f), core.CodeUnsupported},
		{small, core.CodeOutOfMemory},
		{target(f, "q"), core.CodeBadModel},
	} {
		if _, err := s.Run(t.Context(), c.t, func(optimize.Progress) {}); core.CodeOf(err) != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := optimize.Open(t.Context(), optimize.Config{Dir: filepath.Join(blocked, "x")}); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
}

func TestStopEndsARun(t *testing.T) {
	s := open(t, t.TempDir())
	f := &maker{wait: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		_, err := s.Run(t.Context(), target(f, "q"), func(optimize.Progress) {})
		ended <- err
	}()
	<-f.wait
	s.Stop()
	if err := <-ended; core.CodeOf(err) != core.CodeDraining {
		t.Error(err)
	}
	f.wait = nil
	if _, err := s.Run(t.Context(), target(f, "q"), func(optimize.Progress) {}); core.CodeOf(err) != core.CodeDraining {
		t.Error(err)
	}
}
