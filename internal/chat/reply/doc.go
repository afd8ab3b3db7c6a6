// Package reply knows how families of models write their answers: where their reasoning stands, and how they call tools.
// It finds a family by the text of a chat template, reads a stream of text into pieces of text, reasoning and calls, and
// writes the grammar that holds a model to its family's form. It runs no tool, checks no argument against a schema, and
// does no I/O.
//
// # Models whose template knows no tools
//
// Such a model is asked for the plain form: the text of Instructions stands at the end of the system message, a call in
// the history is written by Plain.Write into the assistant's turn, and a result is the user's turn
//
//	<tool_response>
//	the result
//	</tool_response>
//
// # What a reader promises
//
// The pieces of a text do not depend on how the text was cut when it was fed. No marker of the family stands in a piece,
// not even in part, apart from the one case below. White space between text and a call is dropped.
//
// A call has begun when its name and the opening brace of its arguments are known; from then on its arguments are given
// out as they come. What looks like a call and turns out, before that, not to be one (it is no JSON, it has no name, the
// text ends first) is given as text, without the markers around it. A begun call that breaks, or that the model ends in
// the middle of, is an error: part of it was given out already. A text that was cut (the token limit, a stop string) is
// no error: the begun call stays unfinished, and the beginning of a marker at the very end is dropped where it is longer
// than one byte.
package reply
