package core

import "fmt"

// Overflow says by how much a prompt does not fit a model's context. All are numbers of tokens.
type Overflow struct {
	Prompt  int `json:"prompt"`  // what the prompt has
	Context int `json:"context"` // what the model's context holds
	Answer  int `json:"answer"`  // what of that is kept for the answer
}

// Most is how many tokens a prompt may have.
func (o Overflow) Most() int { return o.Context - o.Answer }

// TooLong is the CodeContextExceeded of one field of the request. What names what is too long, as the beginning of a sentence
// that ends with the number of its tokens. The first sentence is the one by which OpenAI's clients know the case.
func TooLong(param, what string, o Overflow) *Error {
	room := ""
	if o.Answer > 0 {
		room = fmt.Sprintf(", of which %d is kept for the answer", o.Answer)
	}
	return &Error{
		Code: CodeContextExceeded, Param: param, Overflow: &o,
		Message: fmt.Sprintf("This model's maximum context length is %d tokens%s. However, %s resulted in %d tokens. Shorten it, or load the model with a larger context where it has one.", o.Context, room, what, o.Prompt),
	}
}
