package openai

import (
	"strconv"
	"unicode/utf8"

	"ashatai/internal/core"
)

// appendChatLogprobs appends the chat form of logprobs, or null for none.
func appendChatLogprobs(dst []byte, tokens []core.Token) []byte {
	if len(tokens) == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"content":[`...)
	for i := range tokens {
		t := &tokens[i]
		dst = comma(dst, i)
		dst = appendTokenFields(append(dst, '{'), t)
		dst = append(dst, `,"top_logprobs":[`...)
		for j := range t.Top {
			dst = comma(dst, j)
			dst = append(appendTokenFields(append(dst, '{'), &t.Top[j]), '}')
		}
		dst = append(dst, "]}"...)
	}
	return append(dst, `],"refusal":null}`...)
}

func appendTokenFields(dst []byte, t *core.Token) []byte {
	dst = append(dst, `"token":`...)
	dst = appendString(dst, t.Bytes)
	dst = append(dst, `,"logprob":`...)
	dst = appendLogprob(dst, t.Logprob)
	dst = append(dst, `,"bytes":[`...)
	for i, b := range t.Bytes {
		dst = comma(dst, i)
		dst = strconv.AppendUint(dst, uint64(b), 10)
	}
	return append(dst, ']')
}

// appendTextLogprobs appends the older form, of the completions endpoint. offset is the place of the first token's text
// in the choice's text, in characters; the place after the last token is returned.
func appendTextLogprobs(dst []byte, tokens []core.Token, offset int) ([]byte, int) {
	if len(tokens) == 0 {
		return append(dst, "null"...), offset
	}
	dst = append(dst, `{"tokens":[`...)
	for i := range tokens {
		dst = appendTokenName(comma(dst, i), tokens[i].Bytes)
	}
	dst = append(dst, `],"token_logprobs":[`...)
	for i := range tokens {
		dst = appendLogprob(comma(dst, i), tokens[i].Logprob)
	}
	dst = append(dst, `],"top_logprobs":[`...)
	for i := range tokens {
		dst = append(comma(dst, i), '{')
		for j := range tokens[i].Top {
			t := &tokens[i].Top[j]
			dst = append(appendTokenName(comma(dst, j), t.Bytes), ':')
			dst = appendLogprob(dst, t.Logprob)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `],"text_offset":[`...)
	for i := range tokens {
		dst = strconv.AppendInt(comma(dst, i), int64(offset), 10)
		offset += utf8.RuneCount(tokens[i].Bytes)
	}
	return append(dst, "]}"...), offset
}

// appendTokenName appends a token's text. In this form the text is also a key and there is no list of bytes, so a token
// that is not whole UTF-8 is spelled out: "bytes:\xe2\x82".
func appendTokenName(dst, b []byte) []byte {
	if utf8.Valid(b) {
		return appendString(dst, b)
	}
	dst = append(dst, `"bytes:`...)
	for _, c := range b {
		dst = append(dst, '\\', '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, '"')
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ',')
	}
	return dst
}
