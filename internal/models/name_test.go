package models

import (
	"strings"
	"testing"

	"ashatai/internal/core"
)

func TestDeriveName(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"SmolLM2-135M-Instruct.Q4_1.gguf":           "smollm2-135m-instruct:q4_1",
		"Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf":    "meta-llama-3.1-8b-instruct:q4_k_m",
		"qwen2.5-coder-7b-instruct-iq4_xs.GGUF":     "qwen2.5-coder-7b-instruct:iq4_xs",
		"gpt-oss-20b-mxfp4.gguf":                    "gpt-oss-20b:mxfp4",
		"Phi-3-mini-4k-instruct-fp16.gguf":          "phi-3-mini-4k-instruct:fp16",
		"DeepSeek-R1-UD-Q2_K_XL.gguf":               "deepseek-r1:ud-q2_k_xl",
		"nomic-embed-text-v1.5.f32.gguf":            "nomic-embed-text-v1.5:f32",
		"plain.gguf":                                "plain:q8_0",
		"my model (copy).gguf":                      "my-model-copy:q8_0",
		"../../etc/passwd.gguf":                     "etc-passwd:q8_0",
		"..gguf":                                    "model-0123456789ab:q8_0",
		"Q4_K_M.gguf":                               "q4_k_m:q8_0",
		".Q4_K_M.gguf":                              "q4_k_m:q8_0",
		"模型.gguf":                                   "model-0123456789ab:q8_0",
		strings.Repeat("long-", 100) + ".Q4_0.gguf": strings.TrimSuffix(strings.Repeat("long-", 20), "-") + ":q4_0",
	} {
		if got := deriveName(file, "Q8_0", "0123456789abcdef"); got != want {
			t.Errorf("%q is named %s; want %s", file, got, want)
		}
	}
	if got := deriveName("x.gguf", "", "0"); got != "x:latest" {
		t.Error(got)
	}
}

// FuzzDeriveName: whatever a file is called, its name is a canonical one.
func FuzzDeriveName(f *testing.F) {
	for _, s := range []string{"a.gguf", "..gguf", "A B.Q4_0.gguf", "\xff\x00.gguf", "con.gguf", "İ.gguf", "a..b.gguf", strings.Repeat("é.", 300)} {
		f.Add(s, "Q4_K_M")
	}
	f.Add("x", "..")
	f.Fuzz(func(t *testing.T, file, quant string) {
		name := deriveName(file, quant, strings.Repeat("a", 64))
		n, err := core.ParseModelName(name)
		if err != nil || n.String() != name {
			t.Errorf("%q, %q: name %q, parsed %v, %v", file, quant, name, n, err)
		}
	})
}

// FuzzFileName: what a source's last part becomes can be shown and be an alias.
func FuzzFileName(f *testing.F) {
	for _, s := range []string{"a.gguf", "", ".", "/", "..", "a/b\\c\x00", strings.Repeat("é", 300), ".hidden.gguf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, base string) {
		got := fileName(base)
		if got == "" || len(got) > 200 || strings.ContainsAny(got, "/\\\x00\n") || got[0] == '.' {
			t.Errorf("%q became %q", base, got)
		}
	})
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"same", "same", 0}, {"flaw", "lawn", 2}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q is %d; want %d", c.a, c.b, got, c.want)
		}
	}
}

// FuzzSidecar: what is accepted holds only values in their canonical form.
func FuzzSidecar(f *testing.F) {
	for _, s := range []string{`{}`, `{"name":"A/B:C","aliases":["X"],"sha256":"` + strings.Repeat("A", 64) + `","parameters":{"top_k":5}}`, `null`, `[]`, `{"name":1}`, `{} {}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSidecar(strings.NewReader(text), "x.gguf")
		if err != nil {
			if e := core.AsError(err); e.Code != core.CodeBadModel || !strings.Contains(e.Message, "x.gguf.json") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if n, err := core.ParseModelName(s.Name); s.Name != "" && (err != nil || n.String() != s.Name) {
			t.Errorf("%q: name %q", text, s.Name)
		}
		if s.SHA256 != "" && strings.Trim(s.SHA256, "0123456789abcdef") != "" {
			t.Errorf("%q: sha256 %q", text, s.SHA256)
		}
	})
}
