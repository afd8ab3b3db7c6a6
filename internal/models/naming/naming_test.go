package naming

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
		if got := Derive(file, "Q8_0", "0123456789abcdef"); got != want {
			t.Errorf("%q is named %s; want %s", file, got, want)
		}
	}
	if got := Derive("x.gguf", "", "0"); got != "x:latest" {
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
		name := Derive(file, quant, strings.Repeat("a", 64))
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
		got := FileName(base)
		if got == "" || len(got) > 200 || strings.ContainsAny(got, "/\\\x00\n") || got[0] == '.' {
			t.Errorf("%q became %q", base, got)
		}
	})
}
