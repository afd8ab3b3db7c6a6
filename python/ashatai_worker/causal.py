"""Models that make text: a decode loop of its own over the layers of a Hugging Face model.

Every sequence has its keys and values in memory that is taken once and only written to, so a step copies nothing of what it
remembers. Sequences take turns, one step each, and each is computed by itself: a text does not depend on its company."""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from .fault import Fault, bad_model, invalid, too_long, unsupported
from .sample import Floats, Sampler, Sampling, logprobs
from .text import Assembler, Piece
from .tokens import Tokens

MAX_CHOICES = 128


class Row(DynamicLayer):  # type: ignore[misc]
    """The keys and values of one layer of one sequence."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Takes the memory, at the first token."""

        def room(like: torch.Tensor) -> torch.Tensor:
            return torch.empty((*like.shape[:2], self.capacity, like.shape[3]), dtype=like.dtype)

        self.keys, self.values = room(key_states), room(value_states)
        self.is_initialized = True

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Writes what is new behind what is there."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[2]
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        """Tokens that are remembered."""
        return self.length

    def get_max_length(self) -> int:
        """Tokens that have room."""
        return -1


class Memory:
    """What one sequence remembers."""

    def __init__(self, config: Any, capacity: int) -> None:
        self.cache = DynamicCache(config=config)
        self.simple = bool(self.cache.layers) and all(type(layer) is DynamicLayer for layer in self.cache.layers)
        if self.simple:
            self.cache.layers = [Row(capacity) for _ in self.cache.layers]

    def cut(self, length: int) -> None:
        """Forgets all but the first tokens. Only where the memory is simple."""
        for row in self.cache.layers:
            row.length = min(row.length, length)


@dataclass(slots=True)
class Request:
    """One call for text, as the loop sees it."""

    call: int
    prompt: list[int]
    sampling: Sampling
    limit: int  # tokens of a choice
    choices: int
    stop: list[str]
    ignore_end: bool
    logprobs: bool
    tops: int
    reveal: set[int]
    entered: float = field(default_factory=time.monotonic)
    deadline: float = 0.0  # 0: none
    cancelled: bool = False
    done: int = 0  # prompt tokens that are computed
    began: float = 0.0
    first: float = 0.0
    choice: int = 0
    made: int = 0  # tokens of this choice
    total: int = 0
    told: bool = False
    start: Floats | None = None  # the scores after the prompt
    scores: Floats | None = None
    memory: Memory | None = None
    sampler: Sampler | None = None
    out: Assembler | None = None
    begun: bool = False  # this choice's text has a token
    held: list[dict[str, Any]] = field(default_factory=list)  # tokens without a text, which go with the next one's
    last: int = -1  # the token that the next step goes on from


@dataclass(slots=True)
class Counts:
    """Figures that never fall."""

    steps: int = 0
    prompt: int = 0
    generated: int = 0
    busy: float = 0.0


class Causal:
    """A loaded model that makes text."""

    def __init__(self, net: Any, tokens: Tokens, ends: list[int], context: int, batch: int) -> None:
        self.net = net
        self.tokens = tokens
        self.ends = [e for e in ends if 0 <= e < net.config.vocab_size]
        self.context = context
        self.batch = batch
        self.size: int = min(tokens.size, net.config.vocab_size)
        self.counts = Counts()
        self._free: list[Memory] = []
        # What the argument for the memory is called depends on the release that an architecture was written for.
        takes = inspect.signature(net.forward).parameters
        self._cache = next((name for name in ("cache", "past_key_values") if name in takes), "")
        if not self._cache:  # it would take the argument among others that it does not know, and forget all but the last token
            raise bad_model(f"{type(net).__name__} takes no memory of the tokens before, which the runtime pytorch needs. Use another model.")

    def accept(self, call: int, r: dict[str, Any], timeout_ms: int) -> Request:
        """Checks a request and makes it ready for the loop."""
        if (r.get("constraint") or {}).get("kind"):
            raise unsupported("The runtime pytorch cannot hold answers to a schema, a grammar or a tool. Ask without, or use the model in the format GGUF.")
        n = r.get("choices", 0)
        if not 1 <= n <= MAX_CHOICES:
            raise invalid("n", f"n is {n}; it must be between 1 and {MAX_CHOICES}.")
        prompt = self.tokens.encode(r.get("prompt") or {})
        if not prompt:
            raise invalid("prompt", "The prompt has no tokens; say something.")
        if any(t >= self.size for t in prompt):
            raise invalid("prompt", f"The prompt has a token that does not exist; this model has the tokens 0 to {self.size - 1}.")
        if len(prompt) >= self.context:
            raise too_long("messages", "the prompt", len(prompt), self.context, 1)
        limit = self.context - len(prompt)
        if r.get("max_tokens", 0) > 0:
            limit = min(limit, r["max_tokens"])
        return Request(
            call=call, prompt=prompt, sampling=Sampling.read(r["sampling"]), limit=limit, choices=n, stop=r.get("stop") or [],
            ignore_end=bool(r.get("ignore_eos")), logprobs=bool(r.get("logprobs")), tops=r.get("top_logprobs", 0),
            reveal=self.tokens.control(r.get("reveal") or []), deadline=time.monotonic() + timeout_ms / 1000 if timeout_ms else 0.0,
        )

    def release(self, r: Request) -> None:
        """Gives a sequence's memory back."""
        if r.memory is not None:
            if r.memory.simple:
                self._free.append(r.memory)
            r.memory = None

    def _forward(self, ids: list[int], memory: Memory) -> Floats:
        began = time.monotonic()
        out = self.net(input_ids=torch.tensor([ids]), use_cache=True, logits_to_keep=1, **{self._cache: memory.cache})
        scores: Floats = out.logits[0, -1, : self.size].float().numpy()
        self.counts.steps += 1
        self.counts.busy += time.monotonic() - began
        return scores

    def step(self, r: Request) -> list[dict[str, Any]]:
        """One step of one request. Returns its events; the last one has a usage."""
        if r.memory is None:
            r.memory = self._free.pop() if self._free else Memory(self.net.config, self.context)
            if r.memory.simple:
                r.memory.cut(0)
            r.began = r.began or time.monotonic()
        if r.done < len(r.prompt):
            piece = r.prompt[r.done : r.done + self.batch]
            r.scores = self._forward(piece, r.memory)
            r.done += len(piece)
            self.counts.prompt += len(piece)
            if r.done < len(r.prompt):
                return []
            r.first = r.first or time.monotonic()
            r.start = r.scores.copy()
        elif r.last >= 0:
            r.scores, r.last = self._forward([r.last], r.memory), -1
        if r.sampler is None:
            r.sampler = Sampler(r.sampling, r.choice, r.prompt, self.context)
            r.out, r.made, r.begun = Assembler(r.stop), 0, False
        return self._token(r)

    def _token(self, r: Request) -> list[dict[str, Any]]:
        assert r.scores is not None and r.sampler is not None and r.out is not None and r.memory is not None
        scores = r.scores
        if r.ignore_end:
            scores[self.ends] = -np.inf
        raw = scores.copy() if r.logprobs else None
        t = r.sampler.sample(scores)
        if t >= 0 and np.isnan(scores[t]):
            raise Fault("internal", "The model computes what is no number; its weights are damaged, or do not fit the number type.")
        if t < 0 or t in self.ends:
            return self._finish(r, r.out.end(), "stop")
        r.made += 1
        r.total += 1
        self.counts.generated += 1
        data = self._shown(r, t, not r.begun)
        r.begun = r.begun or bool(data)
        piece = r.out.add(data, None if raw is None else self._described(r, raw, t))
        if piece.stop:
            return self._finish(r, piece, "stop")
        if r.made == r.limit:
            rest = r.out.end()
            piece.text += rest.text
            piece.tokens += rest.tokens
            return self._finish(r, piece, "length")
        if not piece.text:
            r.held += piece.tokens
        events = [self._event(r, piece)] if piece.text else []
        r.last = t  # the next step computes it, so that its text leaves first
        return events

    def _described(self, r: Request, raw: Floats, t: int) -> dict[str, Any]:
        p, tops = logprobs(raw, t, r.tops)
        return {"id": t, "p": min(p, 0.0), "bytes": self._shown(r, t), "top": [{"id": i, "p": min(q, 0.0), "bytes": self._shown(r, i)} for i, q in tops]}

    def _shown(self, r: Request, t: int, first: bool = False) -> bytes:
        """The bytes of a token in an answer: a control token has none, unless it is asked for."""
        return b"" if t in self.tokens.special and t not in r.reveal else self.tokens.piece(t, first)

    def _event(self, r: Request, p: Piece, finish: str = "") -> dict[str, Any]:
        e: dict[str, Any] = {"choice": r.choice, "text": p.text, "count": p.count, "stop": p.stop, "finish": finish, "tokens": r.held + p.tokens}
        r.held = []
        if not r.told:
            r.told = True
            e["start"] = len(r.prompt)
        return e

    def _finish(self, r: Request, p: Piece, why: str) -> list[dict[str, Any]]:
        events = [self._event(r, p, why)]
        r.choice += 1
        r.sampler = None
        if r.choice < r.choices:
            assert r.memory is not None and r.start is not None
            if r.memory.simple:
                r.memory.cut(len(r.prompt))
                r.scores = r.start.copy()
            else:
                r.memory, r.done = None, 0
            return events
        now = time.monotonic()
        ns = 1_000_000_000
        usage = {
            "prompt": len(r.prompt), "cached": 0, "completion": r.total, "queued": int((r.began - r.entered) * ns),
            "prefill": int((r.first - r.began) * ns), "decode": int((now - r.first) * ns),
        }
        self.release(r)
        return [*events, {"usage": usage}]
