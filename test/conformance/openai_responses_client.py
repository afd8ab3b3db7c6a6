"""Drives responses, conversations and stored chats with the official openai client.

Without an argument it checks everything that one server can show. `begin` starts a response in the background, reads some
of its events and prints its id with the number of the last one; the server is then killed and started again, and `resume
ID NUMBER` goes on from there.
"""

import json
import sys

import openai

client = openai.OpenAI(max_retries=0, timeout=60)
model = client.models.list().data[0].id
SLOW = "#mock token_delay=40ms\nTell a long story."
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def refused(kind, call, **fields):
    try:
        call(**fields)
    except kind as e:
        assert e.message and e.request_id, e
        return e
    raise AssertionError(f"{fields} was accepted")


def begin():
    stream = client.responses.create(model=model, input=SLOW, background=True, stream=True, max_output_tokens=1000)
    last = None
    for event in stream:
        if event.type == "response.created":
            response_id = event.response.id
        last = event.sequence_number
        if last >= 12:
            break
    stream.close()
    print(json.dumps({"id": response_id, "last": last}))


def resume(response_id, last):
    events = list(client.responses.retrieve(response_id, stream=True, starting_after=last))
    numbers = [e.sequence_number for e in events]
    assert numbers == list(range(last + 1, last + 1 + len(numbers))), numbers
    assert events[-1].type == "response.failed", events[-1]
    assert "server ended" in events[-1].response.error.message, events[-1]
    assert events[-1].response.status == "failed"
    now = client.responses.retrieve(response_id)
    assert now.status == "failed" and now.error.code == "server_error", now
    again = list(client.responses.retrieve(response_id, stream=True))
    assert [e.sequence_number for e in again] == list(range(len(again))), "the log has a gap"
    assert list(client.responses.retrieve(response_id, stream=True, starting_after=numbers[-1])) == []
    print("all checks passed")


def plain():
    answer = client.responses.create(model=model, input="Say hello.", max_output_tokens=8, metadata={"test": "plain"})
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens", answer
    assert answer.output_text and answer.output[0].type == "message"
    assert answer.usage.output_tokens == 8 and answer.usage.total_tokens == answer.usage.input_tokens + 8
    assert answer.usage.input_tokens_details.cached_tokens >= 0 and answer.usage.output_tokens_details.reasoning_tokens == 0
    assert client.responses.retrieve(answer.id) == answer
    (item,) = client.responses.input_items.list(answer.id).data
    assert item.role == "user" and item.content[0].text == "Say hello."

    follow = client.responses.create(
        model=model, input="#mock reply=Second.\nGo on.", previous_response_id=answer.id, instructions="Be brief."
    )
    assert follow.output_text == "Second." and follow.previous_response_id == answer.id and follow.status == "completed"
    assert follow.usage.input_tokens > answer.usage.input_tokens, "the earlier turns are missing"
    reference = client.responses.create(model=model, input=[{"type": "item_reference", "id": item.id}], max_output_tokens=1)
    assert reference.status == "incomplete"
    client.responses.delete(answer.id)
    refused(openai.NotFoundError, client.responses.retrieve, response_id=answer.id)
    refused(openai.NotFoundError, client.responses.create, model=model, input="x", previous_response_id=answer.id)

    unstored = client.responses.create(model=model, input="#mock reply=Gone.\nx", store=False)
    refused(openai.NotFoundError, client.responses.retrieve, response_id=unstored.id)
    counted = client.responses.input_tokens.count(model=model, input="Say hello.")
    assert counted.input_tokens == answer.usage.input_tokens, counted


def streams():
    for store in (True, False):
        with client.responses.stream(model=model, input="#mock reply=One two.\nx", store=store) as stream:
            events = list(stream)
        kinds = [e.type for e in events]
        assert kinds[:4] == [
            "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        ], kinds
        assert set(kinds[4:-4]) == {"response.output_text.delta"}, kinds
        assert kinds[-4:] == [
            "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
        ], kinds
        assert [e.sequence_number for e in events] == list(range(len(events)))
        assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "One two."
        assert events[-1].response.output_text == "One two."
        if store:
            kept = list(client.responses.retrieve(events[0].response.id, stream=True))
            assert [e.type for e in kept] == kinds
            for i in range(len(kept)):
                rest = list(client.responses.retrieve(events[0].response.id, stream=True, starting_after=i))
                assert [e.sequence_number for e in rest] == list(range(i + 1, len(kept))), i
    logprobs = client.responses.create(
        model=model, input="x", max_output_tokens=2, include=["message.output_text.logprobs"], top_logprobs=2
    )
    assert len(logprobs.output[0].content[0].logprobs) == 2


def background():
    quick = client.responses.create(model=model, input="#mock reply=Done.\nx", background=True)
    assert quick.status == "queued" and quick.background, quick
    events = list(client.responses.retrieve(quick.id, stream=True))
    assert events[-1].type == "response.completed" and events[1].type == "response.queued"
    assert client.responses.retrieve(quick.id).output_text == "Done."
    assert client.responses.cancel(quick.id).status == "completed"

    slow = client.responses.create(model=model, input=SLOW, background=True, max_output_tokens=1000)
    live = client.responses.retrieve(slow.id, stream=True)
    seen = [next(live) for _ in range(8)]
    assert client.responses.retrieve(slow.id).status == "in_progress"
    assert client.responses.cancel(slow.id).status == "cancelled"
    seen += list(live)
    assert [e.sequence_number for e in seen] == list(range(len(seen)))
    assert seen[-1].type == "response.incomplete" and seen[-1].response.status == "cancelled"
    assert client.responses.retrieve(slow.id).status == "cancelled"
    not_background = client.responses.create(model=model, input="#mock reply=x\nx")
    refused(openai.BadRequestError, client.responses.cancel, response_id=not_background.id)
    refused(openai.BadRequestError, client.responses.retrieve, response_id=not_background.id, stream=True)
    refused(openai.BadRequestError, client.responses.create, model=model, input="x", background=True, store=False)


def conversations():
    conv = client.conversations.create(metadata={"topic": "demo"}, items=[{"role": "user", "content": "I am Ada."}])
    assert client.conversations.retrieve(conv.id).metadata == {"topic": "demo"}
    assert client.conversations.update(conv.id, metadata={"topic": "new"}).metadata == {"topic": "new"}
    answer = client.responses.create(model=model, input="#mock reply=You are Ada.\nWho am I?", conversation=conv.id)
    assert answer.conversation.id == conv.id and answer.output_text == "You are Ada."
    items = list(client.conversations.items.list(conv.id, order="asc", limit=1))
    assert [i.role for i in items] == ["user", "user", "assistant"], items
    assert [i.id for i in client.conversations.items.list(conv.id)] == [i.id for i in reversed(items)]
    added = client.conversations.items.create(conv.id, items=[{"role": "user", "content": "More."}])
    one = client.conversations.items.retrieve(added.data[0].id, conversation_id=conv.id)
    assert one.content[0].text == "More."
    assert client.conversations.items.delete(one.id, conversation_id=conv.id).id == conv.id
    refused(openai.NotFoundError, client.conversations.items.retrieve, item_id=one.id, conversation_id=conv.id)
    assert client.conversations.delete(conv.id).deleted
    refused(openai.NotFoundError, client.conversations.retrieve, conversation_id=conv.id)


def chats():
    ids = []
    for i in range(3):
        text = {"role": "user", "content": f"#mock reply=Answer {i}.\nQuestion {i}"}
        if i == 2:
            chunks = list(client.chat.completions.create(model=model, messages=[text], store=True, stream=True, metadata={"n": "2"}))
            ids.append(chunks[0].id)
        else:
            chat = client.chat.completions.create(model=model, messages=[text], store=True, metadata={"n": str(i)})
            assert client.chat.completions.retrieve(chat.id).choices[0].message.content == f"Answer {i}."
            ids.append(chat.id)
    assert [c.id for c in client.chat.completions.list(limit=1)][-3:] == ids
    assert next(c.id for c in client.chat.completions.list(metadata={"n": "2"}, order="desc")) == ids[2]
    assert client.chat.completions.update(ids[0], metadata={"n": "9"}).metadata == {"n": "9"}
    (message,) = client.chat.completions.messages.list(ids[0]).data
    assert message.role == "user" and message.id == ids[0] + "-0"
    for chat_id in ids:
        assert client.chat.completions.delete(chat_id).deleted
    refused(openai.NotFoundError, client.chat.completions.retrieve, completion_id=ids[0])


def tools():
    function = {"name": "weather", "description": "The weather in a city.", "parameters": WEATHER}
    history = [
        {"role": "user", "content": "#mock reply=It rains.\nThe weather in Paris?"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}},
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    ]
    chat_tools = [{"type": "function", "function": function}]
    answer = client.chat.completions.create(model=model, messages=history, tools=chat_tools)
    assert answer.choices[0].message.content == "It rains.", answer
    bad = refused(openai.BadRequestError, client.chat.completions.create, model=model, messages=history[:1],
                  tools=chat_tools, tool_choice={"type": "function", "function": {"name": "nothing"}})
    assert bad.param == "tool_choice", bad
    items = [
        {"role": "user", "content": "#mock reply=It rains.\nThe weather in Paris?"},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city": "Paris"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
    ]
    answer = client.responses.create(model=model, input=items, tools=[{"type": "function", "strict": False, **function}])
    assert answer.output_text == "It rains." and answer.tools[0].name == "weather", answer
    bad = refused(openai.BadRequestError, client.responses.create, model=model, input=items[2:])
    assert bad.param == "input.0.call_id", bad
    bad = refused(openai.BadRequestError, client.responses.create, model=model, input="x", tools=[{"type": "web_search"}])
    assert bad.param == "tools.0.type", bad


if len(sys.argv) == 1:
    for check in (plain, streams, background, conversations, chats, tools):
        check()
    print("all checks passed")
elif sys.argv[1] == "begin":
    begin()
else:
    resume(sys.argv[2], int(sys.argv[3]))
