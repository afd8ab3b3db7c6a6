// Drives the server with the official openai client for Node, as an unchanged program would.

import assert from "node:assert/strict";

import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0, timeout: 120_000 }); // address and key come from the environment
const question = [{ role: "user", content: "In one word: what is the capital of France?" }];
const weather = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather of a city.",
    strict: true,
    parameters: {
      type: "object",
      properties: { city: { type: "string", maxLength: 30 } },
      required: ["city"],
      additionalProperties: false,
    },
  },
};

const ids = [];
for await (const m of client.models.list()) ids.push(m.id); // page by page
assert(ids.length > 0, "no models");
const model = ids[0];
assert.equal((await client.models.retrieve(model)).id, model);

// chat
const { data: answer, request_id: requestID } = await client.chat.completions
  .create({ model, messages: question, temperature: 0 })
  .withResponse();
assert.match(answer.choices[0].message.content, /Paris/);
assert.equal(answer.choices[0].finish_reason, "stop");
assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
assert(Math.abs(answer.created - Date.now() / 1000) < 60, "created is not in seconds");
assert(requestID, "no request id");

// stream: the role once, then text, then the reason, then the usage alone
const chunks = [];
const stream = await client.chat.completions.create({
  model, messages: question, temperature: 0, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) chunks.push(chunk);
const last = chunks.pop();
assert.deepEqual(last.choices, []);
assert.equal(last.usage.completion_tokens, answer.usage.completion_tokens);
assert(chunks.every((c) => c.id === last.id && c.object === "chat.completion.chunk" && !c.usage));
assert.deepEqual(chunks.map((c) => c.choices[0].delta.role).filter(Boolean), ["assistant"]);
assert.equal(chunks[0].choices[0].delta.role, "assistant");
assert.equal(chunks.map((c) => c.choices[0].delta.content ?? "").join(""), answer.choices[0].message.content);
assert.deepEqual(chunks.map((c) => c.choices[0].finish_reason).filter(Boolean), ["stop"]);
assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");

// the client's own assembly of a stream
const runner = client.chat.completions.stream({ model, messages: question, temperature: 0 });
assert.equal(await runner.finalContent(), answer.choices[0].message.content);
assert.equal((await runner.finalChatCompletion()).choices[0].finish_reason, "stop");

// tools: a call that must come, whole and in pieces, and the answer to its result
const ask = [{ role: "user", content: "What is the weather in Oslo?" }];
const must = { model, messages: ask, tools: [weather], tool_choice: "required", parallel_tool_calls: false, temperature: 0 };
const called = await client.chat.completions.create(must);
const [call] = called.choices[0].message.tool_calls;
assert.equal(called.choices[0].finish_reason, "tool_calls");
assert.equal(call.function.name, "weather");
assert.equal(typeof JSON.parse(call.function.arguments).city, "string");
const deltas = [];
for await (const chunk of await client.chat.completions.create({ ...must, stream: true }))
  deltas.push(...(chunk.choices[0].delta.tool_calls ?? []));
assert(deltas.length > 2, "the arguments came in one piece");
assert(deltas.every((d) => d.index === 0));
assert.equal(deltas.filter((d) => d.id).length, 1, "the id comes once");
assert.equal(deltas.filter((d) => d.function?.name).length, 1, "the name comes once");
assert.deepEqual(JSON.parse(deltas.map((d) => d.function?.arguments ?? "").join("")), JSON.parse(call.function.arguments));
let asked;
const run = client.chat.completions.runTools({
  model, messages: ask, temperature: 0, max_tokens: 60,
  tool_choice: { type: "function", function: { name: "weather" } },
  tools: [{
    type: "function",
    function: { ...weather.function, parse: JSON.parse, function: (args) => ((asked = args), "Snow, -3 degrees.") },
  }],
});
const told = await run.finalChatCompletion();
assert.equal(typeof asked.city, "string", "the tool was not called");
assert(told.choices[0].message, told);

// an answer in a form
const shaped = await client.chat.completions.parse({
  model, messages: question, temperature: 0,
  response_format: { type: "json_schema", json_schema: { name: "place", strict: true, schema: weather.function.parameters } },
});
assert.equal(typeof JSON.parse(shaped.choices[0].message.content).city, "string");

// responses: whole, streamed, kept, in the background
const input = question[0].content;
const response = await client.responses.create({ model, input, temperature: 0, metadata: { test: "node" } });
assert.equal(response.status, "completed");
assert.match(response.output_text, /Paris/);
assert.equal((await client.responses.retrieve(response.id)).output_text, response.output_text);
const kinds = [];
let text = "";
for await (const event of await client.responses.create({ model, input, temperature: 0, stream: true })) {
  assert.equal(event.sequence_number, kinds.length);
  kinds.push(event.type);
  if (event.type === "response.output_text.delta") text += event.delta;
}
assert.equal(kinds[0], "response.created");
assert.equal(kinds.at(-1), "response.completed");
assert.equal(text, response.output_text);
const final = await client.responses.stream({ model, input, temperature: 0 }).finalResponse();
assert.equal(final.output_text, response.output_text);
const follow = await client.responses.create({
  model, input: "And of Spain?", previous_response_id: response.id, max_output_tokens: 16,
});
assert(follow.usage.input_tokens > response.usage.input_tokens, "the earlier turn is missing");
const later = { model, input, temperature: 0, background: true };
let id, seen;
for await (const event of await client.responses.create({ ...later, stream: true })) {
  id ??= event.response.id;
  seen = event.sequence_number;
  if (event.type === "response.output_text.delta") break; // the reader goes away, the response goes on
}
for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: seen }))
  assert.equal(event.sequence_number, ++seen);
const job = await client.responses.retrieve(id);
assert.equal(job.status, "completed");
assert.equal(job.output_text, response.output_text);
const queued = await client.responses.create(later);
assert(["queued", "in_progress"].includes(queued.status), queued.status);
const cancelled = await client.responses.create({
  model, input: "Tell a very long story.", background: true, max_output_tokens: 4000,
});
assert.equal((await client.responses.cancel(cancelled.id)).status, "cancelled");
await client.responses.delete(response.id);
await assert.rejects(client.responses.retrieve(response.id), OpenAI.NotFoundError);

// vectors: the client asks for base64 and decodes it
const { data, usage } = await client.embeddings.create({ model, input: ["a cat", "a kitten", "tax law"] });
assert.deepEqual(data.map((d) => d.index), [0, 1, 2]);
assert(Math.abs(data[0].embedding.reduce((sum, x) => sum + x * x, 0) - 1) < 1e-3, "not of length one");
assert(usage.prompt_tokens > 0);
const plain = await client.embeddings.create({ model, input: "a cat", encoding_format: "float" });
assert(plain.data[0].embedding.every((x, i) => Math.abs(x - data[0].embedding[i]) < 1e-5), "the encodings differ");

// errors are the client's own
const refused = async (kind, status, wrong) => {
  const error = await client.chat.completions.create({ model, messages: question, ...wrong }).then(
    () => assert.fail(`${JSON.stringify(wrong)} was accepted`),
    (e) => e,
  );
  assert(error instanceof kind, error);
  assert.equal(error.status, status);
  assert(error.message && error.requestID, error);
  return error;
};
assert.equal((await refused(OpenAI.NotFoundError, 404, { model: "gpt-4o" })).code, "model_not_found");
assert.equal((await refused(OpenAI.BadRequestError, 400, { temperature: 9 })).param, "temperature");
const long = [{ role: "user", content: "word ".repeat(9000) }];
assert.equal((await refused(OpenAI.BadRequestError, 400, { messages: long })).code, "context_length_exceeded");
await refused(OpenAI.NotFoundError, 404, { model: "gpt-4o", stream: true });

// abort: the stream ends at once, and the next request is served
const story = await client.chat.completions.create({
  model, messages: [{ role: "user", content: "Tell a very long story." }], stream: true, max_tokens: 4000,
});
let pieces = 0;
for await (const _ of story) if (++pieces === 5) story.controller.abort();
assert(pieces < 100, "the stream went on");
const controller = new AbortController();
const pending = client.chat.completions.create(
  { model, messages: question, max_tokens: 4000, ignore_eos: true }, { signal: controller.signal },
);
setTimeout(() => controller.abort(), 200);
await assert.rejects(pending, OpenAI.APIUserAbortError);
const after = await client.chat.completions.create({ model, messages: question, temperature: 0 });
assert.equal(after.choices[0].message.content, answer.choices[0].message.content);

console.log("all checks passed");
