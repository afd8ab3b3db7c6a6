// Package wire is the worker protocol: the frames that the server and a worker process exchange, and the arguments that a
// worker is started with. It moves bytes and checks their shape; it does not know what a request means, and it starts and
// ends nothing.
//
// # Channel
//
// The worker inherits one end of a stream socket pair as file descriptor 3 (on Windows: its standard input and output).
// Nothing else is shared: no port, no token. Either side's death closes the channel, and a worker ends when its channel
// closes. Standard error is free text for the log; the last of it goes into the report of an exit.
//
// # Frame
//
// All integers are little-endian.
//
//	u32  length   of everything after this field; at least 9, at most 64 MiB
//	u8   kind     what the frame is, see the table
//	u32  call     the request it belongs to; 0 for the worker itself
//	u32  json     length of the JSON header; 0 when there is none; at most length - 9
//	     header   a JSON object, UTF-8; unknown keys are an error
//	     tail     raw bytes up to the end of the frame; where it has several parts, each begins at a multiple of 64 of the
//	              tail, and the bytes between them mean nothing
//
// # Order
//
// The worker speaks first: hello (call 0). The server answers with probe, load or variant, on a call of its own choosing; one
// worker loads one model, or makes one variant, in its life. Calls get numbers from the server, none twice while it runs; frames of different
// calls mix freely, frames of one call keep their order. From hello on the worker sends a heartbeat at the interval given
// in its arguments, from a thread that never runs a model; a worker that is silent for several of them is killed. A frame
// that breaks these rules ends the connection.
//
//	kind  name         from    header                            tail             answered by
//	   1  hello        worker  Hello                             -                probe or load
//	   2  heartbeat    worker  -                                 -                -
//	   3  fatal        worker  Fatal                             -                the worker ends
//	   4  probe        server  -                                 -                status
//	   5  status       worker  Status                            -                -
//	   6  load         server  Load                              -                progress*, then loaded or error
//	   7  progress     worker  Progress                          -                -
//	   8  loaded       worker  Loaded                            -                -
//	   9  generate     server  Generate                          -                accepted event* end, or error at any point
//	  10  accepted     worker  -                                 -                -
//	  11  event        worker  Event, or - for plain text of     the text, UTF-8  -
//	                           choice 0
//	  12  end          worker  -                                 -                -
//	  13  error        worker  Error                             -                the call is over
//	  14  cancel       server  -                                 -                error of the call, if it was running
//	  15  embed        server  Embed                             -                vectors+, or error
//	  16  vectors      worker  Vectors                           f32 × count ×    -
//	                                                             dimensions
//	  17  tokenize     server  Tokenize                          -                tokens, or error
//	  18  tokens       worker  -                                 i32 per token    -
//	  19  detokenize   server  -                                 i32 per token    bytes, or error
//	  20  bytes        worker  -                                 the bytes        -
//	  21  stats        server  -                                 -                stats_now, or error
//	  22  stats_now    worker  Stats                             -                -
//	  23  close        server  -                                 -                the worker closes its model and ends
//	  24  variant      server  engine.VariantSpec                -                progress*, then variant_made or error
//	  25  variant_made worker  engine.Variant                    -                -
//	  26  share        server  Share                             -                -
//	  27  rerank       server  Rerank                            -                vectors of length 1, or error
//	  28  infer        server  Infer                             a part for each  tensors+, or error
//	                                                             tensor, in order
//	  29  tensors      worker  Tensors                           a part for each  -
//	                                                             tensor, in order
//	  30  devices      server  Devices                           -                device_list, or error
//	  31  device_list  worker  device.Report                     -                -
//
// The headers are the structs of this package with their JSON keys; durations are integers of the unit that the key
// names. Error codes are those of package core. A call with timeout_ms set ends with deadline_exceeded by itself.
//
// # End
//
// Exit code 0: asked to by close, or the channel closed. 64: wrong arguments. 70: a panic, told by fatal before. 76: the
// server broke the protocol. 1: anything else.
package wire
