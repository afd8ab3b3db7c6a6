"""Renders templates from standard input, one JSON object a line, as transformers would: the oracle of the tests."""

import datetime
import json
import sys

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

def make_env(now):
    class Generation(Extension):
        tags = {"generation"}
        def parse(self, parser):
            lineno = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return nodes.CallBlock(self.call_method("_support"), [], [], body).set_lineno(lineno)
        def _support(self, caller):
            return caller()
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)
    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: now.strftime(f)
    return env

def main():
    now = datetime.datetime(2024, 7, 9, 5, 4, 3, 12000)
    env = make_env(now)
    parsed = {}
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
