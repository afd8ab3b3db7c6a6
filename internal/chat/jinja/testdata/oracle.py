"""Renders templates from standard input, one JSON object a line, as transformers would: the oracle of the tests."""

import datetime
import json
import sys
from collections.abc import Callable
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


def make_env(now: datetime.datetime) -> ImmutableSandboxedEnvironment:
    class Generation(Extension):
        tags: set[str] = {"generation"}  # noqa: RUF012 (as its base class declares it)

        def parse(self, parser: Parser) -> nodes.Node:
            lineno = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.CallBlock(self.call_method("_support"), [], [], body).set_lineno(lineno)

        def _support(self, caller: Callable[[], str]) -> str:
            return caller()

    def raise_exception(message: str) -> None:
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x: Any, ensure_ascii: bool = False, indent: int | None = None, separators: tuple[str, str] | None = None, sort_keys: bool = False) -> str:
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: now.strftime(f)
    return env


def main() -> None:
    now = datetime.datetime(2024, 7, 9, 5, 4, 3, 12000)
    env = make_env(now)
    parsed: dict[str, jinja2.Template] = {}
    for line in sys.stdin:
        case = json.loads(line)
        try:
            source = case["template"]
            if source not in parsed:
                parsed[source] = env.from_string(source)
            out = {"text": parsed[source].render(**case.get("vars", {}))}
            out["text"].encode("utf-8")
        except Exception as e:
            out = {"error": f"{type(e).__name__}: {e}"[:300]}
        print(json.dumps(out), flush=True)


main()
