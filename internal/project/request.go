package project

import (
	"fmt"
	"strings"

	"ashatai/internal/core"
)

// request asks the model for the project.
func (s *Service) request(spec Spec, lang language) *core.Request {
	// A low temperature keeps code well-formed, a light penalty keeps a small model from writing one line for ever.
	temperature, penalty, window := 0.3, 1.1, 256
	return &core.Request{
		ID:        spec.ID,
		Principal: spec.Principal,
		Model:     spec.Model,
		Messages: []core.Message{
			// No example of the shape: a very small model copies it, and the grammar holds the shape anyway.
			{Role: core.RoleSystem, Content: "You are an expert " + lang.title + " programmer. You write complete, working source files and put them into JSON."},
			{Role: core.RoleUser, Content: instructions(spec, lang)},
		},
		Sampling:  core.Sampling{Temperature: &temperature, RepeatPenalty: &penalty, RepeatLastN: &window},
		MaxTokens: s.cfg.MaxTokens,
		Choices:   1,
		Format:    core.Format{Kind: core.FormatGBNF, Source: grammar(lang, s.size(spec))},
		Timeout:   s.cfg.Timeout,
	}
}

func instructions(spec Spec, lang language) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Write a small %s project in %s: %s\n", spec.Type, lang.title, spec.Description)
	fmt.Fprintf(&b, "Use at most %d files.", min(spec.MaxFiles, 5))
	if spec.IncludeComments {
		b.WriteString(" Comment the code.")
	} else {
		b.WriteString(" Write no comments.")
	}
	if spec.IncludeTests {
		b.WriteString(" Include tests.")
	} else {
		b.WriteString(" Write no tests.")
	}
	if spec.IncludeReadme {
		b.WriteString(" Include README.md.")
	}
	return b.String()
}

// size bounds what the grammar lets through.
type size struct{ files, lines, columns int }

func (s *Service) size(spec Spec) size {
	z := size{files: spec.MaxFiles, columns: min(s.cfg.Columns, spec.MaxFileBytes)}
	z.lines = min(s.cfg.Lines, max(1, spec.MaxFileBytes/(z.columns+1)))
	return z
}

// fewFiles is up to how many files the grammar counts itself. Counting costs it a rule each; a larger limit is enforced
// when the answer is read.
const fewFiles = 16

// fewLines is how many lines the first file has at least. Without this a very small model is content with its name.
const fewLines = 6

// grammar is the answer's shape in GBNF. Nothing in it is optional that need not be: no white space, a fixed order, at
// least one file, the first one in the project's language. A file's content is a bounded number of bounded lines, which
// makes a model that repeats itself reach the end of the file; counting single characters up to the same size would take
// thousands of rules where this takes dozens.
func grammar(lang language, z size) string {
	more := "*"
	if z.files <= fewFiles {
		more = fmt.Sprintf("{0,%d}", z.files-1)
	}
	rest := `("," file)` + more
	if z.files == 1 {
		rest = ""
	}
	return strings.Join([]string{
		`root ::= "{\"files\":[" first ` + rest + ` "]}"`,
		`first ::= "{\"path\":\"" dirs name main "\",\"content\":\"" source "\"}"`,
		`file ::= "{\"path\":\"" dirs name any "\",\"content\":\"" text "\"}"`,
		`dirs ::= (name "/"){0,3}`,
		`name ::= [A-Za-z0-9_] part`,
		`part ::= [A-Za-z0-9_-]{0,31}`,
		`main ::= ` + alternatives(lang.main),
		`any ::= ` + alternatives(append(append([]string{}, lang.main...), lang.more...)),
		`source ::= full lines-of-source`,
		fmt.Sprintf(`lines-of-source ::= ("\\n" line){%d,%d}`, min(fewLines, z.lines)-1, z.lines-1),
		`text ::= full lines`,
		fmt.Sprintf(`full ::= first-char char{0,%d}`, z.columns-1),
		fmt.Sprintf(`lines ::= ("\\n" line){0,%d}`, z.lines-1),
		fmt.Sprintf(`line ::= char{0,%d}`, z.columns),
		// Escapes are those that source text needs; a file has no other control characters.
		`first-char ::= [^"\\\x00-\x20\x7F]`, // a file that is only white space would be dropped
		`char ::= [^"\\\x00-\x1F\x7F] | "\\" ["\\/t]`,
		"",
	}, "\n")
}

func alternatives(extensions []string) string {
	quoted := make([]string, len(extensions))
	for i, e := range extensions {
		quoted[i] = `".` + e + `"`
	}
	return strings.Join(quoted, " | ")
}
