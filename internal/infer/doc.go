// Package infer turns a request into work for the fleet, and what a model writes into what it says: it finds the model,
// renders the conversation with the model's chat template, fills in every sampling choice, says what the answer is held to
// (a tool choice and the schemas of tools and formats become a grammar) and what the work is worth in the queue; it reads
// text, reasoning and tool calls out of the answer, and holds a finished one to the schemas once more. It loads nothing,
// queues nothing, computes no token and runs no tool.
package infer
