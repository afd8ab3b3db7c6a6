"""Drives the server with the official anthropic client, as an unchanged program would."""

import anthropic

client = anthropic.Anthropic(max_retries=0)
# This client has no argument for the sampling fields any more; older ones send them, and so do other programs.
greedy = {"temperature": 0}
question = [{"role": "user", "content": "In one word: what is the capital of France?"}]

models = client.models.list(limit=1)
assert len(models.data) == 1, models
model = models.data[0].id
every = [m.id for m in client.models.list(limit=1)]  # page by page
assert every[0] == model and len(every) == len(set(every)), every
info = client.models.retrieve(model)
assert info.id == model and info.type == "model" and info.created_at.year >= 1970, info

answer = client.messages.create(model=model, messages=question, max_tokens=100, extra_body=greedy)
assert answer.type == "message" and answer.role == "assistant" and answer.model == model, answer
assert answer.content[0].type == "text" and "Paris" in answer.content[0].text, answer
assert answer.stop_reason == "end_turn" and answer.stop_sequence is None, answer
assert answer._request_id, "no request id"

counted = client.messages.count_tokens(model=model, messages=question)
usage = answer.usage
prompt = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
assert counted.input_tokens == prompt, (counted, usage)
longer = client.messages.count_tokens(model=model, messages=question, system="You know every capital of the world.")
assert longer.input_tokens != counted.input_tokens, (longer, counted)

with client.messages.stream(model=model, messages=question, max_tokens=100, extra_body=greedy) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
assert text == answer.content[0].text == stream.get_final_text(), (text, answer)
assert final.stop_reason == "end_turn" and final.usage.output_tokens == usage.output_tokens, final
assert final.usage.input_tokens + final.usage.cache_read_input_tokens == prompt, final
assert final.usage.cache_read_input_tokens > 0, "the same prompt again was computed again"

kinds = []
with client.messages.create(model=model, messages=question, max_tokens=5, extra_body=greedy, stream=True) as raw:
    for event in raw:
        if not kinds or kinds[-1] != event.type:
            kinds.append(event.type)
        if event.type == "message_start":
            begun = event.message.usage
            assert begun.input_tokens + begun.cache_read_input_tokens + begun.cache_creation_input_tokens == prompt, event
assert kinds == [
    "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"
], kinds

# The model goes on from what the caller began, and only what it adds is the answer.
begun = [{"role": "assistant", "content": "The capital of France is"}]
added = client.messages.create(model=model, messages=question + begun, max_tokens=10, extra_body=greedy)
assert "Paris" in added.content[0].text and "capital" not in added.content[0].text, added

spoken = client.messages.create(
    model=model,
    max_tokens=60,
    extra_body=greedy | {"top_p": 0.9, "top_k": 20},
    system=[{"type": "text", "text": "You are a poet.", "cache_control": {"type": "ephemeral"}}],
    metadata={"user_id": "somebody"},
    messages=[
        {"role": "user", "content": [{"type": "text", "text": "Hello."}, {"type": "text", "text": "Who are you?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "A poet."}]},
        {"role": "user", "content": "Write"},
        {"role": "user", "content": "one line."},
    ],
)
assert spoken.content[0].text and spoken.stop_reason in ("end_turn", "max_tokens"), spoken

# The text up to a word of the answer, when that word is a stop sequence.
word = answer.content[0].text.split()[-1]
cut = client.messages.create(model=model, messages=question, max_tokens=100, extra_body=greedy, stop_sequences=[word])
assert cut.stop_reason == "stop_sequence" and cut.stop_sequence == word, cut
assert word not in "".join(b.text for b in cut.content), cut
short = client.messages.create(model=model, messages=question, max_tokens=1, extra_body=greedy)
assert short.stop_reason == "max_tokens" and short.usage.output_tokens == 1, short
filled = client.messages.create(model=model, messages=question, max_tokens=0)
assert filled.content == [] and filled.stop_reason == "max_tokens" and filled.usage.output_tokens == 0, filled

history = [
    {"role": "user", "content": "What is the weather in Oslo?"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "I must look.", "signature": "x"},
            {"type": "text", "text": "I look it up."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "Snow."}]},
            {"type": "text", "text": "So?"},
        ],
    },
]
weather = {
    "name": "weather",
    "description": "Tells the weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def fails(kind, where, **wrong):
    """The call is refused with the client's own exception for its status, and the message names the field."""
    args = {"model": model, "messages": question, "max_tokens": 10}
    try:
        client.messages.create(**(args | wrong))
    except kind as e:
        assert where in e.body["error"]["message"] and e.request_id and e.request_id == e.body["request_id"], e
        return e
    raise AssertionError(f"{wrong} was accepted")


image = {"type": "image", "source": {"type": "url", "url": "https://example.com/x.png"}}
assert fails(anthropic.NotFoundError, "claude", model="claude-opus-4-1").type == "not_found_error"
assert fails(anthropic.BadRequestError, "temperature", extra_body={"temperature": 9}).type == "invalid_request_error"
fails(anthropic.BadRequestError, "messages.0.content.0.type", messages=[{"role": "user", "content": [image]}])
fails(anthropic.BadRequestError, "tool_use_id", messages=history[:1] + history[2:])
fails(anthropic.BadRequestError, "web_search_20250305", tools=[{"type": "web_search_20250305", "name": "web_search"}])
fails(anthropic.BadRequestError, "container", container="c")
fails(anthropic.BadRequestError, "context", messages=[{"role": "user", "content": "word " * 9000}])
assert fails(anthropic.APIStatusError, "limit", messages=[{"role": "user", "content": "x" * (17 << 20)}]).type == "request_too_large"

told = client.messages.create(model=model, messages=history, tools=[weather], max_tokens=20, extra_body=greedy)
assert told.stop_reason in ("end_turn", "max_tokens", "tool_use") and told.usage.input_tokens > 0, told
with_tools = client.messages.count_tokens(model=model, messages=question, tools=[weather])
assert with_tools.input_tokens > counted.input_tokens, "the model is not shown the tools"
plain = client.messages.create(
    model=model, messages=question, tools=[weather], tool_choice={"type": "none"}, max_tokens=20, extra_body=greedy
)
assert all(b.type == "text" for b in plain.content), plain

# A call that must come needs the library for constrained output. Where it is not installed the server says so.
try:
    called = client.messages.create(
        model=model, messages=history[:1], tools=[weather], tool_choice={"type": "any"}, max_tokens=200, extra_body=greedy
    )
except anthropic.InternalServerError as e:
    assert e.status_code == 503 and e.type == "api_error" and "setup" in e.body["error"]["message"], e
else:
    calls = [b for b in called.content if b.type == "tool_use"]
    assert called.stop_reason == "tool_use" and calls, called
    assert calls[0].id and calls[0].name == "weather" and isinstance(calls[0].input["city"], str), called

print("all checks passed")
