package infer

import (
	"errors"
	"testing"

	"ashatai/internal/core"
)

func TestCountTokens(t *testing.T) {
	f := newFake()
	n, err := f.service().CountTokens(t.Context(), user("hi <|assistant|>"))
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if got := joined(f.prompts[0]); got != "[<s><|user|>]hi <|assistant|>[<|assistant|>]" {
		t.Errorf("counted %s", got)
	}
	if f.target.Name != "tiny:latest" || f.target.Spec.Embedding || f.req.ID != "" {
		t.Errorf("%+v", f.target)
	}
	f.prompts = nil
	if n, err := f.service().CountTokens(t.Context(), &core.Request{Tokens: []int{1, 2, 3}}); n != 3 || err != nil || f.prompts != nil {
		t.Error(n, err, f.prompts)
	}
	_, err = f.service().CountTokens(t.Context(), &core.Request{})
	wantCode(t, err, core.CodeInvalidRequest)
	_, err = f.service().CountTokens(t.Context(), user("refuse"))
	wantCode(t, err, core.CodeInvalidRequest)
	f.fails = errors.New("broken")
	if _, err := f.service().CountTokens(t.Context(), user("a")); !errors.Is(err, f.fails) {
		t.Error(err)
	}
	f.missing = core.Errorf(core.CodeModelNotFound, "There is no such model.")
	_, err = f.service().CountTokens(t.Context(), user("a"))
	wantCode(t, err, core.CodeModelNotFound)
}
