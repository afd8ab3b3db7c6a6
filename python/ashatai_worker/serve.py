"""The worker's side of the channel: hello, one model, calls, until the channel closes.

Three threads: one reads frames, one sends heartbeats, one computes. The computing one takes the requests for text in turns, a
step each, and everything else between two steps; a request that was cancelled is dropped before its next step."""

from __future__ import annotations

import base64
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata, util
from typing import TYPE_CHECKING, Any

from .fault import Broken, Fault, broken_environment, invalid, is_out_of_memory, unsupported
from .wire import EXIT_CLEAN, EXIT_PANIC, EXIT_PROTOCOL, MAX_TENSORS, PROTOCOL, Channel, Frame, Kind, aligned, known

if TYPE_CHECKING:  # torch takes seconds to load, and hello must not wait for it
    from .causal import Causal, Request
    from .load import Loaded

MAX_TIMEOUT_MS = 30 * 24 * 3600 * 1000
CLOSE_GRACE = 2.0
VECTOR_BYTES = 8 << 20
TENSOR_BYTES = 16 << 20
SEGMENT = ("text", "trusted")
PROMPT = ("segments", "tokens", "add_special")
SAMPLING = (
    "temperature", "top_k", "top_p", "min_p", "typical_p", "repeat_penalty", "repeat_last_n", "presence_penalty", "frequency_penalty", "logit_bias", "seed",
)
GENERATE = ("id", "tenant", "prompt", "sampling", "max_tokens", "choices", "stop", "ignore_eos", "logprobs", "top_logprobs", "constraint", "pins", "reveal")
SPEC = ("path", "sequences", "context", "batch", "threads", "memory", "scratch", "embedding", "options")


@dataclass(slots=True)
class Options:
    """What the program is told by its arguments."""

    build: str
    tier: str
    lock: str  # digest of the lock file that the environment was made of
    heartbeat: float  # seconds
    descriptor: dict[str, Any]


@dataclass(slots=True)
class Task:
    """A call that is computed as a whole, between two steps."""

    call: int
    work: Callable[[Task], None]
    deadline: float
    cancelled: bool = False

    def run(self) -> None:
        """Does the work, unless nobody waits any more."""
        self.go_on()
        self.work(self)

    def go_on(self) -> None:
        """Raises when nobody waits any more."""
        if self.cancelled:
            raise Fault("cancelled", "The request was cancelled by its caller.")
        if self.deadline and time.monotonic() > self.deadline:
            raise Fault("deadline_exceeded", "The request was not done within its time limit.")


class Server:
    """One worker."""

    def __init__(self, channel: Channel, options: Options) -> None:
        self._channel = channel
        self._options = options
        self._wake = threading.Condition()
        self._tasks: deque[Task] = deque()
        self._requests: deque[Request] = deque()  # accepted, and served in turns
        self._running: dict[int, Task | Request] = {}
        self._closed = False
        self._loading = False
        self._share = 0
        self._threads = 0
        self._active = 0
        self._model: Loaded | None = None
        self._code = EXIT_CLEAN

    def run(self) -> int:
        """Serves until the channel closes, and returns the exit code."""
        o = self._options
        self._channel.send(Kind.HELLO, 0, {
            "protocol": PROTOCOL, "build": o.build, "runtime": "pytorch", "descriptor": o.descriptor, "pid": os.getpid(), "tier": o.tier, "environment": o.lock,
        })
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(o.heartbeat):
                self._channel.send(Kind.HEARTBEAT, 0)

        threading.Thread(target=beat, daemon=True).start()
        compute = threading.Thread(target=self._compute, daemon=True)
        compute.start()
        try:
            self._read()
        except Broken as e:
            print(f"the server broke the protocol: {e}", file=sys.stderr)
            self._code = EXIT_PROTOCOL
        with self._wake:
            self._closed = True
            self._wake.notify()
        compute.join(CLOSE_GRACE)
        stop.set()
        return self._code

    def _read(self) -> None:
        while not self._closed:
            f = self._channel.read()
            if f is None or f.kind == Kind.CLOSE:
                return
            self._dispatch(f)

    def _dispatch(self, f: Frame) -> None:
        if f.kind == Kind.CANCEL:
            with self._wake:
                if running := self._running.get(f.call):
                    running.cancelled = True
                    self._wake.notify()
        elif f.kind == Kind.PROBE:
            self._task(f, 0, lambda t: self._probe(t))
        elif f.kind == Kind.LOAD:
            spec = known(f.decode("spec").get("spec"), "the spec of a load", SPEC)
            self._task(f, 0, lambda t: self._load(t, spec))
        elif f.kind == Kind.GENERATE:
            h = f.decode("request", "timeout_ms")
            r = known(h.get("request"), "a request", GENERATE)
            self._check_prompt(r.get("prompt"))
            known(r.get("sampling"), "the sampling", SAMPLING)
            self._task(f, h.get("timeout_ms", 0), lambda t: self._generate(t, r, h.get("timeout_ms", 0)))
        elif f.kind == Kind.EMBED:
            h = f.decode("prompts", "timeout_ms")
            prompts = h.get("prompts") or []
            for p in prompts:
                self._check_prompt(p)
            self._task(f, h.get("timeout_ms", 0), lambda t: self._embed(t, prompts))
        elif f.kind == Kind.INFER:
            h = f.decode("inputs", "outputs", "timeout_ms")
            heads = self._heads(h, f.tail)
            self._task(f, h.get("timeout_ms", 0), lambda t: self._infer(t, heads, f.tail, h.get("outputs")))
        elif f.kind == Kind.TOKENIZE:
            prompt: dict[str, Any] = f.decode("prompt").get("prompt") or {}
            self._check_prompt(prompt)
            self._task(f, 0, lambda t: self._tokenize(t, prompt))
        elif f.kind == Kind.DETOKENIZE:
            if len(f.tail) % 4:
                raise Broken(f"{len(f.tail)} bytes are not a list of token ids")
            ids = [int.from_bytes(f.tail[i : i + 4], "little", signed=True) for i in range(0, len(f.tail), 4)]
            self._task(f, 0, lambda t: self._detokenize(t, ids))
        elif f.kind == Kind.STATS:
            self._stats(f.call)
        elif f.kind == Kind.SHARE:
            n = f.decode("processors").get("processors", 0)
            if n < 1:
                raise Broken(f"a share of {n} processors")
            with self._wake:
                self._share = n
                self._wake.notify()
        elif f.kind in (Kind.RERANK, Kind.VARIANT):
            self._refuse(f.call, unsupported("The runtime pytorch cannot do this."))
        else:
            raise Broken(f"the server sent kind {f.kind}")

    @staticmethod
    def _check_prompt(value: Any) -> None:
        p = known(value, "a prompt", PROMPT)
        for s in p.get("segments") or []:
            known(s, "a segment", SEGMENT)

    @staticmethod
    def _heads(h: dict[str, Any], tail: bytes) -> list[dict[str, Any]]:
        heads = [known(i, "a tensor", ("name", "type", "shape", "size")) for i in h.get("inputs") or []]
        end = 0
        for i in heads:
            i["at"] = aligned(end)
            end = i["at"] + i["size"]
            if i["size"] < 0:
                raise Broken("a tensor has less than no bytes")
        if end != len(tail):
            raise Broken(f"the tensors have {end} bytes and the frame {len(tail)}")
        return heads

    def _task(self, f: Frame, timeout_ms: int, work: Callable[[Task], None]) -> None:
        if not 0 <= timeout_ms <= MAX_TIMEOUT_MS:
            raise Broken(f"a call has a time limit of {timeout_ms} ms")
        task = Task(f.call, work, time.monotonic() + timeout_ms / 1000 if timeout_ms else 0.0)
        with self._wake:
            if f.call in self._running:
                raise Broken(f"the call {f.call} runs already")
            self._running[f.call] = task
            self._tasks.append(task)
            self._wake.notify()

    def _compute(self) -> None:
        try:
            while self._turn():
                pass
        except BaseException as e:
            traceback.print_exc()
            self._channel.send(Kind.FATAL, 0, {"class": "panic", "detail": f"{type(e).__name__}: {e}"[:300]})
            self._code = EXIT_PANIC
            self._closed = True
            self._channel.close()

    def _turn(self) -> bool:
        """Does what waits, and then one step of each request up to the number of sequences. False: the end."""
        with self._wake:
            while not (self._closed or self._tasks or self._requests or self._share):
                self._wake.wait()
            if self._closed:
                return False
            tasks, self._tasks = list(self._tasks), deque()
            share, self._share = self._share, 0
        if share and self._model is not None:
            self._threads = max(1, min(share, self._model.facts["threads"]))
            import torch

            torch.set_num_threads(self._threads)
        for t in tasks:
            self._guard(t.call, t.run)
        if self._requests:
            self._steps()
        return True

    def _guard(self, call: int, work: Callable[[], object]) -> bool:
        """Runs a part of a call. A failure that belongs to the call is its answer; any other ends the worker."""
        try:
            work()
            return True
        except Fault as e:
            self._refuse(call, e)
        except Broken:
            raise
        except Exception as e:
            if not is_out_of_memory(e):
                raise
            traceback.print_exc()
            self._refuse(call, Fault("out_of_memory", "Memory did not suffice for this request; send a shorter one, or free some."))
        return False

    def _refuse(self, call: int, e: Fault) -> None:
        self._forget(call)
        self._channel.send(Kind.ERROR, call, {
            "code": e.code, "message": e.message, **({"param": e.param} if e.param else {}), **({"overflow": e.overflow} if e.overflow else {}),
        })

    def _forget(self, call: int) -> None:
        with self._wake:
            self._running.pop(call, None)

    def _probe(self, t: Task) -> None:
        # The packages are looked at and not loaded, which takes seconds; a load that fails says why.
        missing, version = "", ""
        try:
            version = f"{metadata.version('torch').split('+')[0]} (transformers {metadata.version('transformers')})"
            for name in ("torch", "transformers", "tokenizers", "safetensors", "numpy"):
                if util.find_spec(name) is None:
                    raise ImportError(f"the package {name} is missing")
        except ImportError as e:  # PackageNotFoundError is one
            missing = broken_environment(e).message
        self._forget(t.call)
        self._channel.send(Kind.STATUS, t.call, {"ready": not missing, "version": version, "device": "" if missing else "cpu", "missing": missing, "guide": "", "no_guide": ""})

    def _load(self, t: Task, spec: dict[str, Any]) -> None:
        if self._loading:
            raise Fault("conflict", "This worker has its model already.")
        self._loading = True
        self._channel.send(Kind.PROGRESS, t.call, {"fraction": 0.0})
        try:
            import torch

            from .load import load
        except Exception as e:  # a library that cannot be opened is an OSError, and what half a package raises may be anything
            if is_out_of_memory(e):
                raise
            raise broken_environment(e) from e
        torch.set_grad_enabled(False)

        def progress(p: float) -> None:
            t.go_on()
            self._channel.send(Kind.PROGRESS, t.call, {"fraction": p})

        model = load(spec, progress)
        self._threads = model.facts["threads"]
        self._model = model
        self._forget(t.call)
        self._channel.send(Kind.PROGRESS, t.call, {"fraction": 1.0})
        self._channel.send(Kind.LOADED, t.call, {"facts": model.facts})

    def _loaded(self) -> Loaded:
        if self._model is None:
            raise Fault("unavailable", "This worker has no model yet.")
        return self._model

    def _generate(self, t: Task, r: dict[str, Any], timeout_ms: int) -> None:
        m = self._loaded()
        if m.causal is None:
            raise unsupported("This model makes no text; use it for embeddings or by tensors.")
        request = m.causal.accept(t.call, r, timeout_ms)
        request.deadline = t.deadline
        with self._wake:
            request.cancelled = t.cancelled
            self._running[t.call] = request
        self._channel.send(Kind.ACCEPTED, t.call)
        self._requests.append(request)

    def _steps(self) -> None:
        """One step of each request that has a sequence."""
        m = self._loaded()
        assert m.causal is not None
        some = [self._requests[i] for i in range(min(len(self._requests), m.facts["sequences"]))]
        self._active = len(some)
        now = time.monotonic()
        over: list[Request] = []
        for r in self._requests:
            late = bool(r.deadline) and now > r.deadline
            if r.cancelled or late:
                over.append(r)
                m.causal.release(r)
                self._refuse(r.call, Fault("cancelled", "The request was cancelled by its caller.") if r.cancelled else Fault("deadline_exceeded", "The request was not done within its time limit."))
        for r in some:
            if r in over:
                continue
            if not self._guard(r.call, partial(self._step, m.causal, r, over)):
                m.causal.release(r)
                over.append(r)
        for r in over:
            self._requests.remove(r)
        self._active = min(len(self._requests), m.facts["sequences"])

    def _step(self, causal: Causal, r: Request, over: list[Request]) -> None:
        events = causal.step(r)
        for e in events:
            self._event(r.call, e)
        if events and "usage" in events[-1]:
            over.append(r)

    def _event(self, call: int, e: dict[str, Any]) -> None:
        if usage := e.get("usage"):
            self._channel.send(Kind.EVENT, call, {"usage": usage})
            self._forget(call)
            self._channel.send(Kind.END, call)
            return
        text = e["text"].encode()
        if e["count"] == 1 and e["choice"] == 0 and not (e["finish"] or e["stop"] or e["tokens"] or "start" in e):
            self._channel.send(Kind.EVENT, call, None, text)
            return
        h = {"choice": e["choice"], "count": e["count"], "finish": e["finish"], "stop_string": e["stop"]}
        if e["tokens"]:
            h["tokens"] = [self._token(x) for x in e["tokens"]]
        if "start" in e:
            h["start"] = {"prompt": e["start"], "cached": 0, "completion": 0, "queued": 0, "prefill": 0, "decode": 0}
        self._channel.send(Kind.EVENT, call, h, text)

    def _token(self, x: dict[str, Any]) -> dict[str, Any]:
        # JSON has no infinity; a forbidden token has the smallest number instead.
        out: dict[str, Any] = {"id": x["id"], "bytes": base64.b64encode(x["bytes"]).decode(), "logprob": max(x["p"], -sys.float_info.max)}
        if x.get("top"):
            out["top"] = [self._token(y) for y in x["top"]]
        return out

    def _embed(self, t: Task, prompts: list[dict[str, Any]]) -> None:
        m = self._loaded()
        if m.embedder is None:
            raise unsupported("This model makes no embeddings; load it for embeddings, or use another.")
        texts = m.embedder.accept(prompts)
        vectors = m.embedder.embed(texts, t.go_on)
        rows = max(1, VECTOR_BYTES // (4 * m.embedder.dimensions))
        usage = {"prompt": sum(map(len, texts)), "cached": 0, "completion": 0, "queued": 0, "prefill": 0, "decode": 0}
        self._forget(t.call)
        for at in range(0, max(1, len(vectors)), rows):
            some = vectors[at : at + rows]
            head = {"count": len(some), "dimensions": m.embedder.dimensions if len(some) else 0, "more": at + rows < len(vectors), "usage": usage}
            self._channel.send(Kind.VECTORS, t.call, head, some.astype("<f4").tobytes())

    def _infer(self, t: Task, heads: list[dict[str, Any]], tail: bytes, outputs: list[str] | None) -> None:
        m = self._loaded()
        if m.program is None:
            raise unsupported("This model takes no tensors; send it text.")
        left = m.program.infer(heads, tail, outputs)
        for h, data in left:
            if len(data) > MAX_TENSORS:
                raise Fault("too_large", f"The tensor {h['name']:.80} has {len(data) >> 20} MiB; one that goes to or from a worker has at most {MAX_TENSORS >> 20}.")
        self._forget(t.call)
        while True:
            n, parts = 0, b""
            while n < len(left) and (n == 0 or aligned(len(parts)) + len(left[n][1]) <= TENSOR_BYTES):
                parts += bytes(aligned(len(parts)) - len(parts)) + left[n][1]
                n += 1
            some, left = left[:n], left[n:]
            self._channel.send(Kind.TENSORS, t.call, {"tensors": [h for h, _ in some], "more": bool(left)}, parts)
            if not left:
                return

    def _tokenize(self, t: Task, prompt: dict[str, Any]) -> None:
        m = self._loaded()
        if m.tokens is None:
            raise unsupported("This model has no tokens; it takes tensors.")
        ids = m.tokens.encode(prompt, after=m.embedder is not None)
        self._forget(t.call)
        self._channel.send(Kind.TOKENS, t.call, None, b"".join(i.to_bytes(4, "little") for i in ids))

    def _detokenize(self, t: Task, ids: list[int]) -> None:
        m = self._loaded()
        if m.tokens is None:
            raise unsupported("This model has no tokens; it takes tensors.")
        if any(i < 0 or (m.causal is not None and i >= m.causal.size) for i in ids):
            raise invalid("tokens", f"A token does not exist; this model has the tokens 0 to {m.facts['vocabulary'] - 1}.")
        data = m.tokens.decode(ids)
        self._forget(t.call)
        self._channel.send(Kind.BYTES, t.call, None, data)

    def _stats(self, call: int) -> None:
        m = self._model
        if m is None:
            self._refuse(call, Fault("unavailable", "This worker has no model yet."))
            return
        c = m.causal.counts if m.causal is not None else None
        waiting = len(self._requests) + len(self._tasks) - self._active
        self._channel.send(Kind.STATS_NOW, call, {"stats": {
            "active": self._active, "waiting": max(0, waiting), "threads": self._threads, "steps": c.steps if c else 0, "prompt": c.prompt if c else 0,
            "cached": 0, "generated": c.generated if c else 0, "drafted": 0, "accepted": 0, "paused": 0, "busy": int(c.busy * 1e9) if c else 0,
        }})
