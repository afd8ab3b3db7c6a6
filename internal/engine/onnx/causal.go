package onnx

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/native/ort"
	"ashatai/internal/onnxfile"
)

// causal is how a model makes text: it takes tokens and what it remembers of those before them (keys and values), and gives
// the scores of the next token and the memory that goes with it. The names are those that exports of Optimum use, or what a
// genai_config.json says.
type causal struct {
	ids, mask, positions, branch, keep string // names of the inputs; empty where the model has none of them
	logits                             string
	past                               []memory
	context                            int // tokens
	batch                              int // tokens of a prompt that are computed at once
	ends                               []int
	vocabulary                         int
}

// memory is one tensor of keys or values: what goes in, what comes out, and its shape without the tokens.
type memory struct {
	in, out string
	typ     int // an element type of ONNX
	shape   []int64
	tokens  int // place of the dimension of the tokens
}

const (
	defaultContext = 4096 // where the settings say nothing and the model takes more
	defaultBatch   = 128  // a model gives scores for every token of a prompt, so long pieces take much memory
)

// generation is what a folder's files say of how a model makes text.
type generation struct {
	ends    []int
	context int
	heads   int // of keys and values
	head    int // length of one
	names   names
}

// names are patterns; %d is the number of the layer.
type names struct {
	IDs       string `json:"input_ids"`
	Mask      string `json:"attention_mask"`
	Positions string `json:"position_ids"`
	PastKey   string `json:"past_key_names"`
	PastValue string `json:"past_value_names"`
	Key       string `json:"present_key_names"`
	Value     string `json:"present_value_names"`
	Logits    string `json:"logits"`
}

func optimum() names {
	return names{
		IDs: "input_ids", Mask: "attention_mask", Positions: "position_ids", Logits: "logits",
		PastKey: "past_key_values.%d.key", PastValue: "past_key_values.%d.value", Key: "present.%d.key", Value: "present.%d.value",
	}
}

// oneOrMany is a JSON number or a list of them.
type oneOrMany []int

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMany) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		return nil
	case b[0] == '[':
		return json.Unmarshal(b, (*[]int)(o))
	}
	*o = make([]int, 1)
	return json.Unmarshal(b, &(*o)[0])
}

// readGeneration reads config.json, generation_config.json and genai_config.json; the later ones go before the earlier.
func readGeneration(root *os.Root) (generation, error) {
	g := generation{names: optimum()}
	var config struct {
		End       oneOrMany `json:"eos_token_id"`
		Positions int       `json:"max_position_embeddings"`
		Old       int       `json:"n_positions"`
		Hidden    int       `json:"hidden_size"`
		Heads     int       `json:"num_attention_heads"`
		KV        int       `json:"num_key_value_heads"`
		Head      int       `json:"head_dim"`
	}
	if err := onnxfile.ReadJSON(root.FS(), "config.json", &config); err != nil {
		return g, err
	}
	g.ends, g.context, g.heads, g.head = config.End, max(config.Positions, config.Old), config.KV, config.Head
	if g.heads == 0 {
		g.heads = config.Heads
	}
	if g.head == 0 && config.Heads > 0 {
		g.head = config.Hidden / config.Heads
	}
	var more struct {
		End oneOrMany `json:"eos_token_id"`
	}
	if err := onnxfile.ReadJSON(root.FS(), "generation_config.json", &more); err != nil {
		return g, err
	}
	if more.End != nil {
		g.ends = more.End
	}
	var genai struct {
		Model struct {
			End     oneOrMany `json:"eos_token_id"`
			Context int       `json:"context_length"`
			Decoder struct {
				Heads   int   `json:"num_key_value_heads"`
				Head    int   `json:"head_size"`
				Inputs  names `json:"inputs"`
				Outputs names `json:"outputs"`
			} `json:"decoder"`
		} `json:"model"`
	}
	if err := onnxfile.ReadJSON(root.FS(), "genai_config.json", &genai); err != nil {
		return g, err
	}
	d := genai.Model.Decoder
	if genai.Model.End != nil {
		g.ends = genai.Model.End
	}
	for _, n := range []struct {
		to  *int
		say int
	}{{&g.context, genai.Model.Context}, {&g.heads, d.Heads}, {&g.head, d.Head}} {
		if n.say > 0 {
			*n.to = n.say
		}
	}
	for _, s := range []struct {
		to  *string
		say string
	}{
		{&g.names.IDs, d.Inputs.IDs},
		{&g.names.Mask, d.Inputs.Mask},
		{&g.names.Positions, d.Inputs.Positions},
		{&g.names.PastKey, d.Inputs.PastKey},
		{&g.names.PastValue, d.Inputs.PastValue},
		{&g.names.Key, d.Outputs.Key},
		{&g.names.Value, d.Outputs.Value},
		{&g.names.Logits, d.Outputs.Logits},
	} {
		if s.say != "" {
			*s.to = s.say
		}
	}
	return g, nil
}

// remembers says whether a model takes keys and values, and so makes text.
func (n names) remembers(inputs []core.TensorInfo) bool {
	return slices.ContainsFunc(inputs, func(i core.TensorInfo) bool { return i.Name == layer(n.PastKey, 0) })
}

// layer puts the number of a layer into a pattern.
func layer(pattern string, i int) string { return strings.Replace(pattern, "%d", strconv.Itoa(i), 1) }

func noText(format string, args ...any) error {
	return core.Errorf(core.CodeBadModel, "The model makes no text here: %s. Export it again, with a cache of keys and values and without other inputs.", core.Errorf(core.CodeBadModel, format, args...).Message)
}

// newCausal checks that a session is what makes text, and says how.
func newCausal(f *files, inputs, outputs []core.TensorInfo, spec engine.LoadSpec) (*causal, error) {
	g := f.generation
	c := &causal{context: defaultContext, batch: defaultBatch, ends: g.ends, logits: g.names.Logits}
	if g.context > 0 {
		c.context = min(c.context, g.context)
	}
	if spec.Context > 0 {
		if c.context = spec.Context; g.context > 0 {
			c.context = min(c.context, g.context)
		}
	}
	if spec.Batch > 0 {
		c.batch = spec.Batch
	}
	if c.context < 2 {
		return nil, noText("its context of %d tokens holds no answer", c.context)
	}
	if f.tokenizer == nil {
		return nil, noText("its folder has no %s", "tokenizer.json")
	}
	if err := c.inputs(g, inputs, outputs); err != nil {
		return nil, err
	}
	out, err := named(outputs, c.logits, "output")
	if err != nil {
		return nil, err
	}
	if len(out.Shape) != 3 || out.Type != core.FP32 && out.Type != core.FP16 {
		return nil, noText("its %.80q is %s %v instead of FP32 or FP16 with three dimensions", out.Name, out.Type, out.Shape)
	}
	if c.vocabulary = f.tokenizer.Size(); out.Shape[2] > 0 {
		c.vocabulary = min(c.vocabulary, int(out.Shape[2]))
	}
	for _, id := range c.ends {
		if id < 0 || id >= f.tokenizer.Size() {
			return nil, noText("its files name the token %d as an end, and it has the tokens 0 to %d", id, f.tokenizer.Size()-1)
		}
	}
	return c, nil
}

func named(list []core.TensorInfo, name, what string) (core.TensorInfo, error) {
	i := slices.IndexFunc(list, func(t core.TensorInfo) bool { return t.Name == name })
	if i < 0 {
		return core.TensorInfo{}, noText("it has no %s %.80q", what, name)
	}
	return list[i], nil
}

// inputs finds what each input is.
func (c *causal) inputs(g generation, inputs, outputs []core.TensorInfo) error {
	known := map[string]*string{g.names.IDs: &c.ids, g.names.Mask: &c.mask, g.names.Positions: &c.positions}
	for _, in := range inputs {
		switch to, ok := known[in.Name]; {
		case ok && in.Type == core.Int64 && len(in.Shape) == 2:
			*to = in.Name
		case ok:
			return noText("its input %.80q is %s %v instead of INT64 with two dimensions", in.Name, in.Type, in.Shape)
		case in.Name == "use_cache_branch" && in.Type == core.Bool:
			c.branch = in.Name
		case in.Name == "num_logits_to_keep" && in.Type == core.Int64 && len(in.Shape) == 0:
			c.keep = in.Name
		case len(in.Shape) == 4:
			if err := c.remember(g, in, outputs); err != nil {
				return err
			}
		default:
			return noText("it has the input %.80q, whose meaning is not known", in.Name)
		}
	}
	if c.ids == "" {
		return noText("it has no input %.80q", g.names.IDs)
	}
	return nil
}

// remember joins an input of keys or values to its output.
func (c *causal) remember(g generation, in core.TensorInfo, outputs []core.TensorInfo) error {
	m := memory{in: in.Name, typ: types()[in.Type], tokens: 2}
	for i := 0; m.out == "" && i <= len(outputs); i++ {
		switch in.Name {
		case layer(g.names.PastKey, i):
			m.out = layer(g.names.Key, i)
		case layer(g.names.PastValue, i):
			m.out = layer(g.names.Value, i)
		}
	}
	if m.out == "" || ort.Size(m.typ) == 0 {
		return noText("it has the input %.80q, whose meaning is not known", in.Name)
	}
	if _, err := named(outputs, m.out, "output"); err != nil {
		return err
	}
	m.shape = []int64{1, int64(g.heads), 0, int64(g.head)}
	for _, at := range []int{1, 3} {
		if in.Shape[at] > 0 {
			m.shape[at] = in.Shape[at]
		}
		if m.shape[at] < 1 {
			return noText("the sizes of its %.80q are not known; a config.json must lie beside the model", in.Name)
		}
	}
	if in.Shape[0] > 1 || in.Shape[2] >= 0 {
		return noText("its %.80q has the fixed shape %v, and must grow with the text", in.Name, in.Shape)
	}
	c.past = append(c.past, m)
	return nil
}

// perToken is how many bytes the keys and values of a token take.
func (c *causal) perToken() int64 {
	n := int64(0)
	for _, m := range c.past {
		n += m.shape[1] * m.shape[3] * int64(ort.Size(m.typ))
	}
	return n
}
