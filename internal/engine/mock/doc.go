// Package mock is a runtime without a model: it obeys the whole engine contract with made-up text and vectors that are the
// same every time, and it misbehaves on request, so that everything above a runtime can be tested against the real thing's
// worst days. It uses no library, and nothing that it says means anything.
//
// # Model file
//
// A file of the format "mock" is a JSON object: {"format":"mock"} is enough. Optional keys are "context" (tokens, default
// 2048), "dimensions" (of embeddings, default 64) and "options", an object of strings as below. A GGUF file counts as
// {"format":"mock"}: a server that is set to the mock runtime answers for every installed model.
//
// # Options
//
// Options come from the model file, then from LoadSpec.Options, then from the prompt, later ones winning. In a prompt, a
// line of the form
//
//	#mock key=value key=value …
//
// sets those marked (p) for its request; a value ends at a space, except that of reply, which ends with the line.
//
//	load_delay=1s        the load takes this long and tells its progress
//	fail_load=bad_model  the load fails: bad_model, out_of_memory, unavailable or crash
//	load_allocate=BYTES  the load takes and touches this much memory, in steps
//	allocate=BYTES   (p) the request takes and touches this much memory before its first token
//	prefill_delay=1s (p) computing the prompt takes this long
//	token_delay=5ms  (p) each token takes this long
//	delay_after=N    (p) the first N tokens of a request do not take that long
//	reply=TEXT       (p) the answer is TEXT instead of made-up words; a grammar is then taken as obeyed
//	crash_after=N    (p) after N tokens of a request the process ends, in the way that crash says
//	crash=abort      (p) abort (SIGABRT), exit (code 3) or panic; abort is the default
//	hang_after=N     (p) after N tokens the request stops and ignores its context until the model is closed
//	freeze_after=N   (p) after N tokens the whole process stops, heartbeats included (SIGSTOP)
//	garbage_after=N  (p) after N tokens bytes that are no frame go into descriptor 3, the worker's channel
//	ignore_close=true    Close never returns, and SIGTERM is ignored
//
// Those that end or stop the process are for worker processes only.
package mock
