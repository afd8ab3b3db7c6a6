package onnxfiletest

import "encoding/json"

// ByteVocabulary is a tokenizer.json whose tokens are the 256 bytes, two words, and end as number 258.
func ByteVocabulary(end string) string {
	vocab := map[string]int{}
	next := rune(256)
	for b := range 256 { // the alphabet of GPT-2: bytes that do not print stand as letters from 256 on
		r := rune(b)
		if b < '!' || b > '~' && b < 0xa1 || b == 0xad {
			r, next = next, next+1
		}
		vocab[string(r)] = b
	}
	vocab["th"], vocab["the"] = 256, 257
	file := map[string]any{
		"version": "1.0", "normalizer": nil, "post_processor": nil,
		"added_tokens":  []any{map[string]any{"id": 258, "content": end, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}},
		"pre_tokenizer": map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
		"decoder":       map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
		"model":         map[string]any{"type": "BPE", "vocab": vocab, "merges": []string{"t h", "th e"}},
	}
	b, err := json.Marshal(file)
	if err != nil {
		panic(err) // plain values
	}
	return string(b)
}
