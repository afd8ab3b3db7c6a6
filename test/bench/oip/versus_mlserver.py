"""This server beside MLServer on the same ONNX model, with the same requests from the same client, in turn.

Usage: versus_mlserver.py ASHATAI MODEL.onnx [ROUNDS]

Needs mlserver 1.7.1 and onnxruntime in the Python that runs it. The model is Silero's detector of voices (PyPI silero-vad).
"""

import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

CLIENTS, SECONDS, WARM = 4, 6.0, 1.5


def free(count: int) -> list[int]:
    """Ports that nobody uses."""
    import socket

    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def body() -> bytes:
    """A block of 512 samples, the state before it and the rate."""
    samples = [((i * 37) % 101 - 50) / 500 for i in range(512)]
    return json.dumps({"inputs": [
        {"name": "input", "shape": [1, 512], "datatype": "FP32", "data": samples},
        {"name": "state", "shape": [2, 1, 128], "datatype": "FP32", "data": [0.0] * 256},
        {"name": "sr", "shape": [], "datatype": "INT64", "data": [16000]},
    ]}).encode()


def ask(c: http.client.HTTPConnection, payload: bytes) -> bytes:
    c.request("POST", "/v2/models/vad/infer", payload, {"Content-Type": "application/json"})
    r = c.getresponse()
    text = r.read()
    if r.status != 200:
        raise RuntimeError(f"{r.status} {text[:300]!r}")
    return text


def ready(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError("a server ended at its start")
        try:
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            ask(c, body())
            return
        except (OSError, RuntimeError, http.client.HTTPException):
            time.sleep(0.1)
    raise RuntimeError("a server does not answer")


def load(port: int) -> tuple[float, float]:
    """Requests per second, and the 99th percentile of their time in ms, of CLIENTS that each ask again at once."""
    payload, times, begin = body(), [], time.monotonic()

    def one() -> None:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while (now := time.monotonic()) < begin + WARM + SECONDS:
            ask(c, payload)
            if now > begin + WARM:
                times.append(time.monotonic() - now)

    threads = [threading.Thread(target=one) for _ in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    times.sort()
    return len(times) / SECONDS, times[int(len(times) * 0.99)] * 1000


def main() -> None:
    ashatai, model = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    here = pathlib.Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory() as tmp:
        home = pathlib.Path(tmp)
        (home / "models" / "vad").mkdir(parents=True)
        shutil.copy(model, home / "models" / "vad" / "model.onnx")
        ours, theirs, grpc, metrics = free(4)
        peer = home / "mlserver"
        peer.mkdir()
        (peer / "settings.json").write_text(json.dumps({
            "host": "127.0.0.1", "http_port": theirs, "grpc_port": grpc, "metrics_port": metrics, "parallel_workers": 0, "debug": False}))
        (peer / "model-settings.json").write_text(json.dumps({
            "name": "vad", "implementation": "onnx_model.OnnxModel", "parameters": {"uri": str(model), "extra": {"threads": os.cpu_count()}}}))
        started = [
            subprocess.Popen(
                [ashatai, "serve", "--addr", f"127.0.0.1:{ours}", "--home", home, "--set", "rate_limit.enabled=false", "--set", "logs.level=warn"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            ),
            subprocess.Popen([pathlib.Path(sys.executable).parent / "mlserver", "start", peer], env={**os.environ, "PYTHONPATH": str(here)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
        ]
        try:
            for port, process in zip((ours, theirs), started, strict=True):
                ready(port, process)
            a, b = (json.loads(ask(http.client.HTTPConnection("127.0.0.1", p, timeout=60), body())) for p in (ours, theirs))
            x, y = (next(o["data"][0] for o in r["outputs"] if o["name"] == "output") for r in (a, b))
            assert abs(x - y) < 1e-5, (x, y)
            print("| round | ashatai, requests/s | mlserver | ratio | ashatai, p99 ms | mlserver | ratio |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
            for n in range(rounds):
                (r1, p1), (r2, p2) = load(ours), load(theirs)
                print(f"| {n + 1} | {r1:.0f} | {r2:.0f} | {r1 / r2:.2f} | {p1:.2f} | {p2:.2f} | {p1 / p2:.2f} |", flush=True)
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(20)


main()
