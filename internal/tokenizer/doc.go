// Package tokenizer turns text into token ids and back as a Hugging Face tokenizer.json says, for runtimes that bring no
// tokenizer of their own. The folders below hold one stage each: normal rewrites, split cuts, model makes ids, decode makes
// text again; this package reads the file, finds added tokens in the text, and puts special tokens around it.
//
// It is pure: bytes in, values out. The file comes from strangers, so every table is bounded and every stage takes time
// that grows no faster than n log n with the text. What it does not know it refuses by name, since a tokenizer that is
// almost right makes a model quietly worse.
package tokenizer
