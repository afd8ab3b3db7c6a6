package fleet

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// TestReplicasMustAgree: gpu1 is loaded first and sets the measure; a request for gpu2's runtime is told why it is not used, and
// all others are served by gpu1.
func TestReplicasMustAgree(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(p *pair)
		want string // why gpu2 is not used; empty: it is
	}{
		"equal":             {func(*pair) {}, ""},
		"another tokenizer": {func(p *pair) { p.two.vocabulary = []int{1, 3} }, "its tokenizer is not that of gpu1"},
		"another template":  {func(p *pair) { p.two.template = "u" }, "its chat template is not that of gpu1"},
		"no tokenizer": {
			func(p *pair) { p.two.vocabulary = nil; p.target.Replicas[0].Vocabulary = "v1" },
			"nothing is known of its tokenizer; if it is that of gpu1, declare vocabulary=v1 in the settings",
		},
		"no template": {
			func(p *pair) { p.two.template = "" },
			"nothing is known of its chat template; if it is that of gpu1, declare template=t in the settings",
		},
		"declared": {
			func(p *pair) {
				p.two.vocabulary, p.two.template = nil, ""
				p.target.Replicas[0].Vocabulary, p.target.Replicas[1].Vocabulary, p.target.Replicas[1].Template = "v1", "v1", "t"
			}, "",
		},
		"declared as another": {func(p *pair) { p.target.Replicas[1].Template = "v" }, "its chat template is not that of gpu1"},
		"the first shows no tokens": {
			func(p *pair) { p.one.vocabulary = nil; p.target.Replicas[1].Vocabulary = "v2" },
			"nothing is known of the tokenizer of gpu1, which was loaded first; if it is that of gpu2, declare vocabulary=v2 there in the settings",
		},
		"the first has no template": {
			func(p *pair) { p.one.template = "" },
			"nothing is known of the chat template of gpu1, which was loaded first; if it is that of gpu2, declare template=t there in the settings",
		},
		"nobody shows tokens": {
			func(p *pair) { p.one.vocabulary, p.two.vocabulary = nil, nil },
			"nothing is known of the tokenizers of gpu1 and gpu2; if they are the same, declare one vocabulary= for both in the settings",
		},
		"nobody has a template": {
			func(p *pair) { p.one.template, p.two.template = "", "" },
			"nothing is known of the chat templates of gpu1 and gpu2; if they are the same, declare one template= for both in the settings",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			synctest.Test(t, func(t *testing.T) {
				p := newPair("round-robin")
				c.set(p)
				p.target.Replicas[1].Runtime = "other"
				p.start(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, &places{desc: engine.Descriptor{Name: "other"}, at: p.r.at})
				p.served(t, 1)
				p.wantAsked(t, 1, 0)
				tg := p.target
				tg.Where.Runtime = "other"
				o := generate(t.Context(), p.f, tg, Item{}, request(3))
				if c.want == "" {
					must(t, o.err)
					p.wantAsked(t, 1, 1)
					return
				}
				if e := wantError(t, o.err, core.CodeBadModel); e.Message != "The replica gpu2 of the model m is not used: "+c.want+"." {
					t.Error(e.Message)
				}
				p.wantCandidate(t, 1, "closed", c.want)
				p.served(t, 3)
				p.wantAsked(t, 4, 0)
				if n := names(t, p.f); n != "m" {
					t.Errorf("loaded: %s", n)
				}
				e := wantError(t, generate(t.Context(), p.f, tg, Item{}, request(3)).err, core.CodeUnsupported)
				if !strings.Contains(e.Message, "gpu2: "+c.want) {
					t.Error(e.Message)
				}
			})
			if c.want != "" && !strings.Contains(log.String(), "model did not load") {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

// A replica that disagrees costs a request nothing but the time of the load.
func TestReplicaThatDisagreesMovesTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		p.two.vocabulary = []int{7}
		p.start(t, Config{})
		p.served(t, 4)
		p.wantAsked(t, 4, 0)
		if !p.r.model(1).isClosed() {
			t.Error("gpu2 is still loaded")
		}
	})
}

// Vectors need no chat template.
func TestEmbeddingsNeedNoTemplate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		p.one.template, p.two.template = "", "u"
		p.start(t, Config{})
		for range 2 {
			_, _, _, err := p.f.Embed(t.Context(), p.target, Item{}, make([]engine.Prompt, 1))
			must(t, err)
		}
		p.wantAsked(t, 1, 1)
	})
}

// Copies of one file at one runtime are the same model, whatever can be known of it.
func TestCopiesAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		p.one.vocabulary, p.two.vocabulary, p.one.template, p.two.template = nil, nil, "", ""
		p.target.Replicas[1].Digest = "1"
		p.start(t, Config{})
		p.served(t, 4)
		p.wantAsked(t, 2, 2)
	})
}

// A server that fails as it is asked for its tokens is not loaded, and is asked again later: nothing is known of it till then.
func TestReplicaThatFailsAsItIsCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		p.two.hiccups = 1
		p.start(t, Config{})
		p.served(t, 4)
		p.wantAsked(t, 4, 0)
		if !p.r.model(1).isClosed() {
			t.Error("gpu2 is still loaded")
		}
		<-time.After(time.Minute)
		p.served(t, 4)
		p.wantAsked(t, 6, 2)
	})
}

// What was refused for what the settings declare, of it or of the one that sets the measure, is tried again when they declare
// something else.
func TestRefusalEndsWithWhatWasDeclared(t *testing.T) {
	for name, c := range map[string]struct{ before, after func(p *pair) }{
		"of itself": {
			func(p *pair) { p.two.template = "" },
			func(p *pair) { p.target.Replicas[1].Template = "t" },
		},
		"of the first": {
			func(p *pair) { p.one.template = "" },
			func(p *pair) { p.target.Replicas[0].Template = "t" },
		},
		"of both": {
			func(p *pair) { p.one.vocabulary, p.two.vocabulary = nil, nil },
			func(p *pair) { p.target.Replicas[0].Vocabulary, p.target.Replicas[1].Vocabulary = "v", "v" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair("round-robin")
				c.before(p)
				p.start(t, Config{})
				p.served(t, 4)
				p.wantAsked(t, 4, 0)
				<-time.After(time.Minute)
				p.served(t, 2)
				p.wantAsked(t, 6, 0) // it is not tried for nothing
				p.target.Replicas = slices.Clone(p.target.Replicas)
				c.after(p)
				p.served(t, 4)
				p.wantAsked(t, 8, 2)
			})
		})
	}
}
