package e2e_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/engine/enginetest"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/onnxfile/onnxfiletest"
	"ashatai/internal/proc"
	worker "ashatai/internal/worker/host"
	"ashatai/python"
)

const onnxEnd = "<|end|>"

// onnxTalker puts a folder with a small language model of ONNX into the models folder, and returns its model file.
func onnxTalker(t *testing.T, models string) string {
	t.Helper()
	folder := filepath.Join(models, "talker")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	model := onnxfiletest.Model(onnxfiletest.Causal(onnxfiletest.CausalOptions{Vocabulary: 259, Layers: 2, Heads: 2, Head: 8, Positions: 512}))
	for name, data := range map[string]string{
		"model.onnx": string(model), "tokenizer.json": onnxfiletest.ByteVocabulary(onnxEnd),
		"config.json":           `{"eos_token_id":258,"max_position_embeddings":512,"num_attention_heads":2,"hidden_size":16}`,
		"tokenizer_config.json": `{"eos_token":"` + onnxEnd + `"}`,
		"chat_template.jinja":   "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "model.onnx")
}

// TestONNXTalks: a model of ONNX answers in each dialect, with the usage that its tokens make and the same text each time.
func TestONNXTalks(t *testing.T) {
	bin := given(t, "ASHATAI_TEST_BIN")
	given(t, "ASHATAI_TEST_ONNX")
	home := t.TempDir()
	onnxTalker(t, filepath.Join(home, "models"))
	addr := siteIn(t, bin, home)
	turns := []map[string]string{{"role": "user", "content": "Hi"}}
	const prompt = len("user: Hi") + 1 + len("\nassistant:") // in bytes, each a token; the end is one
	var openai struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
			Finish string `json:"finish_reason"`
		} `json:"choices"`
		Usage struct {
			Prompt     int `json:"prompt_tokens"`
			Completion int `json:"completion_tokens"`
		} `json:"usage"`
	}
	ask := map[string]any{"model": "talker", "messages": turns, "max_tokens": 12, "temperature": 0, "logit_bias": map[string]int{"258": -100}}
	status, body := post(t, addr+"/v1/chat/completions", ask)
	if err := json.Unmarshal([]byte(body), &openai); err != nil || status != http.StatusOK || len(openai.Choices) != 1 {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	if c := openai.Choices[0]; c.Message.Content == "" || c.Finish != "length" || openai.Usage.Prompt != prompt || openai.Usage.Completion != 12 {
		t.Errorf("%s", body)
	}
	var ollama struct {
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
		Prompt int `json:"prompt_eval_count"`
		Count  int `json:"eval_count"`
	}
	status, body = post(t, addr+"/api/chat", map[string]any{"model": "talker", "messages": turns, "stream": false, "options": map[string]any{"num_predict": 5, "temperature": 0}})
	if err := json.Unmarshal([]byte(body), &ollama); err != nil || status != http.StatusOK || ollama.Prompt != prompt || ollama.Count < 1 || !strings.HasPrefix(openai.Choices[0].Message.Content, strings.TrimSuffix(ollama.Message.Content, "\uFFFD")) {
		t.Errorf("%d %s", status, body)
	}
	if status, body = post(t, addr+"/v1/messages", map[string]any{"model": "talker", "messages": turns, "max_tokens": 5, "stream": true}); status != http.StatusOK || !strings.Contains(body, "message_stop") {
		t.Errorf("%d %s", status, body)
	}
	ask["response_format"] = map[string]any{"type": "json_object"}
	if status, body = post(t, addr+"/v1/chat/completions", ask); status != http.StatusBadRequest || !strings.Contains(body, "schema") {
		t.Errorf("a format that the runtime cannot hold: %d %s", status, body)
	}
}

func tinyLlama(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(gguftest.TinyLlama(f, gguftest.Options{}), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// inWorker is a runtime as the server runs it: in the built worker, under its limits.
func inWorker(t *testing.T, name string) engine.Runtime {
	t.Helper()
	bin := given(t, "ASHATAI_TEST_BIN")
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "ashatai"), "version", "--json", "--server", "http://127.0.0.1:1").Output()
	var v struct {
		Client struct {
			Commit string `json:"commit"`
		} `json:"client"`
	}
	if uerr := json.Unmarshal(out, &v); uerr != nil {
		t.Fatalf("%s, %v, %v", out, err, uerr)
	}
	env, paths := []string{"GGML_NO_BACKTRACE=1", "TF_CPP_MIN_LOG_LEVEL=2"}, []string(nil)
	for library, from := range map[string]string{"ASHATAI_LLAMACPP": "ASHATAI_TEST_LIB", "ASHATAI_ONNXRUNTIME": "ASHATAI_TEST_ONNX", "ASHATAI_TENSORFLOW": "ASHATAI_TEST_TENSORFLOW", "ASHATAI_PYTORCH": "ASHATAI_TEST_PYTORCH"} {
		if dir := os.Getenv(from); dir != "" {
			env, paths = append(env, library+"="+dir), append(paths, dir)
		}
	}
	d, _ := catalog.Get(name)
	return worker.New(worker.Config{
		Binary: filepath.Join(bin, "ashatai-worker"), Build: v.Client.Commit, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Env: env,
		Limits: proc.Limits{MemoryBytes: 8 << 30, OpenFiles: 256}, ReadPaths: paths, Locks: map[string]string{catalog.PyTorch: python.Lock()},
	}).Runtime(name, d)
}

// TestEngineContractInTheWorker holds the runtimes with native libraries to the contract as the server runs them.
func TestEngineContractInTheWorker(t *testing.T) {
	given(t, "ASHATAI_TEST_ONNX")
	given(t, "ASHATAI_TEST_LIB")
	bad := filepath.Join(t.TempDir(), "bad.onnx")
	if err := os.WriteFile(bad, []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, opt := range map[string]enginetest.Options{
		catalog.ONNX: {Spec: engine.LoadSpec{Path: onnxTalker(t, t.TempDir()), Context: 512, Batch: 16}, Control: onnxEnd, Skip: map[string]string{
			"a grammar is obeyed": "the runtime follows no grammar", "a share of processors is kept": "ONNX Runtime keeps the threads that it was started with",
		}},
		catalog.LlamaCpp: {
			Spec: engine.LoadSpec{Path: tinyLlama(t), Context: 512, Batch: 128, Options: map[string]string{"repeatable": "true"}}, Control: gguftest.EndToken,
			Skip: map[string]string{"a grammar is obeyed": "TestLawOnTheDefaultModel has it"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			opt.BadFile = bad
			enginetest.Run(t, func(t *testing.T) engine.Runtime { t.Helper(); return inWorker(t, name) }, opt)
		})
	}
}
