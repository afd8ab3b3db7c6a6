"""Measures the PyTorch runtime, in turns with what it is compared with: figures.py ASHATAI FOLDER [ROUNDS [WORK…]], run by the Python of its
environment. ASHATAI is the built server, FOLDER holds smollm2-torch (test/pytorch/dequantise.py makes it), and the works are:

streaming: tokens per second of a stream through the server's HTTP API, beside a loop over the same model in transformers, with the
same threads and numbers. Prefill is left out of both.
protocol: what the worker spends on a streamed token besides the model: its text, its frame, the socket.
idle: memory of a worker in Go that has nothing to do.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MODEL = "smollm2-torch"
PROMPT = "Once upon a time there was a fox who"
TOKENS = 129  # the first is not timed
FRAMES = 50_000
THREADS = len(os.sched_getaffinity(0))
ROOT = Path(__file__).resolve().parents[3]


@contextlib.contextmanager
def server(ashatai: str, *settings: str) -> Iterator[http.client.HTTPConnection]:
    """A server of its own, and a connection to it."""
    with tempfile.TemporaryDirectory() as home, socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        s.close()
        args = [ashatai, "serve", "--addr", f"127.0.0.1:{port}", "--home", home]
        for one in ("rate_limit.enabled=false", "logs.level=warn", *settings):
            args += ["--set", one]
        process = subprocess.Popen(args, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            if not process.stdout.readline().startswith(b"ready"):
                raise SystemExit("the server did not start")
            yield http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        finally:
            process.terminate()
            process.wait(30)


def served(c: http.client.HTTPConnection) -> float:
    """Tokens per second of one stream, after its first."""
    ask = {"model": MODEL, "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0, "stream": True, "ignore_eos": True}
    c.request("POST", "/v1/completions", json.dumps(ask), {"Content-Type": "application/json"})
    r = c.getresponse()
    if r.status != 200:
        raise SystemExit(r.read().decode())
    at = [time.perf_counter() for line in r if line.startswith(b"data: {") and json.loads(line[6:])["choices"][0]["text"]]
    return (len(at) - 1) / (at[-1] - at[0])


class Bare:
    """A loop over the model as transformers has it: a step, the best token, its text."""

    def __init__(self, folder: Path) -> None:
        import torch
        from tokenizers import Tokenizer
        from transformers import AutoModelForCausalLM

        self.torch = torch
        torch.set_num_threads(THREADS)
        self.net = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
        self.tokens = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def run(self) -> float:
        """Tokens per second, after the first."""
        text, past = "", None
        ids = self.torch.tensor([self.tokens.encode(PROMPT).ids])
        at = []
        with self.torch.inference_mode():
            for _ in range(TOKENS):
                out = self.net(input_ids=ids, past_key_values=past, use_cache=True)
                past, ids = out.past_key_values, out.logits[:, -1:].argmax(-1)
                text += self.tokens.decode([int(ids)])
                at.append(time.perf_counter())
        return (len(at) - 1) / (at[-1] - at[0])


def streaming(ashatai: str, folder: Path, rounds: int) -> None:
    """The ratio of both, round by round."""
    bare = Bare(folder / MODEL)
    with server(ashatai, f"models_directory={folder}", f"models.{MODEL}.threads={THREADS}") as c:
        served(c), bare.run()
        print("| round | ashatai, tokens/s | transformers, tokens/s | ratio |\n| ---: | ---: | ---: | ---: |")
        ratios = []
        for n in range(rounds):
            ours, theirs = (served(c), bare.run()) if n % 2 == 0 else (bare.run(), served(c))[::-1]
            ratios.append(ours / theirs)
            print(f"| {n + 1} | {ours:.1f} | {theirs:.1f} | {ratios[-1]:.3f} |", flush=True)
        print(f"streaming: median ratio {statistics.median(ratios):.3f}")


def protocol(rounds: int) -> None:
    """Microseconds of a streamed token in the worker, without the model."""
    sys.path.insert(0, str(ROOT / "python"))
    from ashatai_worker.serve import Options, Server
    from ashatai_worker.text import Assembler
    from ashatai_worker.wire import Channel

    here, there = socket.socketpair()
    reader = subprocess.Popen([sys.executable, "-I", "-c", "import socket\ns = socket.socket(fileno=0)\nwhile s.recv(65536): pass"], stdin=there.fileno())
    there.close()
    worker = Server(Channel(here), Options("", "", "", 1.0, {}))
    out = Assembler([])
    took = []
    for _ in range(rounds):
        begin = time.perf_counter()
        for _ in range(FRAMES):
            p = out.add(b" token")
            event: dict[str, Any] = {"choice": 0, "text": p.text, "count": p.count, "stop": p.stop, "finish": "", "tokens": p.tokens}
            worker._event(1, event)
        took.append((time.perf_counter() - begin) / FRAMES * 1e6)
    here.shutdown(socket.SHUT_RDWR)
    reader.wait(30)
    print(f"protocol: {statistics.median(took):.1f} us a streamed token ({min(took):.1f} to {max(took):.1f})")


def idle(ashatai: str) -> None:
    """Resident memory of a worker in Go with a model of the runtime mock."""
    with server(ashatai, "runtime.type=mock") as c:
        c.request("POST", "/v1/completions", json.dumps({"prompt": "Hello", "max_tokens": 4}), {"Content-Type": "application/json"})
        answer = json.loads(c.getresponse().read())
        assert answer.get("choices"), answer
        c.request("GET", "/api/v1/instances")
        for i in json.loads(c.getresponse().read())["instances"]:
            status = Path(f"/proc/{i['pid']}/status").read_text()
            fields = dict(line.split(":", 1) for line in status.splitlines())
            print(f"idle: a worker with the runtime mock takes {int(fields['VmRSS'].split()[0]) / 1000:.1f} MB, {int(fields['RssAnon'].split()[0]) / 1000:.1f} of them its own")


def main() -> None:
    """Does the works that are named, or all."""
    ashatai, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    for work in sys.argv[4:] or ["streaming", "protocol", "idle"]:
        if work == "streaming":
            streaming(ashatai, folder, rounds)
        elif work == "protocol":
            protocol(rounds)
        else:
            idle(ashatai)


main()
