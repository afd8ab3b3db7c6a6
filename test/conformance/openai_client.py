"""Drives the server with the official openai client, as an unchanged program would."""

import openai

client = openai.OpenAI(max_retries=0)
question = [{"role": "user", "content": "In one word: what is the capital of France?"}]

models = [m.id for m in client.models.list()]
assert models, "no models"
assert client.models.retrieve(models[0]).id == models[0]

answer = client.chat.completions.create(model=models[0], messages=question, temperature=0)
assert "Paris" in answer.choices[0].message.content, answer
assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens

pieces, usage = [], None
with client.chat.completions.create(
    model=models[0], messages=question, temperature=0, stream=True, stream_options={"include_usage": True}
) as stream:
    for chunk in stream:
        usage = chunk.usage or usage
        pieces += [c.delta.content or "" for c in chunk.choices]
assert "".join(pieces) == answer.choices[0].message.content, pieces
assert usage.completion_tokens == answer.usage.completion_tokens

two = client.chat.completions.create(
    model=models[0], messages=question, n=2, seed=7, max_tokens=8, logprobs=True, top_logprobs=2, stop=["\n"]
)
assert [c.index for c in two.choices] == [0, 1]
assert all(len(t.top_logprobs) == 2 for t in two.choices[0].logprobs.content)

text = client.completions.create(model=models[0], prompt="The capital of France is", max_tokens=4, temperature=0)
assert text.choices[0].text and text.choices[0].finish_reason == "length", text

vectors = client.embeddings.create(model=models[0], input=["a cat", "a kitten", "tax law"]).data
assert len(vectors) == 3 and abs(sum(x * x for x in vectors[0].embedding) - 1) < 1e-3

for wrong, kind in [
    ({"model": "gpt-4o", "messages": question}, openai.NotFoundError),
    ({"model": models[0], "messages": question, "temperature": 9}, openai.BadRequestError),
    ({"model": models[0], "messages": question, "tools": [{"type": "web_search"}]}, openai.BadRequestError),
]:
    try:
        client.chat.completions.create(**wrong)
    except kind as e:
        assert e.message and e.request_id, e
    else:
        raise AssertionError(f"{wrong} was accepted")

print("all checks passed")
