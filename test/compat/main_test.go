package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/api/compat"
	"ashatai/internal/node"
)

func TestThePageIsUpToDate(t *testing.T) {
	have, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), compat.Markdown(node.Dialects("another version"))); diff != "" {
		t.Errorf("%s is not what the program says; run make gen\n%s", page, diff)
	}
}
