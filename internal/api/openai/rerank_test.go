package openai

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func TestRerank(t *testing.T) {
	f := &fake{}
	w := f.call(t, "POST", "/v1/rerank", `{"model":"tiny","query":"q","documents":["a",{"text":"bbb","id":7},"","cc","dd"]}`)
	var got rerankAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want := []rerankResult{{Index: 1, Score: 0.375}, {Index: 3, Score: 0.25}, {Index: 4, Score: 0.25}, {Index: 0, Score: 0.125}, {Index: 2}}
	if d := cmp.Diff(want, got.Results); d != "" {
		t.Error(d)
	}
	if got.Model != "tiny:latest" || got.Object != "list" || got.Usage.Prompt != 9 || got.Usage.Total != 9 || !strings.HasPrefix(got.ID, "rerank-") ||
		w.Header().Get("X-Ashatai-Runtime") != "mock" {
		t.Errorf("%s %v", w.Body, w.Header())
	}
	if d := cmp.Diff([]string{"a", "bbb", "", "cc", "dd"}, f.gotRank.Documents); d != "" || f.gotRank.Query != "q" || f.gotRank.Model != "tiny" {
		t.Errorf("%s %+v", d, f.gotRank)
	}
	w = f.call(t, "POST", "/v1/rerank", `{"model":"tiny","query":"q","documents":["a","bb"],"top_n":1,"return_documents":true}`)
	if !strings.Contains(w.Body.String(), `"results":[{"index":1,"relevance_score":0.25,"document":{"text":"bb"}}]`) {
		t.Error(w.Body)
	}
	if w = f.call(t, "POST", "/v1/rerank", `{"model":"tiny","query":"q","documents":["a"],"top_n":9}`); w.Code != 200 {
		t.Error(w.Body)
	}
}

func TestRefusedReranks(t *testing.T) {
	f := &fake{}
	for body, param := range map[string]string{
		`{"query":"q","documents":["a"]}`:                                                         "model",
		`{"model":"m","documents":["a"]}`:                                                         "query",
		`{"model":"m","query":"q"}`:                                                               "documents",
		`{"model":"m","query":"q","documents":[]}`:                                                "documents",
		`{"model":"m","query":"q","documents":[1]}`:                                               "documents",
		`{"model":"m","query":"q","documents":[null]}`:                                            "documents",
		`{"model":"m","query":"q","documents":[{"txt":"a"}]}`:                                     "documents",
		`{"model":"m","query":"q","documents":["a"],"top_n":0}`:                                   "top_n",
		`{"model":"m","query":"q","documents":["a"],"max_tokens_per_doc":9}`:                      "max_tokens_per_doc",
		`{"model":"m","query":"q","documents":["a"` + strings.Repeat(`,"a"`, maxDocuments) + `]}`: "documents",
	} {
		w := f.call(t, "POST", "/v1/rerank", body)
		if w.Code != 400 || !strings.Contains(w.Body.String(), `"param":"`+param+`"`) {
			t.Errorf("%.90s: %d %s", body, w.Code, w.Body)
		}
	}
	f.err = core.Errorf(core.CodeUnsupported, "The model m cannot score documents.")
	if w := f.call(t, "POST", "/v1/rerank", `{"model":"m","query":"q","documents":["a"]}`); w.Code != 400 || !strings.Contains(w.Body.String(), `"type":"invalid_request_error"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
