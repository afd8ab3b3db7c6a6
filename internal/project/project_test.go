package project

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ashatai/internal/core"
)

type fake struct {
	text   string
	finish core.FinishReason
	err    error // before the start
	late   error // in the stream
	got    *core.Request
}

func (f *fake) Generate(_ context.Context, req *core.Request) (*core.Stream, error) {
	f.got = req
	if f.err != nil {
		return nil, f.err
	}
	return &core.Stream{Placement: core.Placement{Model: "tiny:latest"}, Events: func(yield func(core.Event, error) bool) {
		for _, piece := range []string{f.text[:len(f.text)/2], f.text[len(f.text)/2:]} {
			if !yield(core.Event{Text: piece}, nil) {
				return
			}
		}
		if f.late != nil {
			yield(core.Event{}, f.late)
			return
		}
		if yield(core.Event{Finish: f.finish}, nil) {
			yield(core.Event{Usage: &core.Usage{}}, nil)
		}
	}}, nil
}

func make1(t *testing.T, text string, change ...func(*Spec)) (*Result, error) {
	t.Helper()
	spec := Spec{Description: "a clock", IncludeReadme: false}
	for _, c := range change {
		c(&spec)
	}
	return New(&fake{text: text, finish: core.FinishStop}, Config{}).Make(t.Context(), spec)
}

const whole = `{"files":[{"path":"Program.cs","content":"class P\n{\n}"},{"path":"src/Clock.cs","content":"// \"tick\""}]}`

func TestFilesComeFromTheModel(t *testing.T) {
	got, err := make1(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	want := &Result{
		Files: map[string]string{"Program.cs": "class P\n{\n}", "src/Clock.cs": `// "tick"`},
		Model: "tiny:latest", Type: "console", Language: "csharp", Warnings: []string{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestCutAnswers(t *testing.T) {
	f := &fake{text: `{"files":[{"path":"a.cs","content":"x"},{"path":"b.cs","content":"y`, finish: core.FinishLength}
	got, err := New(f, Config{}).Make(t.Context(), Spec{Description: "d"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a.cs": "x"}, got.Files); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"The answer ended before it was complete (its length limit was reached); the file it was writing was dropped."}, got.Warnings); diff != "" {
		t.Error(diff)
	}
	f.text = `{"files":[{"path":"a.cs","content":"x`
	if _, err = New(f, Config{}).Make(t.Context(), Spec{Description: "d"}); core.CodeOf(err) != core.CodeUnsupported || !strings.Contains(err.Error(), "length limit") {
		t.Error(err)
	}
}

// TestEveryCut cuts an answer at every byte: the files that are complete are kept, and nothing else is.
func TestEveryCut(t *testing.T) {
	for n := range len(whole) {
		files, ok := parse(whole[:n])
		want := strings.Count(whole[:n], "}") // none of the contents but the first's last byte, and the two files' ends
		if strings.Contains(whole[:n], `}"}`) {
			want--
		} else if strings.HasSuffix(whole[:n], `}`) || strings.HasSuffix(whole[:n], `}"`) {
			want = 0
		}
		if ok || len(files) != want {
			t.Errorf("%q: %d files, want %d (%v)", whole[:n], len(files), want, ok)
		}
	}
	if files, ok := parse(whole); !ok || len(files) != 2 {
		t.Error(files, ok)
	}
}

func TestTolerance(t *testing.T) {
	for text, want := range map[string]int{
		"Sure:\n```json\n" + whole + "\n```":                               2,
		`{"note":{"a":[1]},"files":[{"path":"a.cs","content":"x","z":1}]}`: 1,
		`{"files":[{"path":7}]}`:                                           0,
		`{"files":{}}`:                                                     0,
		`[]`:                                                               0,
		`{`:                                                                0,
		`{"a":`:                                                            0,
		`{"files":[],"files":[}`:                                           0,
		"":                                                                 0,
	} {
		if files, _ := parse(text); len(files) != want {
			t.Errorf("%q: %d files, want %d", text, len(files), want)
		}
	}
}

func TestWhatIsDropped(t *testing.T) {
	answer := func(files ...string) string { return `{"files":[` + strings.Join(files, ",") + `]}` }
	file := func(path, content string) string { return fmt.Sprintf(`{"path":%q,"content":%q}`, path, content) }
	for _, c := range []struct {
		name, text string
		change     func(*Spec)
		kept       []string
		warning    string
	}{
		{"escape", answer(file("a.cs", "x"), file("../b.cs", "x")), nil, []string{"a.cs"}, `Dropped "../b.cs": it leaves the project.`},
		{"duplicate", answer(file("a.cs", "x"), file("A.cs", "y")), nil, []string{"a.cs"}, "another file of this name"},
		{"file and folder", answer(file("a.cs", "x"), file("a.cs/b.cs", "y")), nil, []string{"a.cs"}, "a file and a folder of one name"},
		{"empty", answer(file("a.cs", "x"), file("b.cs", " \n")), nil, []string{"a.cs"}, "it is empty"},
		{"size", answer(file("a.cs", "x"), file("b.cs", "123456")), func(s *Spec) { s.MaxFileBytes = 5 }, []string{"a.cs"}, "it has 6 bytes, and maxFileSizeBytes is 5"},
		{"number", answer(file("a.cs", "x"), file("b.cs", "x")), func(s *Spec) { s.MaxFiles = 1 }, []string{"a.cs"}, "maxFiles is 1"},
		{"readme unwanted", answer(file("a.cs", "x"), file("README.md", "x")), nil, []string{"a.cs"}, "includeReadme is false"},
		{"renamed", answer(file(`src\\..a.cs`, "x"), file(`.\lib\b.cs`, "x")), nil, []string{"lib/b.cs"}, `Renamed ".\\lib\\b.cs" to "lib/b.cs".`},
		{"unknown language", answer(file("a.lua", "x")), func(s *Spec) { s.Language = "brainwave" }, []string{"a.lua"}, `The language "brainwave" is not one`},
		{"readme added", answer(file("a.cs", "x")), func(s *Spec) { s.IncludeReadme = true }, []string{"README.md", "a.cs"}, "Added README.md"},
		{"no room for a readme", answer(file("a.cs", "x")), func(s *Spec) { s.IncludeReadme, s.MaxFiles = true, 1 }, []string{"a.cs"}, "No README.md was added: maxFiles is 1."},
		{"readme too large", answer(file("a.cs", "x")), func(s *Spec) { s.IncludeReadme, s.MaxFileBytes = true, 5 }, []string{"a.cs"}, "No README.md was added: it would have"},
		{"readme from the model", answer(file("a.cs", "x"), file("ReadMe.md", "m")), func(s *Spec) { s.IncludeReadme = true }, []string{"ReadMe.md", "a.cs"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var change []func(*Spec)
			if c.change != nil {
				change = append(change, c.change)
			}
			got, err := make1(t, c.text, change...)
			if err != nil {
				t.Fatal(err)
			}
			if kept := slices.Sorted(maps.Keys(got.Files)); !slices.Equal(kept, c.kept) {
				t.Errorf("kept %v, want %v", kept, c.kept)
			}
			all := strings.Join(got.Warnings, "\n")
			if !strings.Contains(all, c.warning) || c.warning == "" && all != "" {
				t.Errorf("warnings are %q, want %q", all, c.warning)
			}
		})
	}
}

func TestManyDroppedFilesAreCounted(t *testing.T) {
	text := `{"files":[{"path":"a.cs","content":"x"}` + strings.Repeat(`,{"path":"/x","content":"x"}`, 120) + `]}`
	got, err := make1(t, text)
	if err != nil || len(got.Warnings) != maxWarnings+1 || got.Warnings[maxWarnings] != "Dropped 70 more files." {
		t.Fatal(err, len(got.Warnings))
	}
}

func TestSpecBounds(t *testing.T) {
	for param, change := range map[string]func(*Spec){
		"projectDescription":       func(s *Spec) { s.Description = " \n" },
		"projectDescription ":      func(s *Spec) { s.Description = strings.Repeat("x", maxDescription+1) },
		"projectType":              func(s *Spec) { s.Type = "a\nb" },
		"language":                 func(s *Spec) { s.Language = strings.Repeat("x", maxWord+1) },
		"options.maxFiles":         func(s *Spec) { s.MaxFiles = -1 },
		"options.maxFiles ":        func(s *Spec) { s.MaxFiles = maxFiles + 1 },
		"options.maxFileSizeBytes": func(s *Spec) { s.MaxFileBytes = maxFileBytes + 1 },
	} {
		_, err := make1(t, whole, change)
		if e := core.AsError(err); e == nil || e.Code != core.CodeInvalidRequest || e.Param != strings.TrimSpace(param) {
			t.Errorf("%s: %v", param, err)
		}
	}
}

func TestErrorsOfTheGenerator(t *testing.T) {
	full := core.Errorf(core.CodeQueueFull, "Full.")
	for _, f := range []*fake{{err: full}, {text: whole, late: full}} {
		if _, err := New(f, Config{}).Make(t.Context(), Spec{Description: "d"}); !errors.Is(err, full) {
			t.Error(err)
		}
	}
	if _, err := New(&fake{text: whole}, Config{}).Make(t.Context(), Spec{Description: "d"}); core.CodeOf(err) != core.CodeInternal {
		t.Error(err)
	}
}

func TestRequest(t *testing.T) {
	f := &fake{text: whole, finish: core.FinishStop}
	spec := Spec{
		ID: "r1", Principal: core.Principal{Tenant: "t"}, Description: "a clock", Type: "web", Language: "go", Model: "m",
		IncludeComments: true, IncludeTests: true, IncludeReadme: true, MaxFiles: 3,
	}
	_, _ = New(f, Config{MaxTokens: 99, Timeout: time.Minute}).Make(t.Context(), spec)
	if err := f.got.Validate(); err != nil {
		t.Error(err)
	}
	if f.got.ID != "r1" || f.got.Principal.Tenant != "t" || f.got.Model != "m" || f.got.MaxTokens != 99 || f.got.Timeout != time.Minute {
		t.Errorf("%+v", f.got)
	}
	ask := f.got.Messages[1].Content
	for _, want := range []string{"web project in Go: a clock", "at most 3 files", "Comment the code.", "Include tests.", "Include README.md."} {
		if !strings.Contains(ask, want) {
			t.Errorf("%q lacks %q", ask, want)
		}
	}
	_, _ = New(f, Config{}).Make(t.Context(), Spec{Description: "d"})
	if ask = f.got.Messages[1].Content; !strings.Contains(ask, "Write no comments. Write no tests.") || strings.Contains(ask, "README") || f.got.MaxTokens != defaultTokens {
		t.Error(ask)
	}
}

// TestGrammar reads the grammar as a regular expression, which this one can be written as, and tries answers with it.
func TestGrammar(t *testing.T) {
	lang, _ := languageOf("C#")
	re := compile(t, grammar(lang, size{files: 3, lines: 8, columns: 9}))
	one := func(path, content string) string {
		return `{"files":[{"path":"` + path + `","content":"` + content + `"}]}`
	}
	const six = `a\n\n\t\\\"\n\n\né`
	for text, want := range map[string]bool{
		one("a.cs", six): true,
		one("src/lib/a_b-c.cs", six+`"},{"path":"README.md","content":"x`): true,
		`{"files":[]}`:                false,
		one("a.md", six):              false, // the first is a source file
		one("a.cs", "x"):              false, // and has a few lines
		one("a.cs", ""):               false,
		one("a.cs", " "+six):          false,
		one("../a.cs", six):           false,
		one("/a.cs", six):             false,
		one("a.exe", six):             false,
		one("a.cs", six+"0123456789"): false, // a line too long
		one("a.cs", six+`\n7\n8\n9`):  false, // a line too many
		one("a.cs", six+"\n"):         false, // no line break outside an escape
		one("a.cs", six+strings.Repeat(`"},{"path":"b.cs","content":"x`, 3)): false, // a file too many
	} {
		if re.MatchString(text) != want {
			t.Errorf("%s: %v", text, !want)
		}
		if files, ok := parse(text); want && (!ok || len(files) == 0) {
			t.Errorf("%s is in the grammar and cannot be read", text)
		}
	}
	for _, l := range languages() {
		compile(t, grammar(l, size{files: 1, lines: 3, columns: 9}))
	}
	for files, want := range map[int]string{1: `first  "]}"`, 16: `{0,15}`, 17: `("," file)*`} {
		if g := grammar(lang, size{files: files, lines: 1, columns: 1}); !strings.Contains(g, want) {
			t.Errorf("%d files: %s", files, g)
		}
	}
}

// compile makes a regular expression of a grammar whose rules do not call themselves.
func compile(t *testing.T, gbnf string) *regexp.Regexp {
	t.Helper()
	rules := map[string]string{}
	for line := range strings.Lines(gbnf) {
		name, body, _ := strings.Cut(strings.TrimSpace(line), " ::= ")
		rules[name] = body
	}
	token := regexp.MustCompile(`"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|[a-z][a-z-]*|\{[0-9,]+\}|[()*|]`)
	var expand func(rule string, depth int) string
	expand = func(rule string, depth int) string {
		body, ok := rules[rule]
		if !ok || depth > 8 {
			t.Fatalf("the rule %s is missing or calls itself:\n%s", rule, gbnf)
		}
		var b strings.Builder
		for _, tok := range token.FindAllString(body, -1) {
			switch {
			case tok[0] == '"':
				b.WriteString("(?:" + regexp.QuoteMeta(strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(tok[1:len(tok)-1])) + ")")
			case tok[0] >= 'a' && tok[0] <= 'z':
				b.WriteString("(?:" + expand(tok, depth+1) + ")")
			case tok == "(":
				b.WriteString("(?:")
			default:
				b.WriteString(tok)
			}
		}
		return b.String()
	}
	re, err := regexp.Compile("^" + expand("root", 0) + "$")
	if err != nil {
		t.Fatal(err)
	}
	return re
}

func TestPaths(t *testing.T) {
	for in, want := range map[string]string{
		"a.cs": "a.cs", `src\a.cs`: "src/a.cs", "./a.cs": "a.cs", ".//./a.cs": "a.cs", "a//b.cs": "a/b.cs", " a.cs ": "a.cs", "a/./b.CS": "a/b.CS",
		"console.cs": "console.cs", "com10.cs": "com10.cs", "é.cs": "é.cs",
	} {
		if got, err := clean(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", " ", ".", "/", "./", "/a.cs", `\a.cs`, `\\host\a.cs`, "../a.cs", `..\a.cs`, "a/../../b.cs", "a/..", "~/a.cs", "a~1.cs", "C:/a.cs", `c:a.cs`, "a\x00.cs", "a\n.cs",
		"a.cs/", "a.exe", "a", ".gitignore", ".git/config.json", "-rf.cs", "con.cs", "NUL.cs", "src/aux.json", "COM1.cs", "lpt¹.cs", "con .cs", "a.cs.", "a ./b.cs", " x/ b.cs", "a?.cs", "a*.cs",
		"$HOME/a.cs", "%TEMP%/a.cs", "a\u202e.cs", "a\xff.cs", strings.Repeat("a/", 9) + "b.cs", strings.Repeat("a", 101) + ".cs",
		strings.Repeat(strings.Repeat("a", 90)+"/", 3) + "b.cs",
	} {
		if got, err := clean(in); err == nil {
			t.Errorf("%q became %q", in, got)
		}
	}
}

// safe checks what clean promises of any path.
func safe(p string) error {
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." || part == ".." || strings.HasPrefix(part, ".") || strings.HasPrefix(part, "~") {
			return fmt.Errorf("%q has the part %q", p, part)
		}
	}
	if strings.ContainsAny(p, "\\:\x00\n\r~") || len(p) > maxPath {
		return fmt.Errorf("%q holds what it must not", p)
	}
	again, err := clean(p)
	if err != nil || again != p {
		return fmt.Errorf("%q is cleaned to %q, %w", p, again, err)
	}
	return nil
}

func TestCleanPathsAreSafe(t *testing.T) {
	part := rapid.SampledFrom([]string{"..", ".", "", "a", "b.cs", "C:", "~", "con", `\`, "x y", " ", "é", "\x00", "README.md", "..."})
	rapid.Check(t, func(rt *rapid.T) {
		p, err := clean(strings.Join(rapid.SliceOfN(part, 1, 6).Draw(rt, "parts"), rapid.SampledFrom([]string{"/", `\`, ""}).Draw(rt, "by")))
		if err != nil {
			return
		}
		if err := safe(p); err != nil {
			rt.Fatal(err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	for _, s := range []string{whole, `{"files":[{"path":"../x.cs","content":"x"}]}`, "```\n{", `{"files":[{"path":"a.cs","content":"\ud800"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		files, _ := parse(text)
		out := &Result{Files: map[string]string{}}
		keep(out, Spec{MaxFiles: 3, MaxFileBytes: 20}, files)
		if len(out.Files) > 3 {
			t.Fatal(len(out.Files), "files")
		}
		for p, content := range out.Files {
			if len(content) > 20 {
				t.Fatal(content)
			}
			if err := safe(p); err != nil {
				t.Fatal(err)
			}
		}
	})
}
