"""Leads the made-up requests to where there is something to find: text that is no model's name, or a list that is no
conversation, ends a request at the door."""

import json
import zlib
from typing import Any

import schemathesis

MODEL = "smollm2:135m"
NOWHERE = "file:///nowhere.gguf"  # nothing is fetched from the network
TALK = [{"role": "user", "content": "Hello"}]
SENSIBLE: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": TALK, "max_tokens": 4},
    "/v1/completions": {"prompt": "Hello", "max_tokens": 4},
    "/v1/embeddings": {"input": "Hello"},
    "/v1/messages": {"messages": TALK, "max_tokens": 4},
    "/v1/messages/count_tokens": {"messages": TALK},
    "/v1/responses": {"input": "Hello", "max_output_tokens": 4},
    "/v1/responses/input_tokens": {"input": "Hello"},
    "/api/chat": {"messages": TALK},
    "/api/ai/process": {"prompt": "Hello"},
    "/api/ai/process/stream": {"prompt": "Hello"},
}
# The mock runtime makes its text up, whatever form it is held to; the server then says that the model failed.
FORMS = {"format", "grammar", "guided_choice", "guided_grammar", "guided_json", "guided_regex", "output_config", "output_format",
         "response_format", "structured_outputs", "text", "tools", "functions", "tool_choice", "function_call"}


@schemathesis.hook
def before_call(ctx: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    body = case.body
    if isinstance(body, dict):
        if case.path in SENSIBLE and case.meta is not None and case.meta.generation.mode.is_positive:
            # A sensible request with one or two of the fields that were made up.
            number = zlib.crc32(repr(sorted(body.items(), key=str)).encode())
            made_up = [k for k in sorted(body) if k != "model" and k not in SENSIBLE[case.path]]
            kept = {made_up[(number + i) % len(made_up)] for i in range(number % 3)} if made_up else set()
            for key in made_up:
                if key not in kept or key in FORMS:
                    del body[key]
            body.update(SENSIBLE[case.path])
        # Only text takes the place of text, so that a request that breaks the document still does.
        for key in {"model", "name", "from", "source"} & body.keys():
            if isinstance(body[key], str):
                body[key] = NOWHERE if case.path.endswith("/pull") else MODEL
    if "/models/" in case.path and case.method != "DELETE":
        for key in {"name", "id"} & case.path_parameters.keys():
            case.path_parameters[key] = MODEL


@schemathesis.deserializer("application/x-ndjson")
def last_line(ctx: schemathesis.DeserializationContext, response: schemathesis.Response) -> Any:
    """Every line is JSON; the last one, which says most, is held to the schema."""
    return [json.loads(line) for line in response.content.splitlines()][-1]
