"""Embeddings of 8 texts through the whole HTTP stack, beside ONNX Runtime for Python called directly, in turn in one run.

Usage: embed_batch8.py ASHATAI FOLDER [ROUNDS]

FOLDER holds model.onnx and tokenizer.json of a sentence encoder. Needs onnxruntime, tokenizers and numpy. The direct way reads
the texts with Hugging Face's tokenizers, runs the session, and pools and normalises with numpy: the same work without a server.
"""

import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnxruntime
import tokenizers

SECONDS = 6.0
TEXTS = [f"Sentence number {i} is about a {w} that somebody saw near the old harbour on a grey morning in {m}, and nobody else did." for i, (w, m) in enumerate(
    zip(["heron", "kite", "barge", "crane", "lantern", "ferry", "compass", "net"], ["January", "March", "April", "May", "June", "August", "October", "November"], strict=True))]


class Direct:
    """The model without a server."""

    def __init__(self, folder: pathlib.Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.enable_padding()
        self.names = [i.name for i in self.session.get_inputs()]

    def embed(self) -> npt.NDArray[np.float32]:
        rows = self.tokenizer.encode_batch(TEXTS)
        ids, mask = np.array([r.ids for r in rows], np.int64), np.array([r.attention_mask for r in rows], np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self.session.run(None, {n: feed[n] for n in self.names})[0]
        mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
        unit: npt.NDArray[np.float32] = mean / np.linalg.norm(mean, axis=1)[:, None]
        return unit


def rate(do: Callable[[], object]) -> float:
    """Batches per second."""
    for _ in range(5):
        do()
    n, begin = 0, time.monotonic()
    while time.monotonic() < begin + SECONDS:
        do()
        n += 1
    return n / (time.monotonic() - begin)


def main() -> None:
    ashatai, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    direct = Direct(folder)
    with tempfile.TemporaryDirectory() as tmp:
        shutil.copytree(folder, pathlib.Path(tmp) / "models" / "encoder")
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        server = subprocess.Popen(
            [ashatai, "serve", "--addr", f"127.0.0.1:{port}", "--home", tmp, "--set", "rate_limit.enabled=false", "--set", "logs.level=warn"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            assert server.stdout is not None
            server.stdout.readline()
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            payload = json.dumps({"model": "encoder", "input": TEXTS, "encoding_format": "base64"}).encode()

            def served() -> list[dict[str, str]]:
                c.request("POST", "/v1/embeddings", payload, {"Content-Type": "application/json"})
                r = c.getresponse()
                answer = json.loads(r.read())
                assert r.status == 200, answer
                data: list[dict[str, str]] = answer["data"]
                return data

            import base64

            got = np.array([np.frombuffer(base64.b64decode(d["embedding"]), np.float32) for d in served()])
            near = (got * direct.embed()).sum(1).min()
            assert near > 0.999, near
            print("| round | ashatai, batches/s | onnxruntime, batches/s | ratio |\n| ---: | ---: | ---: | ---: |")
            for n in range(rounds):
                ours, theirs = rate(served), rate(direct.embed)
                print(f"| {n + 1} | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} |", flush=True)
        finally:
            server.terminate()
            server.wait(20)


main()
