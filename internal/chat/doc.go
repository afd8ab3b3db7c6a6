// Package chat turns a conversation into a prompt by a model's own chat template. Every piece of the prompt says whether
// the template wrote it or a user did, so that control tokens are recognised in the template's text only. It refuses
// templates and conversations beyond its budgets, and does no I/O: the time of day and the wish to stop come from the caller.
package chat
