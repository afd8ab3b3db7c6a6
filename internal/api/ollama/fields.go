package ollama

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// Decision says what the server does with a field of a request.
type Decision string

// The decisions.
const (
	Honoured Decision = "honoured" // it shapes the answer
	Refused  Decision = "refused"  // 400 that names the field, except for the values in Accepts
	Ignored  Decision = "ignored"  // accepted with any value and without effect
)

// The endpoints that Fields names. EndpointOptions is the object that three of them take, and create's parameters.
const (
	EndpointGenerate   = "generate"
	EndpointChat       = "chat"
	EndpointOptions    = "options"
	EndpointEmbed      = "embed"
	EndpointEmbeddings = "embeddings"
	EndpointShow       = "show"
	EndpointCreate     = "create"
	EndpointPull       = "pull"
	EndpointPush       = "push"
	EndpointCopy       = "copy"
	EndpointDelete     = "delete"
)

// Field is one field of one endpoint's request and what becomes of it. A nested field's name has its parent's before a
// dot. Null counts as absent everywhere, and a field that is not listed is refused.
type Field struct {
	Endpoint string
	Name     string
	Decision Decision
	Accepts  []string // compact JSON values of a refused field that ask for nothing, and so pass
	Note     string
}

const (
	noImages  = "No model that sees images is served; send text"
	noPicture = "The server makes no pictures"
	ownFile   = "How a model file is loaded is for the server's settings."
	noShift   = "A conversation that does not fit its context is refused, with both numbers, and not cut"
	former    = "The former name of model; both may be given when they are equal."
)

// Fields lists every field that the endpoints know. The slice is the caller's.
func Fields() []Field {
	return slices.Concat(generateFields(), chatFields(), optionFields(), embedFields(), manageFields())
}

// commonFields are those of both text endpoints.
func commonFields(ep string) []Field {
	return []Field{
		{ep, "model", Honoured, nil, ""},
		{ep, "stream", Honoured, nil, "True when absent."},
		{ep, "format", Honoured, nil, "\"json\", or a JSON schema; \"\" is none."},
		{ep, "keep_alive", Honoured, nil, "Seconds or a time such as 5m; negative is for ever, 0 is not at all. For callers that may operate the server."},
		{ep, "options", Honoured, nil, ""},
		{ep, "think", Honoured, nil, "True, false, \"low\", \"medium\" or \"high\"."},
		{ep, "logprobs", Honoured, nil, ""},
		{ep, "top_logprobs", Honoured, nil, "0 to 20; needs logprobs."},
		{ep, "truncate", Refused, []string{"false"}, noShift},
		{ep, "shift", Refused, []string{"false"}, noShift},
		{ep, "_debug_render_only", Refused, []string{"false"}, "Prompts are not shown"},
	}
}

func generateFields() []Field {
	const ep = EndpointGenerate
	return slices.Concat(commonFields(ep), []Field{
		{ep, "prompt", Honoured, nil, "Absent or empty: the model is loaded, or unloaded when keep_alive is 0."},
		{ep, "system", Honoured, nil, "In place of the model's own."},
		{ep, "context", Honoured, nil, "What an earlier answer of the same model returned: its conversation goes on."},
		{ep, "raw", Honoured, nil, "The prompt goes to the model without a template; system and context are refused then."},
		{ep, "suffix", Refused, []string{`""`}, "Text is not filled into a gap"},
		{ep, "template", Refused, []string{`""`}, "A request cannot bring its own template; make a model that has it with POST /api/create"},
		{ep, "images", Refused, []string{`[]`}, noImages},
		{ep, "width", Refused, []string{"0"}, noPicture},
		{ep, "height", Refused, []string{"0"}, noPicture},
		{ep, "steps", Refused, []string{"0"}, noPicture},
	})
}

func chatFields() []Field {
	const ep = EndpointChat
	return slices.Concat(commonFields(ep), []Field{
		{ep, "messages", Honoured, nil, "Absent or empty: the model is loaded, or unloaded when keep_alive is 0."},
		{ep, "messages.role", Honoured, nil, "system, user, assistant or tool."},
		{ep, "messages.content", Honoured, nil, "A string."},
		{ep, "messages.thinking", Honoured, nil, "Given to the chat template, which may leave it out."},
		{ep, "messages.tool_calls", Honoured, nil, "What the assistant asked for."},
		{ep, "messages.tool_name", Honoured, nil, "Which tool a message of the role tool answers for."},
		{ep, "messages.tool_call_id", Honoured, nil, "Which call it answers; absent: the first open one of tool_name."},
		{ep, "messages.images", Refused, []string{`[]`}, noImages},
		{ep, "tools", Honoured, nil, "Functions."},
	})
}

func optionFields() []Field {
	const ep = EndpointOptions
	return []Field{
		{ep, "temperature", Honoured, nil, "0 (greedy) to 5."},
		{ep, "top_k", Honoured, nil, "0 or less is off."},
		{ep, "top_p", Honoured, nil, ""},
		{ep, "min_p", Honoured, nil, ""},
		{ep, "typical_p", Honoured, nil, ""},
		{ep, "repeat_last_n", Honoured, nil, "-1 is the whole context."},
		{ep, "repeat_penalty", Honoured, nil, ""},
		{ep, "presence_penalty", Honoured, nil, ""},
		{ep, "frequency_penalty", Honoured, nil, ""},
		{ep, "seed", Honoured, nil, "-1 is a new one each time."},
		{ep, "stop", Honoured, nil, "Up to 16 strings."},
		{ep, "num_predict", Honoured, nil, "0, -1 and -2: until the context is full. In create, only those."},
		{ep, "num_ctx", Honoured, nil, "Least tokens of context where the request is the one that loads the model; a loaded one with fewer goes on, and the header X-Ashatai-Fallback says so."},
		{ep, "num_batch", Ignored, nil, "The runtime chooses; engine.batch sets it."},
		{ep, "num_thread", Ignored, nil, "The runtime chooses; engine.threads sets it."},
		{ep, "num_gpu", Ignored, nil, ownFile},
		{ep, "main_gpu", Ignored, nil, ownFile},
		{ep, "use_mmap", Ignored, nil, ownFile},
		{ep, "use_mlock", Ignored, nil, ownFile},
		{ep, "low_vram", Ignored, nil, ownFile},
		{ep, "f16_kv", Ignored, nil, ownFile},
		{ep, "numa", Ignored, nil, ownFile},
		{ep, "draft_num_predict", Ignored, nil, "It changes speed, not text."},
		{ep, "num_keep", Ignored, nil, "It is for a context that is shifted, and none is here."},
		{ep, "logits_all", Refused, []string{"false"}, "Ask for logprobs"},
		{ep, "vocab_only", Refused, []string{"false"}, "A model is loaded whole"},
		{ep, "embedding_only", Refused, []string{"false"}, "POST /api/embed makes vectors"},
		{ep, "tfs_z", Refused, []string{"1", "1.0"}, "Tail-free sampling is not available; use min_p"},
		{ep, "mirostat", Refused, []string{"0"}, "Mirostat is not available; use temperature and min_p"},
		{ep, "mirostat_tau", Ignored, nil, "It is only for mirostat."},
		{ep, "mirostat_eta", Ignored, nil, "It is only for mirostat."},
		{ep, "penalize_newline", Refused, []string{"true"}, "Penalties count every token"},
	}
}

func embedFields() []Field {
	const keep = "As with generate."
	const options = "Checked; only num_ctx means something here."
	return []Field{
		{EndpointEmbed, "model", Honoured, nil, ""},
		{EndpointEmbed, "input", Honoured, nil, "A string or up to 2048 of them; empty: the model is only looked up."},
		{EndpointEmbed, "truncate", Honoured, nil, "True when absent, as with Ollama: text beyond the context is cut, and the header X-Ashatai-Truncated says so. False refuses it."},
		{EndpointEmbed, "dimensions", Honoured, nil, "Fewer than the model's are cut and scaled to unit length; 0 is all."},
		{EndpointEmbed, "keep_alive", Honoured, nil, keep},
		{EndpointEmbed, "options", Honoured, nil, options},
		{EndpointEmbeddings, "model", Honoured, nil, ""},
		{EndpointEmbeddings, "prompt", Honoured, nil, "Empty: the vector is empty. Text beyond the context is cut, as with embed."},
		{EndpointEmbeddings, "keep_alive", Honoured, nil, keep},
		{EndpointEmbeddings, "options", Honoured, nil, options},
	}
}

func manageFields() []Field {
	const noChange = "show changes nothing; POST /api/create makes a model"
	const registry = "Credentials for other servers are for the server's settings."
	return []Field{
		{EndpointShow, "model", Honoured, nil, ""},
		{EndpointShow, "name", Honoured, nil, former},
		{EndpointShow, "verbose", Ignored, nil, "Lists such as the vocabulary are never sent."},
		{EndpointShow, "system", Refused, []string{`""`}, noChange},
		{EndpointShow, "template", Refused, []string{`""`}, noChange},
		{EndpointShow, "options", Refused, []string{`{}`}, noChange},

		{EndpointCreate, "model", Honoured, nil, ""},
		{EndpointCreate, "name", Honoured, nil, former},
		{EndpointCreate, "stream", Honoured, nil, "True when absent."},
		{EndpointCreate, "from", Honoured, nil, "An installed model."},
		{EndpointCreate, "files", Honoured, nil, "One GGUF file that was uploaded, by name: \"sha256:…\"."},
		{EndpointCreate, "system", Honoured, nil, ""},
		{EndpointCreate, "template", Honoured, nil, "In Jinja, as model files carry it; Ollama's own template language is refused."},
		{EndpointCreate, "license", Honoured, nil, "A string or a list of them."},
		{EndpointCreate, "parameters", Honoured, nil, "As options."},
		{EndpointCreate, "messages", Refused, []string{`[]`}, "A model keeps no conversation; send it with each request"},
		{EndpointCreate, "adapters", Refused, []string{`{}`}, "Adapters are not available on this server yet"},
		{EndpointCreate, "quantize", Refused, []string{`""`}, "The server does not quantize; upload a file that is"},
		{EndpointCreate, "quantization", Refused, []string{`""`}, "The server does not quantize; upload a file that is"},
		{EndpointCreate, "draft_quantize", Refused, []string{`""`}, "The server does not quantize; upload a file that is"},
		{EndpointCreate, "draft_files", Refused, []string{`{}`}, "Draft models are not used"},
		{EndpointCreate, "remote_host", Refused, []string{`""`}, "Models run here"},
		{EndpointCreate, "renderer", Refused, []string{`""`}, "A model's template renders its prompts"},
		{EndpointCreate, "parser", Refused, []string{`""`}, "The server finds the parser by the template"},
		{EndpointCreate, "requires", Refused, []string{`""`}, "Requirements on Ollama's version mean nothing here"},
		{EndpointCreate, "info", Refused, []string{`{}`}, "A model file says what it is"},
		{EndpointCreate, "modelfile", Refused, []string{`""`}, "Send what it says as from, files, system, template and parameters"},
		{EndpointCreate, "path", Refused, []string{`""`}, "Upload the file and name it in files"},

		{EndpointPull, "model", Honoured, nil, ""},
		{EndpointPull, "name", Honoured, nil, former},
		{EndpointPull, "stream", Honoured, nil, "True when absent."},
		{EndpointPull, "insecure", Ignored, nil, "The server's settings say which hosts may be reached."},
		{EndpointPull, "username", Ignored, nil, registry},
		{EndpointPull, "password", Ignored, nil, registry},
		{EndpointPush, "model", Honoured, nil, "Every push is answered with 501."},
		{EndpointPush, "name", Honoured, nil, former},
		{EndpointPush, "stream", Ignored, nil, "Nothing is pushed."},
		{EndpointPush, "insecure", Ignored, nil, "Nothing is pushed."},
		{EndpointPush, "username", Ignored, nil, "Nothing is pushed."},
		{EndpointPush, "password", Ignored, nil, "Nothing is pushed."},
		{EndpointCopy, "source", Honoured, nil, ""},
		{EndpointCopy, "destination", Honoured, nil, ""},
		{EndpointDelete, "model", Honoured, nil, "The exact name; without a tag it is latest."},
		{EndpointDelete, "name", Honoured, nil, former},
	}
}

// table finds a field by its endpoint and name.
type table map[[2]string]Field

func newTable() table {
	t := table{}
	for _, f := range Fields() {
		t[[2]string{f.Endpoint, f.Name}] = f
	}
	return t
}

// screen looks at the raw fields of the struct v, embedded ones too, whose names begin with prefix in the table, and refuses
// the first one that the table refuses. where is put before the name in the error.
func (t table) screen(endpoint, prefix, where string, v any) error {
	return t.screenValue(endpoint, prefix, where, reflect.ValueOf(v))
}

func (t table) screenValue(endpoint, prefix, where string, rv reflect.Value) error {
	for i := range rv.NumField() {
		f := rv.Type().Field(i)
		if f.Anonymous {
			if err := t.screenValue(endpoint, prefix, where, rv.Field(i)); err != nil {
				return err
			}
			continue
		}
		value, ok := reflect.TypeAssert[json.RawMessage](rv.Field(i))
		if !ok || !present(value) {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		d := t[[2]string{endpoint, prefix + name}]
		if d.Decision == Refused && !slices.Contains(d.Accepts, compact(value)) {
			return refuse(where+name, d)
		}
	}
	return nil
}

func refuse(param string, f Field) *core.Error {
	except := " Leave it out."
	if len(f.Accepts) > 0 {
		except = " Leave it out, or send " + strings.Join(f.Accepts, " or ") + "."
	}
	return core.Invalid(param, "%s is not supported with this value. %s.%s", param, strings.TrimSuffix(f.Note, "."), except)
}

// present reports whether a raw field was given; null counts as absent.
func present(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" }

func compact(v json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, v) != nil {
		return string(v)
	}
	return b.String()
}

// show quotes a caller's text for a message and cuts it where it is long.
func show(s string) string {
	if r := []rune(s); len(r) > 64 {
		s = string(r[:64]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
