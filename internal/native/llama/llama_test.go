package llama

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/internal/native"
)

// open returns the library and the default model that set-up installed; the libraries open once in a process.
func open(t *testing.T) (*Library, string) {
	t.Helper()
	dir, model := os.Getenv("ASHATAI_TEST_LIB"), os.Getenv("ASHATAI_TEST_MODEL")
	if dir == "" || model == "" {
		t.Skip("ASHATAI_TEST_LIB and ASHATAI_TEST_MODEL are not set; make test sets them")
	}
	lib, err := openOnce(dir)
	if err != nil {
		t.Fatal(err)
	}
	return lib, model
}

var once sync.Mutex

var opened *Library

func openOnce(dir string) (*Library, error) {
	once.Lock()
	defer once.Unlock()
	if opened != nil {
		return opened, nil
	}
	lib, err := Open(dir)
	opened = lib
	return lib, err
}

func context(t *testing.T, m *Model, abort *Abort) *Context {
	t.Helper()
	c, err := m.NewContext(params(m), abort)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func params(m *Model) ContextParams {
	p := m.lib.ContextDefaults()
	p.NCtx, p.NBatch, p.NUbatch, p.NSeqMax, p.NThreads, p.NThreadsBatch = 4*1024, 512, 512, 4, 1, 1
	p.KVUnified, p.FlashAttnType = false, 0
	return p
}

func load(t *testing.T) *Model {
	t.Helper()
	lib, path := open(t)
	m, err := lib.LoadModel(path, lib.ModelDefaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// feed computes tokens in seq in chunks and returns the logits of the last one.
func feed(t *testing.T, c *Context, tokens []Token, seq, chunk int) []float32 {
	t.Helper()
	b := NewBatch(512)
	defer b.Close()
	pos, last := 0, 0
	for part := range slices.Chunk(tokens, chunk) {
		b.Reset()
		for _, tok := range part {
			last = b.Add(tok, pos, seq, pos == len(tokens)-1)
			pos++
		}
		if s := c.Decode(b); s != DecodeOK {
			t.Fatalf("decode: %d", s)
		}
	}
	return slices.Clone(c.Logits(last))
}

func TestChunkSizeDoesNotChangeLogits(t *testing.T) {
	m := load(t)
	c := context(t, m, nil)
	tokens, err := m.Vocab.Tokenize(strings.Repeat("The quick brown fox jumps over the lazy dog. ", 12), false)
	if err != nil {
		t.Fatal(err)
	}
	want := feed(t, c, tokens, 0, 512)
	for i, chunk := range []int{1, 8, 64} {
		got := feed(t, c, tokens, i+1, chunk)
		d := 0.0
		for j := range got {
			d = max(d, float64(got[j]-want[j]), float64(want[j]-got[j]))
		}
		t.Logf("chunk %d: largest difference %g", chunk, d)
		if argmax(got) != argmax(want) {
			t.Errorf("chunk %d: another token is best", chunk)
		}
	}
}

func argmax(v []float32) int {
	best := 0
	for i := range v {
		if v[i] > v[best] {
			best = i
		}
	}
	return best
}

func TestAbortStopsDecode(t *testing.T) {
	m := load(t)
	abort := NewAbort()
	c := context(t, m, abort)
	tokens, err := m.Vocab.Tokenize(strings.Repeat("word ", 500), false)
	if err != nil {
		t.Fatal(err)
	}
	tokens = tokens[:500]
	b := NewBatch(512)
	defer b.Close()
	for i, tok := range tokens {
		b.Add(tok, i, 0, i == len(tokens)-1)
	}
	at := make(chan time.Time, 1)
	timer := time.AfterFunc(100*time.Millisecond, func() { at <- time.Now(); abort.Set(true) })
	defer timer.Stop()
	status := c.Decode(b)
	if status != DecodeAborted {
		t.Fatalf("status %d, want aborted", status)
	}
	if d := time.Since(<-at); d > 500*time.Millisecond {
		t.Errorf("stopped %v after the flag was set", d)
	}
	abort.Set(false)
	c.Clear(0)
	if got := c.Length(0); got != 0 {
		t.Errorf("length after clear: %d", got)
	}
	if feed(t, c, tokens[:8], 0, 8) == nil {
		t.Error("the context is not usable after an abort")
	}
}

func TestBatchOverLimitPanicsInGo(t *testing.T) {
	m := load(t)
	c := context(t, m, nil)
	b := NewBatch(513)
	defer b.Close()
	for i := range 513 {
		b.Add(1, i, 0, false)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic; the library would have aborted the process")
		}
	}()
	c.Decode(b)
}

func TestVocab(t *testing.T) {
	m := load(t)
	v := m.Vocab
	tokens, err := v.Tokenize("Grüße, 世界 <|im_start|>!", false)
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for _, tok := range tokens {
		text = v.AppendPiece(text, tok, false)
	}
	if string(text) != "Grüße, 世界 <|im_start|>!" {
		t.Errorf("round trip: %q", text)
	}
	i := slices.IndexFunc(v.Specials(), func(s Special) bool { return s.Text == "<|im_end|>" })
	if i < 0 || !v.IsEOG(v.Specials()[i].Token) {
		t.Error("<|im_end|> is not known as a control token that ends a turn")
	}
	if slices.Contains(tokens, v.Specials()[i].Token) {
		t.Error("a control token came out of plain text")
	}
}

func TestGrammar(t *testing.T) {
	m := load(t)
	g, err := m.Vocab.NewGrammar(`root ::= "yes" | "no"`)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	yes, _ := m.Vocab.Tokenize("yes", false)
	maybe, _ := m.Vocab.Tokenize("maybe", false)
	if !g.Allows(yes[0]) || g.Allows(maybe[0]) || g.Allows(m.Vocab.EOS) {
		t.Error("the grammar lets the wrong tokens through")
	}
	g.Accept(yes[0])
	if !g.Allows(m.Vocab.EOS) {
		t.Error("the end is not allowed after a whole word")
	}
	if _, err := m.Vocab.NewGrammar(`root ::= "unclosed`); !errors.Is(err, ErrGrammar) {
		t.Errorf("broken grammar: %v", err)
	}
}

func TestOpenRefusesWhatIsNotPinned(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, native.ErrMissing) {
		t.Errorf("empty folder: %v", err)
	}
	sums, err := Lock()
	if err != nil {
		t.Skip(err)
	}
	for name := range sums {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("not a library"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(dir); !errors.Is(err, native.ErrMismatch) {
		t.Errorf("foreign files: %v", err)
	}
}

func TestBrokenModelIsAnError(t *testing.T) {
	lib, _ := open(t)
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := os.WriteFile(path, []byte("GGUF"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lib.LoadModel(path, lib.ModelDefaults()); !errors.Is(err, ErrModel) {
		t.Errorf("got %v", err)
	}
}

func TestEmbeddings(t *testing.T) {
	m := load(t)
	p := m.lib.ContextDefaults()
	p.NCtx, p.NBatch, p.NUbatch, p.NSeqMax, p.NThreads, p.NThreadsBatch = 256, 256, 256, 1, 1, 1
	p.Embeddings, p.PoolingType, p.FlashAttnType = true, PoolingMean, FlashAttnOff
	c, err := m.NewContext(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Pooling() != PoolingMean || c.PerSequence() != 256 || c.Sequences() != 1 || m.TrainContext() != 8192 || !m.Causal() || m.Size() < 90<<20 {
		t.Errorf("pooling %d, %d tokens, %d sequences", c.Pooling(), c.PerSequence(), c.Sequences())
	}
	b := NewBatch(8)
	defer b.Close()
	for i := range 4 {
		b.Add(Token(100+i), i, 0, true)
	}
	c.SetThreads(1, 1)
	if s := c.Decode(b); s != DecodeOK {
		t.Fatalf("decode: %d", s)
	}
	if v := c.Embedding(0); len(v) != m.Dimensions() {
		t.Errorf("%d dimensions, want %d", len(v), m.Dimensions())
	}
	c.ClearAll()
	if c.Length(0) != 0 {
		t.Error("something is left after clearing all")
	}
}

func TestFacts(t *testing.T) {
	lib, _ := open(t)
	if !strings.Contains(lib.Version(), strings.TrimPrefix(Release, "v")) {
		t.Errorf("version %q", lib.Version())
	}
	lib.Warnings()
	if w := lib.Warnings(); w != "" {
		t.Errorf("warnings are given twice: %q", w)
	}
	if dir, err := DefaultDir(); err != nil || !strings.HasSuffix(filepath.ToSlash(dir), "share/ashatai/lib/llamacpp") {
		t.Errorf("%q, %v", dir, err)
	}
	v := load(t).Vocab
	if v.Len() < 40000 || len(v.Ends()) == 0 {
		t.Errorf("%d tokens, %d of which end a turn", v.Len(), len(v.Ends()))
	}
}
