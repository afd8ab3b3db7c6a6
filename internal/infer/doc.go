// Package infer turns a request into work for the fleet: it finds the model, renders the conversation with the model's
// chat template, fills in every sampling choice, and says what the work is worth in the queue. It loads nothing, queues
// nothing and computes no token.
package infer
