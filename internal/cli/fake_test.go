package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake answers like a server: the server's own API, and chat completions as a stream.
type fake struct {
	*httptest.Server

	mu     sync.Mutex
	models []string
	chats  []chatRequest
	pulls  []pullRequest
	made   []createRequest
	named  map[string]string
	blobs  map[string]string
	auth   string        // the last Authorization header
	begun  chan struct{} // a chat has sent its first piece and waits for its client to go
}

const (
	fakeDigest = "1f0c5b7d9a3e4c2b8d6f1a0e9c8b7a6d5e4f3c2b1a0f9e8d7c6b5a4938271605"
	fakeSize   = 91_739_424
)

func newFake() *fake {
	f := &fake{models: []string{"smollm2:135m", "team/big:7b"}, begun: make(chan struct{}, 1), blobs: map[string]string{}, named: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"version":"9.8.7","commit":"abcdef","go":"go1.26","os":"linux","arch":"amd64"}`)
	})
	mux.HandleFunc("GET /api/v1/models", f.list)
	mux.HandleFunc("GET /api/v1/models/{name...}", f.show)
	mux.HandleFunc("DELETE /api/v1/models/{name...}", f.remove)
	mux.HandleFunc("POST /api/v1/pull", f.pull)
	mux.HandleFunc("GET /api/v1/aliases", f.aliases)
	mux.HandleFunc("PUT /api/v1/aliases/{name...}", f.setAlias)
	mux.HandleFunc("DELETE /api/v1/aliases/{name...}", f.removeAlias)
	mux.HandleFunc("POST /api/v1/create", f.create)
	mux.HandleFunc("POST /api/v1/copy", f.copy)
	mux.HandleFunc("HEAD /api/blobs/{digest}", f.blob)
	mux.HandleFunc("POST /api/blobs/{digest}", f.blob)
	mux.HandleFunc("POST /api/v1/models/{name}/optimize", f.optimize)
	mux.HandleFunc("POST /api/v1/unload", f.unload)
	mux.HandleFunc("GET /api/v1/instances", f.instances)
	mux.HandleFunc("POST /v1/chat/completions", f.chat)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.auth = r.Header.Get("Authorization")
		f.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	return f
}

// start is newFake for a Go test.
func start(t *testing.T) *fake {
	t.Helper()
	f := newFake()
	t.Cleanup(f.Close)
	return f
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintln(w, body)
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	answer(w, status, `{"error":{"code":`+quoted(code)+`,"message":`+quoted(text)+`,"request_id":"req-1"}}`)
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (f *fake) summary(name string) string {
	created := time.Now().Add(-3 * time.Hour).Format(time.RFC3339)
	return fmt.Sprintf(`{"name":%q,"digest":%q,"format":"gguf","size":%d,"architecture":"llama","parameter_count":134515008,`+
		`"quantization":"Q4_1","context":8192,"capabilities":["chat","generate"],"aliases":["SmolLM2.gguf"],"created":%q,"new_field":1}`,
		name, fakeDigest, fakeSize, created)
}

func (f *fake) list(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, m := range f.models {
		all = append(all, f.summary(m))
	}
	answer(w, http.StatusOK, `{"models":[`+strings.Join(all, ",")+`]}`)
}

// known answers for a model that there is not, and for one that is the name of an error.
func (f *fake) known(w http.ResponseWriter, name string) bool {
	switch name {
	case "forbidden":
		refuse(w, http.StatusForbidden, "forbidden", "The key may not do this.")
		return false
	case "unauthenticated":
		refuse(w, http.StatusUnauthorized, "unauthenticated", "This needs an API key.")
		return false
	case "busy":
		refuse(w, http.StatusConflict, "conflict", "The model busy is in use.")
		return false
	case "draining":
		refuse(w, http.StatusServiceUnavailable, "draining", "The server is stopping.")
		return false
	case "broken":
		refuse(w, http.StatusInternalServerError, "internal", "The server failed.")
		return false
	case "proxy":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		return false
	case "guarded":
		w.WriteHeader(http.StatusForbidden)
		return false
	case "page":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<p>a web page")
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.models {
		if m == name || name == "" {
			return true
		}
	}
	refuse(w, http.StatusNotFound, "model_not_found", fmt.Sprintf("There is no model %q.", name))
	return false
}

func (f *fake) show(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if !f.known(w, name) {
		return
	}
	answer(w, http.StatusOK, strings.TrimSuffix(f.summary(name), "}")+
		`,"files":[{"name":"SmolLM2.gguf","size":91739424,"sha256":"`+fakeDigest+`"}],"template":"{% for m in messages %}\n{{ m }}\n{% endfor %}",`+
		`"system":"Be kind.\nBe short.","parameters":{"temperature":0.7,"top_k":40},"license":"apache-2.0","source":"bundled","labels":{"tier":"small"},"optimized":`+fakeOptimized+`}`)
}

func (f *fake) remove(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if f.known(w, name) {
		gone := ""
		if name == "team/big:7b" {
			gone = `,"aliases":[{"name":"a","model":"team/big:7b"},{"name":"b","model":"team/big:7b","setting":true}]`
		}
		answer(w, http.StatusOK, fmt.Sprintf(`{"removed":%q%s}`, name, gone))
	}
}

func (f *fake) aliases(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := []string{}
	for name, model := range f.named {
		all = append(all, fmt.Sprintf(`{"name":%q,"model":%q}`, name, model), `{"name":"claude","model":"absent","setting":true,"missing":true}`)
	}
	answer(w, http.StatusOK, `{"aliases":[`+strings.Join(all, ",")+`]}`)
}

func (f *fake) setAlias(w http.ResponseWriter, r *http.Request) {
	var req map[string]string
	_ = json.NewDecoder(r.Body).Decode(&req)
	if f.known(w, req["model"]) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.named[r.PathValue("name")] = req["model"]
		answer(w, http.StatusOK, fmt.Sprintf(`{"name":%q,"model":%q}`, r.PathValue("name"), req["model"]))
	}
}

func (f *fake) removeAlias(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.named[r.PathValue("name")]; !ok {
		refuse(w, http.StatusNotFound, "not_found", "There is no alias.")
		return
	}
	delete(f.named, r.PathValue("name"))
	answer(w, http.StatusOK, fmt.Sprintf(`{"removed":%q}`, r.PathValue("name")))
}

func (f *fake) create(w http.ResponseWriter, r *http.Request) {
	var req createRequest
	_ = json.NewDecoder(r.Body).Decode(&req)
	f.mu.Lock()
	f.made = append(f.made, req)
	_, have := f.blobs["sha256:"+req.SHA256]
	f.mu.Unlock()
	switch {
	case req.SHA256 != "" && !have:
		refuse(w, http.StatusNotFound, "not_found", "There is no such blob.")
		return
	case req.SHA256 == "" && !f.known(w, req.From):
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	fmt.Fprintln(w, `{"status":"reading model metadata"}`)
	fmt.Fprintf(w, `{"status":"success","digest":%q,"model":%s}`+"\n", fakeDigest, f.summary(req.Name+":latest"))
}

func (f *fake) copy(w http.ResponseWriter, r *http.Request) {
	var req map[string]string
	_ = json.NewDecoder(r.Body).Decode(&req)
	if f.known(w, req["source"]) {
		answer(w, http.StatusOK, `{"model":`+f.summary(req["destination"]+":latest")+`}`)
	}
}

// blob takes uploads that are what they say they are.
func (f *fake) blob(w http.ResponseWriter, r *http.Request) {
	digest := r.PathValue("digest")
	f.mu.Lock()
	defer f.mu.Unlock()
	switch _, have := f.blobs[digest]; {
	case r.Method == http.MethodHead && !have:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodHead:
	default:
		data, _ := io.ReadAll(r.Body)
		if sum := sha256.Sum256(data); "sha256:"+hex.EncodeToString(sum[:]) != digest {
			refuse(w, http.StatusBadRequest, "invalid_request", "The content has another sha256.")
			return
		}
		f.blobs[digest] = string(data)
		w.WriteHeader(http.StatusCreated)
	}
}

func (f *fake) unload(w http.ResponseWriter, r *http.Request) {
	var req unloadRequest
	_ = json.NewDecoder(r.Body).Decode(&req)
	if f.known(w, req.Model) {
		answer(w, http.StatusOK, fmt.Sprintf(`{"unloaded":%q}`, req.Model))
	}
}

func (f *fake) instances(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.models) == 0 {
		answer(w, http.StatusOK, `{"instances":[]}`)
		return
	}
	soon := time.Now().Add(4*time.Minute + 30*time.Second).Format(time.RFC3339)
	answer(w, http.StatusOK, `{"instances":[`+
		`{"model":"smollm2:135m","runtime":"llamacpp","device":"cpu","state":"ready","context":8192,"sequences":4,"active":1,"queued":2,`+
		`"memory":{"weights":90000000,"kv":10000000,"compute":1,"total":100000001},"pinned":false,"restarts":0,"expires_at":"`+soon+`",`+
		`"fallback":"The context is 4096 instead of 8192: memory."},`+
		`{"model":"team/big:7b","runtime":"mock","device":"cpu","state":"starting","context":512,"sequences":1,"active":0,"queued":0,`+
		`"memory":{"total":7},"pinned":true,"restarts":1}]}`)
}

func (f *fake) pull(w http.ResponseWriter, r *http.Request) {
	var req pullRequest
	_ = json.NewDecoder(r.Body).Decode(&req)
	f.mu.Lock()
	f.pulls = append(f.pulls, req)
	f.mu.Unlock()
	if strings.Contains(req.Source, "://") && req.SHA256 == "" {
		refuse(w, http.StatusBadRequest, "invalid_request", "A model from a URL needs its sha256.")
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	for _, n := range []int64{0, 3_000_000, fakeSize / 2, fakeSize} {
		fmt.Fprintf(w, `{"status":"pulling","total":%d,"completed":%d}`+"\n\n", int64(fakeSize), n)
	}
	switch {
	case strings.Contains(req.Source, "cut"):
		return
	case strings.Contains(req.Source, "garbled"):
		fmt.Fprintln(w, "<p>")
		return
	case strings.Contains(req.Source, "bad"):
		fmt.Fprintln(w, `{"error":{"code":"bad_model","message":"The file bad.gguf is no GGUF file."}}`)
		return
	}
	fmt.Fprintln(w, `{"status":"writing manifest"}`)
	fmt.Fprintf(w, `{"status":"success","digest":%q,"model":%s}`+"\n", fakeDigest, f.summary("new:latest"))
}

// chat answers with the last prompt, in pieces. Some prompts ask for trouble.
func (f *fake) chat(w http.ResponseWriter, r *http.Request) {
	var req chatRequest
	_ = json.NewDecoder(r.Body).Decode(&req)
	f.mu.Lock()
	f.chats = append(f.chats, req)
	f.mu.Unlock()
	model := req.Model
	if !f.known(w, model) {
		return
	}
	if model == "" {
		model = "smollm2:135m"
	}
	prompt := req.Messages[len(req.Messages)-1].Content
	if prompt == "too long" {
		answer(w, http.StatusBadRequest, `{"error":{"message":"The prompt has 9000 tokens; 8192 fit.","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}`)
		return
	}
	if prompt == "wrong" {
		answer(w, http.StatusBadRequest, `{"error":{"message":"temperature is 9.","type":"invalid_request_error","param":"temperature","code":"invalid_value"}}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	if prompt == "weakly" {
		w.Header().Set("X-Ashatai-Fallback", "There is no GPU, so the CPU serves.")
	}
	send := func(data string) {
		fmt.Fprintf(w, "data: %s\n\n", data)
		w.(http.Flusher).Flush()
	}
	chunk := func(delta, finish string) {
		send(fmt.Sprintf(`{"id":"c","model":%q,"choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}],"usage":null}`, model, delta, finish))
	}
	fmt.Fprint(w, ": a comment\n\n")
	chunk(`{"role":"assistant","content":"","refusal":null}`, "null")
	for piece := range strings.SplitAfterSeq("You said: "+prompt, " ") {
		chunk(`{"content":`+quoted(piece)+`}`, "null")
	}
	switch prompt {
	case "wait":
		f.begun <- struct{}{}
		<-r.Context().Done()
		return
	case "die":
		send(`{"error":{"message":"The worker died.","type":"server_error","param":null,"code":"worker_died"}}`)
		return
	case "cut":
		return
	case "garble":
		send(`{"choices":"no"}`)
		return
	case "long":
		chunk(`{}`, `"length"`)
	default:
		chunk(`{}`, `"stop"`)
	}
	send(`{"id":"c","model":"` + model + `","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":0}}}`)
	send("[DONE]")
}
