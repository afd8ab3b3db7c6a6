package enginetest

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

func runtimeCases() []testCase {
	return []testCase{
		{"descriptor is sane", descriptorIsSane},
		{"probe answers", probeAnswers},
		{"a bad file is a bad model", badFile},
		{"a missing file is an error", missingFile},
		{"an unknown option is refused", unknownOption},
		{"a load can be cancelled", loadCancelled},
	}
}

// closeCases close the model.
func closeCases() []testCase {
	return []testCase{
		{"close ends what runs", closeWhileRunning},
		{"close may come twice", closeTwice},
		{"a closed model refuses", closedRefuses},
	}
}

func descriptorIsSane(t *testing.T, s *suite) {
	t.Helper()
	d := s.rt.Descriptor()
	if d.Name == "" || d.Title == "" || len(d.Formats) == 0 || len(d.Capabilities) == 0 || len(d.Devices) == 0 || d.Cost <= 0 {
		t.Errorf("something is missing in %+v", d)
	}
	if again := s.rt.Descriptor(); again.Name != d.Name || !slices.Equal(again.Formats, d.Formats) {
		t.Error("the descriptor changes")
	}
}

func probeAnswers(t *testing.T, s *suite) {
	t.Helper()
	st := s.rt.Probe(t.Context())
	if !st.Ready || st.Missing != "" || st.Version == "" {
		t.Errorf("not ready: %+v", st)
	}
}

func loadTellsProgress(t *testing.T, s *suite) {
	t.Helper()
	if p := s.progress; len(p) == 0 || !slices.IsSorted(p) || p[0] < 0 || p[len(p)-1] > 1 {
		t.Errorf("the progress was %v", p)
	}
	f := s.m.Facts()
	if f.Runtime != s.rt.Descriptor().Name || f.Device == "" || f.Context < 1 || f.Sequences < sequences || f.Batch < 1 || !s.opt.Elsewhere && (f.Threads < 1 || f.Vocabulary < 2) {
		t.Errorf("facts %+v", f)
	}
	if s.opt.Elsewhere != (f.Memory.Total() == 0) || !s.opt.Elsewhere && f.Memory.Weights <= 0 {
		t.Errorf("memory %+v", f.Memory)
	}
	for _, c := range f.Capabilities {
		if !slices.Contains(s.rt.Descriptor().Capabilities, c) {
			t.Errorf("the model can %s, which the descriptor does not claim", c)
		}
	}
	if !slices.Contains(f.Capabilities, core.CapGenerate) {
		t.Errorf("capabilities %v", f.Capabilities)
	}
}

func wantCode(t *testing.T, err error, codes ...core.Code) {
	t.Helper()
	if err == nil {
		t.Errorf("it succeeded; want %v", codes)
		return
	}
	if e := core.AsError(err); !slices.Contains(codes, e.Code) || e.Message == "" {
		t.Errorf("got %v, want %v", err, codes)
	}
}

func refused(t *testing.T, s *suite, spec engine.LoadSpec, codes ...core.Code) {
	t.Helper()
	m, err := s.rt.Load(t.Context(), spec, nil)
	if err == nil {
		shut(t, m)
	}
	wantCode(t, err, codes...)
}

func badFile(t *testing.T, s *suite) {
	t.Helper()
	spec := s.opt.Spec
	spec.Path = s.opt.BadFile
	refused(t, s, spec, core.CodeBadModel)
}

func missingFile(t *testing.T, s *suite) {
	t.Helper()
	spec := s.opt.Spec
	spec.Path = filepath.Join(t.TempDir(), "missing")
	refused(t, s, spec, core.CodeBadModel, core.CodeNotFound)
}

func unknownOption(t *testing.T, s *suite) {
	t.Helper()
	spec := s.opt.Spec
	spec.Options = map[string]string{"no_such_option": "1"}
	refused(t, s, spec, core.CodeInvalidRequest)
}

func loadCancelled(t *testing.T, s *suite) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m, err := s.rt.Load(ctx, s.opt.Spec, nil)
	if err == nil {
		shut(t, m)
	}
	wantCode(t, err, core.CodeCancelled)
}

func closeTwice(t *testing.T, s *suite) {
	t.Helper()
	s.within(t, "close", func() {
		shut(t, s.m) // it is closed already, but where this case runs alone
		shut(t, s.m)
	})
}

func closeWhileRunning(t *testing.T, s *suite) {
	t.Helper()
	events, err := as[engine.Generator](t, s).Generate(t.Context(), s.request(0))
	if err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		var last error
		n := 0
		for _, err := range events {
			last = err
			if n++; n == 1 {
				close(started)
			}
		}
		ended <- last
	}()
	<-started
	s.within(t, "close", func() { shut(t, s.m) })
	s.within(t, "the running request", func() {
		// A fast model may have filled its context before the close.
		if err := <-ended; err != nil {
			wantCode(t, err, core.CodeUnavailable, core.CodeCancelled, core.CodeDraining)
		}
	})
}

func closedRefuses(t *testing.T, s *suite) {
	t.Helper()
	shut(t, s.m)
	s.within(t, "a request to a closed model", func() {
		_, err := as[engine.Generator](t, s).Generate(t.Context(), s.request(1))
		wantCode(t, err, core.CodeUnavailable)
		_, err = as[engine.Tokenizer](t, s).Tokenize(t.Context(), text("x"))
		wantCode(t, err, core.CodeUnavailable)
	})
}
