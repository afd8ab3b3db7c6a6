package tokenizer

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/tokenizer/charsmaptest"
)

type object = map[string]any

// small is a file with a little vocabulary of each kind of model, for settings that no published file has.
func small(kind string) object {
	var characters []string
	for i, s := range scripts() {
		for _, r := range s {
			if i%3 != 1 { // some are unknown
				characters = append(characters, string(r))
			}
		}
	}
	characters = append(characters, "▁", "Ġ", "'", "s", "t")
	slices.Sort(characters)
	characters = slices.Compact(characters)
	words := strings.Fields("the qu ick quick br own fox ca an can n't 't ll ▁t ▁th ▁the Ġt Ġth Ġthe ▁▁ 12 123 日本 日本語 кот αβ ing runn running ab abc ##a ##b ##c ##ing ##1 ##12 a</w> b</w> the</w>")
	all := append(append([]string{"<unk>", "<pad>", "<s>", "</s>"}, characters...), words...)
	for b := range 256 {
		all = append(all, "<0x"+strings.ToUpper(string("0123456789abcdef"[b>>4])+string("0123456789abcdef"[b&15]))+">")
	}
	vocab := object{}
	for i, s := range all {
		if _, ok := vocab[s]; !ok {
			vocab[s] = i
		}
	}
	var model object
	switch kind {
	case "WordLevel":
		model = object{"type": kind, "vocab": vocab, "unk_token": "<unk>"}
	case "WordPiece":
		model = object{"type": kind, "vocab": vocab, "unk_token": "<unk>", "continuing_subword_prefix": "##", "max_input_chars_per_word": 20}
	case "Unigram":
		var scored [][]any
		seen := map[string]bool{}
		for i, s := range all {
			if !seen[s] {
				scored = append(scored, []any{s, -1 - math.Mod(float64(i)*0.37, 9)})
			}
			seen[s] = true
		}
		model = object{"type": kind, "vocab": scored, "unk_id": 0, "byte_fallback": false}
	case "BPE":
		merges := []string{"t h", "th e", "▁ t", "▁t h", "▁th e", "Ġ t", "Ġt h", "Ġth e", "i n", "in g", "1 2", "12 3", "日 本", "日本 語", "▁ ▁", "a b", "ab c", "a n", "c a"}
		for _, s := range []string{"th", "in", "an"} {
			if _, ok := vocab[s]; !ok {
				vocab[s] = len(all) + len(s)*100 + int(s[0])
			}
		}
		// Ids without a gap: the oracle counts on it.
		vocab = dense(vocab)
		model = object{"type": kind, "vocab": vocab, "merges": merges, "unk_token": "<unk>", "fuse_unk": false, "byte_fallback": false, "dropout": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil}
	}
	if v, ok := model["vocab"].(object); ok {
		model["vocab"] = dense(v)
	}
	return object{
		"version": "1.0", "truncation": nil, "padding": nil, "normalizer": nil, "pre_tokenizer": nil, "post_processor": nil, "decoder": nil,
		"added_tokens": []object{addedToken("<unk>", 0, nil), addedToken("<s>", 2, nil), addedToken("</s>", 3, nil)}, "model": model,
	}
}

func dense(v object) object {
	keys := slices.SortedFunc(maps.Keys(v), func(a, b string) int { return v[a].(int) - v[b].(int) })
	out := object{}
	for i, k := range keys {
		out[k] = i
	}
	return out
}

func addedToken(content string, id int, change object) object {
	t := object{"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}
	maps.Copy(t, change)
	return t
}

// variant is a model with other settings.
type variant struct {
	name  string
	model string
	set   object // members of the file
	in    object // members of its model
	added []object
}

func regex(s string) object   { return object{"Regex": s} }
func literal(s string) object { return object{"String": s} }

func byType(kind string, members object) object {
	o := object{"type": kind}
	maps.Copy(o, members)
	return o
}

func list(member string, of ...object) object {
	return object{"type": "Sequence", member: of}
}

func variants() []variant {
	pre := func(kind string, members object) object { return object{"pre_tokenizer": byType(kind, members)} }
	norm := func(kind string) object { return object{"normalizer": byType(kind, nil)} }
	dec := func(kind string, members object) object { return object{"decoder": byType(kind, members)} }
	meta := func(scheme string, split bool) object {
		return object{"replacement": "▁", "prepend_scheme": scheme, "split": split}
	}
	v := []variant{
		{name: "unigram metaspace", model: "Unigram", set: object{"pre_tokenizer": byType("Metaspace", meta("always", true)), "decoder": byType("Metaspace", meta("always", true))}},
		{name: "unigram metaspace first", model: "Unigram", set: object{"pre_tokenizer": byType("Metaspace", meta("first", false)), "decoder": byType("Metaspace", meta("first", true))}},
		{name: "unigram metaspace never", model: "Unigram", set: object{"pre_tokenizer": byType("Metaspace", meta("never", true)), "decoder": byType("Metaspace", meta("never", true))}},
		{name: "unigram bytes", model: "Unigram", in: object{"byte_fallback": true}, set: object{"decoder": list("decoders", byType("ByteFallback", nil), byType("Fuse", nil))}},
		{name: "precompiled", model: "Unigram", set: object{"normalizer": list("normalizers", byType("Precompiled", object{"precompiled_charsmap": charsmaptest.Build(map[string]string{
			"ﬁ": "fi", "½": "1/2", "²": "2", "Ä": "A", "e\u0301": "é", "a\u0301": "á", "c": "C", "\r\n": " ", "\n": " ", "\t": " ", "漢": "", "①": "1", "👍🏽": "y", "ß": "ss", "\u3000": " ",
		})}), byType("Replace", object{"pattern": regex(" {2,}"), "content": "▁"}))}},
		{name: "words", model: "WordLevel", set: pre("Whitespace", nil)},
		{name: "words by spaces", model: "WordLevel", set: pre("WhitespaceSplit", nil)},
		{name: "words by bert", model: "WordLevel", set: pre("BertPreTokenizer", nil)},
		{name: "delimiter", model: "WordLevel", set: pre("CharDelimiterSplit", object{"delimiter": "e"})},
		{name: "digits", model: "BPE", set: pre("Digits", object{"individual_digits": true})},
		{name: "runs of digits", model: "BPE", set: pre("Digits", object{"individual_digits": false})},
		{name: "bpe fused", model: "BPE", in: object{"fuse_unk": true}},
		{name: "bpe bytes", model: "BPE", in: object{"byte_fallback": true}},
		{name: "bpe without unknown", model: "BPE", in: object{"unk_token": nil}},
		{name: "bpe suffix", model: "BPE", in: object{"end_of_word_suffix": "</w>"}, set: object{"pre_tokenizer": byType("WhitespaceSplit", nil), "decoder": byType("BPEDecoder", object{"suffix": "</w>"})}},
		{name: "bpe prefix", model: "BPE", in: object{"continuing_subword_prefix": "##", "merges": []string{"a ##b"}}, set: pre("WhitespaceSplit", nil)},
		{name: "byte level with a space", model: "BPE", set: object{"pre_tokenizer": byType("ByteLevel", object{"add_prefix_space": true, "trim_offsets": true, "use_regex": true}), "decoder": byType("ByteLevel", object{"add_prefix_space": true, "trim_offsets": true, "use_regex": true})}},
		{name: "byte level in the middle", model: "BPE", set: object{"pre_tokenizer": list("pretokenizers", byType("Punctuation", object{"behavior": "Contiguous"}), byType("ByteLevel", object{"add_prefix_space": false, "trim_offsets": true, "use_regex": true}), byType("Digits", object{"individual_digits": false}), byType("Split", object{"pattern": regex("[0-9][0-9][0-9]"), "behavior": "Isolated", "invert": false}))}},
		{name: "byte level as normalizer", model: "BPE", set: norm("ByteLevel")},
		{name: "word pieces", model: "WordPiece", set: object{"pre_tokenizer": byType("Whitespace", nil), "decoder": byType("WordPiece", object{"prefix": "##", "cleanup": false})}},
		{name: "nfkc", model: "BPE", set: norm("NFKC")},
		{name: "nfkd", model: "BPE", set: norm("NFKD")},
		{name: "nfd and accents", model: "BPE", set: object{"normalizer": list("normalizers", byType("NFD", nil), byType("StripAccents", nil), byType("Lowercase", nil), byType("Strip", object{"strip_left": true, "strip_right": true}))}},
		{name: "nmt", model: "BPE", set: norm("Nmt")},
		{name: "strip left, prepend", model: "BPE", set: object{"normalizer": list("normalizers", byType("Strip", object{"strip_left": true, "strip_right": false}), byType("Prepend", object{"prepend": "▁"}), byType("Replace", object{"pattern": regex(" {2,}"), "content": "▁"}))}},
		{name: "bert, cased, accents off", model: "WordPiece", set: object{"normalizer": byType("BertNormalizer", object{"clean_text": false, "handle_chinese_chars": false, "strip_accents": true, "lowercase": false}), "pre_tokenizer": byType("BertPreTokenizer", nil)}},
		{name: "replace and strip in the decoder", model: "BPE", set: object{"decoder": list("decoders", byType("Replace", object{"pattern": literal("▁"), "content": " "}), byType("Strip", object{"content": " ", "start": 2, "stop": 0}), byType("ByteFallback", nil))}},
		{name: "ctc", model: "BPE", set: dec("CTC", object{"pad_token": "<pad>", "word_delimiter_token": "▁", "cleanup": true})},
		{name: "roberta", model: "BPE", set: object{"post_processor": byType("RobertaProcessing", object{"sep": []any{"</s>", 3}, "cls": []any{"<s>", 2}, "trim_offsets": true, "add_prefix_space": false})}},
		{name: "template in a sequence", model: "BPE", set: object{"post_processor": list("processors", byType("ByteLevel", object{"add_prefix_space": true, "trim_offsets": false, "use_regex": true}), byType("TemplateProcessing", object{
			"single": []object{{"Sequence": object{"id": "A", "type_id": 0}}, {"SpecialToken": object{"id": "</s>", "type_id": 0}}}, "pair": []object{{"Sequence": object{"id": "B", "type_id": 1}}, {"SpecialToken": object{"id": "</s>", "type_id": 1}}, {"Sequence": object{"id": "A", "type_id": 0}}},
			"special_tokens": object{"</s>": object{"id": "</s>", "ids": []int{3, 2}, "tokens": []string{"</s>", "<s>"}}},
		}))}},
		{name: "added tokens", model: "BPE", set: norm("Lowercase"), added: []object{
			addedToken("the", 900, object{"special": false, "single_word": true}), addedToken("<MASK>", 901, object{"lstrip": true}), addedToken("<End>", 902, object{"rstrip": true}),
			addedToken("QUICK", 903, object{"normalized": true, "special": false}), addedToken("fox", 904, object{"lstrip": true, "rstrip": true, "normalized": true, "special": false}), addedToken("foxes", 905, object{"special": false}), addedToken(" \n", 906, object{"special": false, "lstrip": true}),
		}},
	}
	for _, b := range []string{"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"} {
		v = append(v,
			variant{name: "signs " + b, model: "BPE", set: pre("Punctuation", object{"behavior": b})},
			variant{name: "split " + b, model: "BPE", set: pre("Split", object{"pattern": regex(`\s+`), "behavior": b, "invert": false})},
			variant{name: "split by others " + b, model: "BPE", set: pre("Split", object{"pattern": regex(`\p{N}{1,3}`), "behavior": b, "invert": true})})
	}
	for name, expr := range expressions() {
		v = append(v, variant{name: name, model: "BPE", set: pre("Split", object{"pattern": regex(expr), "behavior": "Isolated", "invert": false})})
	}
	return v
}

// expressions are those of published tokenizers that have no vocabulary here.
func expressions() map[string]string {
	return map[string]string{
		"gpt-4":      `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`,
		"gpt-2":      `'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
		"deepseek":   "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
		"deepseek 2": `[一-龥぀-ゟ゠-ヿ]+`,
		"tekken":     `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
		"with marks": `[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
		"single":     `\d{1,3}|[\r\n]+| +|\s`,
		"single 2":   `[0-9]|[\r\n]|\d|\p{N}+`,
	}
}

func TestSettingsSameAsTheOracle(t *testing.T) {
	dir := t.TempDir()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			file := small(v.model)
			maps.Copy(file, v.set)
			model, ok := file["model"].(object)
			if !ok {
				t.Fatal("no model")
			}
			maps.Copy(model, v.in)
			if tokens, ok := file["added_tokens"].([]object); ok && len(v.added) > 0 {
				vocab, ok := model["vocab"].(object)
				if !ok {
					t.Fatal("no vocabulary")
				}
				next := len(vocab)
				for _, a := range v.added {
					a["id"] = next
					if _, known := vocab[a["content"].(string)]; !known {
						next++
					}
					tokens = append(tokens, a)
				}
				file["added_tokens"] = tokens
			}
			b, err := json.Marshal(file)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, strings.ReplaceAll(v.name, " ", "-")+".json")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			tok := load(t, path)
			extra := []string{"the fox, the foxes; The QUICK<MASK> <mask>", "x <MASK> y <End>  z", "<End>\n\n <End>", "other the bathe the", "  fox  fox ", " \n \n<MASK>", "the'the", "quick QUICK", "foxfoxes"}
			compareOn(t, path, tok, append(extra, nasty(3, 400, spelled(tok))...))
		})
	}
}
