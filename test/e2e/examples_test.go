package e2e_test

import (
	"regexp"
	"testing"
)

// example is a block of code in a document that promises what it prints.
type example struct {
	language string
	code     string
	prints   *regexp.Regexp
}

var block = regexp.MustCompile("(?s)<!-- prints: ([^\n]*?) -->\n```(\\w+)\n(.*?)\n```")

// examples finds the blocks that a comment marks.
func examples(document string) []example {
	var out []example
	for _, m := range block.FindAllStringSubmatch(document, -1) {
		out = append(out, example{language: m[2], code: m[3], prints: regexp.MustCompile(m[1])})
	}
	return out
}

func TestExamples(t *testing.T) {
	got := examples("text\n```sh\nno\n```\n<!-- prints: Pa.is -->\n```sh\ncurl x |\n  jq\n```\n")
	if len(got) != 1 || got[0].language != "sh" || got[0].code != "curl x |\n  jq" || !got[0].prints.MatchString("Paris") {
		t.Errorf("found %+v", got)
	}
}
