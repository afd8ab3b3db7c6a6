"""Drives the server with the official ollama client, as an unchanged program would."""

import json
import os
import pathlib

import ollama

client = ollama.Client()  # the address comes from OLLAMA_HOST
question = [{"role": "user", "content": "In one word: what is the capital of France?"}]
greedy = {"temperature": 0}


def refused(status, words, call, *args, **kwargs):
    """Expects a refusal with a status and with words in its text."""
    try:
        out = call(*args, **kwargs)
        for _ in out if kwargs.get("stream") else ():
            pass
    except ollama.ResponseError as e:
        assert e.status_code == status and words in e.error, e
    else:
        raise AssertionError(f"{args} {kwargs} was accepted")


models = client.list().models
assert models, "no models"
name = models[0].model
assert models[0].size > 0 and len(models[0].digest) == 64 and models[0].details.format == "gguf", models[0]

shown = client.show(name)
assert shown.modelinfo["general.architecture"] == models[0].details.family, shown
assert "completion" in shown.capabilities and shown.template and f"FROM {name}" in shown.modelfile, shown

# chat, whole and in pieces
answer = client.chat(name, question, options=greedy)
assert "Paris" in answer.message.content and answer.message.role == "assistant", answer
assert answer.done and answer.done_reason == "stop" and answer.eval_count > 0 and answer.prompt_eval_count > 0, answer
assert answer.total_duration >= answer.eval_duration > 0, answer
parts = list(client.chat(name, question, options=greedy, stream=True))
assert "".join(p.message.content for p in parts) == answer.message.content, parts
assert [p.done for p in parts] == [False] * (len(parts) - 1) + [True] and parts[-1].eval_count == answer.eval_count, parts
short = client.chat(name, question, options={"num_predict": 2, "seed": 7, "stop": ["\n"]}, logprobs=True, top_logprobs=2)
assert short.done_reason == "length" and len(short.logprobs) == 2, short
assert all(len(t.top_logprobs) == 2 for t in short.logprobs), short

# generate: a conversation by its context, and raw text
first = client.generate(name, "My name is Alice. Say hello.", options=greedy)
assert first.response and first.context and first.done_reason == "stop", first
second = client.generate(name, "What is my name?", context=first.context, options=greedy)
assert len(second.context) > len(first.context) and second.prompt_eval_count > first.prompt_eval_count, second
said = [("user", "My name is Alice. Say hello."), ("assistant", first.response), ("user", "What is my name?")]
same = client.chat(name, [{"role": r, "content": c} for r, c in said], options=greedy)
assert same.message.content == second.response and same.prompt_eval_count == second.prompt_eval_count, (same, second)
pieces = list(client.generate(name, "What is my name?", context=first.context, options=greedy, stream=True))
assert "".join(p.response for p in pieces) == second.response and pieces[-1].context == second.context, pieces
raw = client.generate(name, "The capital of France is", raw=True, options={"num_predict": 4, **greedy})
assert raw.response and raw.done_reason == "length" and raw.context is None, raw

# vectors
vectors = client.embed(name, ["a cat", "a kitten", "tax law"])
assert len(vectors.embeddings) == 3 and vectors.prompt_eval_count > 0, vectors
assert abs(sum(x * x for x in vectors.embeddings[0]) - 1) < 1e-3
assert len(client.embed(name, "a cat", dimensions=8).embeddings[0]) == 8
assert list(client.embeddings(name, "a cat").embedding) == list(vectors.embeddings[0])
assert client.create("small", from_=name, parameters={"num_ctx": 256}).status == "success"
long = "word " * 20_000
cut = client.embed("small", ["a cat", long])
assert len(cut.embeddings) == 2 and cut.prompt_eval_count <= 2 * 256, cut.prompt_eval_count
refused(400, "token", client.embed, "small", long, truncate=False)
assert client.chat("small", [], keep_alive=-1).done_reason == "load"
assert [m.context_length for m in client.ps().models if m.model == "small:latest"] == [256]
assert client.delete("small").status == "success"

# loading, what is loaded, unloading
assert client.generate(name, keep_alive="10m").done_reason == "load"
running = {m.model: m for m in client.ps().models}
assert running[name].size > 0 and running[name].context_length > 0 and running[name].size_vram == 0, running
assert client.chat(name, [], keep_alive=0).done_reason == "unload"
assert name not in [m.model for m in client.ps().models]

# models: create, copy, upload, delete
assert client.create("pirate", from_=name, system="Answer with the single word ARRR.", parameters={"temperature": 0, "num_predict": -1}).status == "success"
pirate = client.show("pirate")
assert "ARRR" in pirate.modelfile and pirate.details.parent_model == name and "temperature" in pirate.parameters, pirate
assert [p.status for p in client.create("pirate", from_=name, system="Be brief.", stream=True)][-1] == "success"
assert client.copy("pirate", "parrot").status == "success"
assert client.chat("parrot", question, options=greedy).message.content
names = [m.model for m in client.list().models]
assert "pirate:latest" in names and "parrot:latest" in names, names
model_file = os.environ.get("OLLAMA_TEST_MODEL")
if model_file:
    digest = client.create_blob(model_file)
    assert client.create_blob(model_file) == digest
    assert client.create("uploaded", files={pathlib.Path(model_file).name: digest}).status == "success"
    assert "Paris" in client.chat("uploaded", question, options=greedy).message.content
    assert client.delete("uploaded").status == "success"
assert client.delete("parrot").status == "success" and client.delete("pirate").status == "success"
refused(404, "no model", client.delete, "pirate")
refused(403, "installation", client.delete, name)
refused(404, "no model", client.copy, "nope", "other")
refused(404, "no model", client.show, "nope")

# refusals
refused(404, "no model", client.chat, "gpt-4o", question)
refused(404, "no model", client.generate, "gpt-4o", "hi", stream=True)
refused(400, "temperature", client.chat, name, question, options={"temperature": 9})
refused(400, "mirostat", client.chat, name, question, options={"mirostat": 2})
refused(400, "suffix", client.generate, name, "hi", suffix="there")
refused(400, "template", client.generate, name, "hi", template="{{ .Prompt }}")
refused(400, "images", client.generate, name, "hi", images=[b"not a picture"])
refused(400, "token", client.chat, name, [{"role": "user", "content": long}])
refused(501, "registry", client.push, name)
try:
    client.pull("no-such-model-anywhere.example/nobody/nothing")
except ollama.ResponseError as e:
    assert e.status_code >= 400 and e.error, e
else:
    raise AssertionError("a model that is nowhere was pulled")


def constrained(call):
    """Calls what needs constrained output. Without the library for it, it is refused with 503 and nothing else."""
    try:
        return call()
    except ollama.ResponseError as e:
        assert e.status_code == 503, e
        return None


schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"], "additionalProperties": False}
ask = [*question, {"role": "user", "content": "Answer as JSON."}]
if (out := constrained(lambda: client.chat(name, ask, format="json", options={"num_predict": 200, **greedy}))) is not None:
    assert out.message.content.lstrip().startswith("{"), out
if (out := constrained(lambda: client.chat(name, ask, format=schema, options={"num_predict": 200, **greedy}))) is not None:
    assert out.done_reason == "length" or isinstance(json.loads(out.message.content)["city"], str), out
refused(400, "format", lambda: client._request(ollama.ChatResponse, "POST", "/api/chat", json={"model": name, "messages": question, "stream": False, "format": "yaml"}))


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
      a: the first number
      b: the second number
    """
    return a + b


tools = client.chat(name, [{"role": "user", "content": "What is 2 + 3?"}], tools=[add], options={"num_predict": 60, **greedy})
assert tools.message.content or tools.message.tool_calls, tools
for call in tools.message.tool_calls or []:
    assert call.function.name == "add", tools
told = [
    {"role": "user", "content": "What is 2 + 3?"},
    {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 2, "b": 3}}}]},
    {"role": "tool", "tool_name": "add", "content": "5"},
]
assert client.chat(name, told, tools=[add], options={"num_predict": 40, **greedy}).done

print("all checks passed")
