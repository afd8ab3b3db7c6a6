package project

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ashatai/internal/core"
)

// Generator makes text.
type Generator interface {
	Generate(ctx context.Context, req *core.Request) (*core.Stream, error)
}

// Spec says what to write. Empty texts and zero numbers mean the defaults.
type Spec struct {
	ID              string
	Principal       core.Principal
	Description     string
	Type            string // "console" when empty
	Language        string // "csharp" when empty
	Model           string // empty: the default chat model
	IncludeComments bool
	IncludeTests    bool
	IncludeReadme   bool
	MaxFiles        int // 1 to 1,000; 0: 50
	MaxFileBytes    int // 1 to 16 MiB; 0: 1 MiB
}

// Result is what was written.
type Result struct {
	Files    map[string]string // relative path with '/' → content
	Model    string            // canonical name of the model
	Type     string
	Language string
	Warnings []string // what was added or dropped, in words; never nil
}

// Config holds the sizes that suit the server's models. Zero numbers mean the defaults, which suit a very small model.
type Config struct {
	MaxTokens int           // of the whole answer; 3,072
	Lines     int           // of one file; 60
	Columns   int           // characters of one line; 120
	Timeout   time.Duration // of the whole answer; 0: the server's limit
}

// Bounds and defaults of a Spec.
const (
	maxDescription = 16 << 10
	maxWord        = 64 // bytes of a project type or a language

	defaultFiles     = 50
	maxFiles         = 1000
	defaultFileBytes = 1 << 20
	maxFileBytes     = 16 << 20

	defaultTokens  = 3072
	defaultLines   = 60
	defaultColumns = 120

	// maxAnswer bounds the memory that one answer takes, whatever the model does.
	maxAnswer = 64 << 20
)

// Service makes projects. It holds no state that changes.
type Service struct {
	gen Generator
	cfg Config
}

// New makes a Service.
func New(gen Generator, cfg Config) *Service {
	if cfg.MaxTokens <= 0 {
		cfg.MaxTokens = defaultTokens
	}
	if cfg.Lines <= 0 {
		cfg.Lines = defaultLines
	}
	if cfg.Columns <= 0 {
		cfg.Columns = defaultColumns
	}
	return &Service{gen: gen, cfg: cfg}
}

// Make has the model write the project. Errors: CodeInvalidRequest for a Spec out of bounds, CodeUnsupported when the
// model wrote no file that can be kept, and whatever the generator says.
func (s *Service) Make(ctx context.Context, spec Spec) (*Result, error) {
	spec, err := spec.checked()
	if err != nil {
		return nil, err
	}
	lang, known := languageOf(spec.Language)
	out := &Result{Files: map[string]string{}, Type: spec.Type, Language: spec.Language, Warnings: []string{}}
	if !known {
		out.warn("The language %q is not one that the server knows; files of every allowed extension were accepted.", spec.Language)
	}
	stream, err := s.gen.Generate(ctx, s.request(spec, lang))
	if err != nil {
		return nil, err
	}
	out.Model = stream.Placement.Model
	text, finish, err := read(stream)
	if err != nil {
		return nil, err
	}
	files, whole := parse(text)
	keep(out, spec, files)
	if !whole {
		out.warn("The answer ended before it was complete (%s); the file it was writing was dropped.", ending(finish))
	}
	if len(out.Files) == 0 {
		return nil, core.Errorf(core.CodeUnsupported, "The model %s wrote no file that can be kept. Try again, describe the project in fewer words, or use a larger model. %s",
			out.Model, strings.Join(out.Warnings, " "))
	}
	if spec.IncludeReadme {
		addReadme(out, spec)
	}
	return out, nil
}

func (r *Result) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

func ending(finish core.FinishReason) string {
	if finish == core.FinishLength {
		return "its length limit was reached"
	}
	return "the model stopped"
}

func (s Spec) checked() (Spec, error) {
	s.Description = strings.TrimSpace(s.Description)
	if s.Description == "" {
		return s, core.Invalid("projectDescription", "Project description is required")
	}
	if len(s.Description) > maxDescription {
		return s, core.Invalid("projectDescription", "The project description has %d bytes; at most %d are allowed.", len(s.Description), maxDescription)
	}
	for _, w := range []struct {
		name, absent string
		v            *string
	}{{"projectType", "console", &s.Type}, {"language", "csharp", &s.Language}} {
		*w.v = strings.TrimSpace(*w.v)
		if *w.v == "" {
			*w.v = w.absent
		}
		if len(*w.v) > maxWord || strings.ContainsFunc(*w.v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return s, core.Invalid(w.name, "%s must be a short word on one line, of at most %d bytes.", w.name, maxWord)
		}
	}
	for _, n := range []struct {
		name       string
		absent, hi int
		v          *int
	}{{"options.maxFiles", defaultFiles, maxFiles, &s.MaxFiles}, {"options.maxFileSizeBytes", defaultFileBytes, maxFileBytes, &s.MaxFileBytes}} {
		if *n.v == 0 {
			*n.v = n.absent
		}
		if *n.v < 1 || *n.v > n.hi {
			return s, core.Invalid(n.name, "%s is %d; it must be between 1 and %d.", n.name, *n.v, n.hi)
		}
	}
	return s, nil
}

// read collects the answer, at most maxAnswer bytes of it.
func read(stream *core.Stream) (text string, finish core.FinishReason, err error) {
	var b strings.Builder
	for ev, err := range stream.Events {
		if err != nil {
			return "", "", err
		}
		b.WriteString(ev.Text)
		if ev.Finish != "" {
			finish = ev.Finish
		}
		if b.Len() > maxAnswer {
			return b.String(), core.FinishLength, nil
		}
	}
	if finish == "" {
		return "", "", core.Wrap(core.CodeInternal, errors.New("stream without a finish reason"), "The model's answer ended without a reason.")
	}
	return b.String(), finish, nil
}
