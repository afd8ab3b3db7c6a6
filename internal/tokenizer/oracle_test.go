package tokenizer

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// question is what testdata/oracle.mjs is asked.
type question struct {
	File             string      `json:"file"`
	Texts            []string    `json:"texts,omitempty"`
	Pairs            [][2]string `json:"pairs,omitempty"`
	IDs              [][]int     `json:"ids,omitempty"`
	SingleCharacters []string    `json:"single_characters,omitempty"`
	Timed            []timed     `json:"timed,omitempty"`
}

type timed struct {
	Text   string `json:"text"`
	Rounds int    `json:"rounds"`
}

// reply is what it answers, in the order of the question.
type reply struct {
	Encoded [][]int    `json:"encoded"`
	Single  [][]int    `json:"single"`
	Decoded []string   `json:"decoded"`
	Skipped []string   `json:"skipped"`
	Normal  []string   `json:"normal"`
	Cut     [][]string `json:"cut"`
	Timed   []float64  `json:"timed"`
	Pair    []struct {
		IDs     []int `json:"ids"`
		Types   []int `json:"types"`
		Special []int `json:"special"`
	} `json:"pair"`
}

// installed returns the folder that scripts/setup-test.sh fills, or skips the test.
func installed(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("ASHATAI_TEST_TOKENIZERS")
	if dir == "" {
		tb.Skip("ASHATAI_TEST_TOKENIZERS is not set; make test sets it")
	}
	return dir
}

// published are the vocabularies that are compared; BERT's cased form is the uncased one with other settings.
func published() []string {
	return []string{"minilm", "bert", "llama2", "llama3", "qwen3", "gemma3", "gpt4o"}
}

// vocabulary returns the path of a tokenizer.json.
func vocabulary(tb testing.TB, name string) string {
	tb.Helper()
	minilm := os.Getenv("ASHATAI_TEST_MINILM")
	if minilm == "" {
		tb.Skip("ASHATAI_TEST_MINILM is not set; make test sets it")
	}
	minilm = filepath.Join(minilm, "tokenizer.json")
	switch name {
	case "minilm":
		return minilm
	case "bert":
	default:
		return filepath.Join(installed(tb), name+".json")
	}
	return changed(tb, minilm, func(m map[string]any) {
		m["normalizer"] = map[string]any{
			"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": nil, "lowercase": false,
		}
		m["post_processor"] = map[string]any{"type": "BertProcessing", "sep": []any{"[SEP]", 102}, "cls": []any{"[CLS]", 101}}
	})
}

// changed writes a tokenizer.json with other settings into a folder of the test, and returns its path.
func changed(tb testing.TB, from string, change func(map[string]any)) string {
	tb.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		tb.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		tb.Fatal(err)
	}
	change(m)
	if b, err = json.Marshal(m); err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "tokenizer.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func load(tb testing.TB, path string) *Tokenizer {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	tok, err := Parse(b)
	if err != nil {
		tb.Fatal(err)
	}
	return tok
}

// ask runs the oracle.
func ask(tb testing.TB, q question) reply {
	tb.Helper()
	in, err := json.Marshal(q)
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), "node", filepath.Join("testdata", "oracle.mjs"), filepath.Join(installed(tb), "node_modules"))
	cmd.Stdin = bytes.NewReader(in)
	var diagnosis bytes.Buffer
	cmd.Stderr = &diagnosis
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("the oracle: %v\n%s", err, diagnosis.Bytes())
	}
	var r reply
	if err := json.Unmarshal(out, &r); err != nil {
		tb.Fatal(err)
	}
	return r
}
