// Package ollama is Ollama's dialect: every call below /api that its clients send, in its words and shapes. It makes no
// text, moves no model file and holds no model itself; push has nowhere to go and says so.
package ollama
