"""This server beside MLServer on the same ONNX model, with the same requests from the same client, in turn.

Usage: versus_mlserver.py ASHATAI MODEL.onnx [ROUNDS]

Needs mlserver 1.7.1 and onnxruntime in the Python that runs it. The model is Silero's detector of voices (PyPI silero-vad).
"""

import http.client
import json
import multiprocessing
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

CLIENTS, SECONDS, WARM = 4, 6.0, 1.5


def free(count: int) -> list[int]:
    """Ports that nobody uses."""
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


def client(port: int, times: "multiprocessing.Queue[list[float]]") -> None:
    """Asks again at once, with as little work of its own as there can be: the machine is to be the servers'."""
    payload = body()
    request = (
        f"POST /v2/models/vad/infer HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    ).encode() + payload
    took = []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as c:
        begin = time.monotonic()
        while (now := time.monotonic()) < begin + WARM + SECONDS:
            c.sendall(request)
            read_answer(c)
            if now > begin + WARM:
                took.append(time.monotonic() - now)
    times.put(took)


def read_answer(c: socket.socket) -> None:
    """Reads one whole answer and checks that it is one."""
    got = c.recv(1 << 16)
    while (end := got.find(b"\r\n\r\n")) < 0:
        got += more(c)
    head = got[:end].lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(f"{got[:300]!r}")
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    left = end + 4 + length - len(got)
    while left > 0:
        left -= len(more(c))


def more(c: socket.socket) -> bytes:
    if not (got := c.recv(1 << 16)):
        raise RuntimeError("the server hung up")
    return got


def load(port: int) -> tuple[float, float]:
    """Requests per second, and the 99th percentile of their time in ms, of CLIENTS processes that each ask again at once."""
    queue: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    clients = [multiprocessing.Process(target=client, args=(port, queue)) for _ in range(CLIENTS)]
    for c in clients:
        c.start()
    times = sorted(t for _ in clients for t in queue.get(timeout=60))
    for c in clients:
        c.join()
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
