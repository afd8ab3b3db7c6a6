"""Chooses the next token from scores: penalties, bias, truncation, temperature and a seeded draw. It does what
internal/engine/sample does, number for number, so that a setting means the same with every runtime."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_MASK = (1 << 64) - 1
_MUL = 2549297995355413924 << 64 | 4865540595714422341
_INC = 6364136223846793005 << 64 | 1442695040888963407
_CHEAP = 0xDA942042E4DD58B5


class PCG:
    """The generator PCG-DXSM as Go's math/rand/v2 has it, so that a seed draws the same everywhere."""

    def __init__(self, seed: int) -> None:
        self._state = (seed & _MASK) << 64

    def uniform(self) -> float:
        """A number in [0, 1)."""
        self._state = (self._state * _MUL + _INC) & ((1 << 128) - 1)
        hi, lo = self._state >> 64, self._state & _MASK
        hi ^= hi >> 32
        hi = hi * _CHEAP & _MASK
        hi ^= hi >> 48
        hi = hi * (lo | 1) & _MASK
        return (hi & ((1 << 53) - 1)) / (1 << 53)


@dataclass(slots=True)
class Sampling:
    """engine.Sampling: every choice is made."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: dict[int, float] = field(default_factory=dict)
    seed: int = 0

    @staticmethod
    def read(value: dict[str, Any]) -> Sampling:
        """Reads the JSON that the server sends."""
        bias = {int(k): float(v) for k, v in (value.get("logit_bias") or {}).items()}
        return Sampling(**{**value, "logit_bias": bias})


class Sampler:
    """Chooses the tokens of one sequence."""

    def __init__(self, p: Sampling, choice: int, history: list[int], context: int) -> None:
        self._p = p
        self._rng = PCG(p.seed + choice)
        self._last = context if p.repeat_last_n < 0 or p.repeat_last_n > context else p.repeat_last_n
        self._window: deque[int] = deque()
        self._counts: dict[int, int] = {}
        self._penalises = self._last > 0 and (p.repeat_penalty != 1 or p.presence_penalty != 0 or p.frequency_penalty != 0)
        if self._penalises:
            for t in history[max(0, len(history) - self._last) :]:
                self._remember(t)

    def sample(self, scores: Floats) -> int:
        """Chooses the next token and remembers it. It changes the scores. -1: no token is allowed."""
        self._adjust(scores)
        t = self._choose(scores)
        if t >= 0 and self._penalises:
            self._remember(t)
        return t

    def _remember(self, t: int) -> None:
        self._window.append(t)
        self._counts[t] = self._counts.get(t, 0) + 1
        if len(self._window) > self._last:
            old = self._window.popleft()
            self._counts[old] -= 1
            if self._counts[old] == 0:
                del self._counts[old]

    def _adjust(self, scores: Floats) -> None:
        """Applies logit bias, then the penalties (Keskar et al. 2019, "CTRL"), to the tokens that they name."""
        p = self._p
        for t, b in p.logit_bias.items():
            if t < len(scores):
                scores[t] = -np.inf if b <= -100 else scores[t] + np.float32(b)
        for t, n in self._counts.items():
            if t < len(scores):
                s = float(scores[t])
                s = s / p.repeat_penalty if s > 0 else s * p.repeat_penalty
                scores[t] = s - n * p.frequency_penalty - p.presence_penalty

    def _choose(self, scores: Floats) -> int:
        p = self._p
        if p.temperature == 0:
            best = int(scores.argmax())
            return -1 if scores[best] == -np.inf else best
        ids = top(scores, p.top_k)
        if len(ids) == 0:
            return -1
        kept = scores[ids]
        prob = softmax(kept, 1.0)
        if p.typical_p < 1:
            chosen = typical(ids, kept, prob, p.typical_p)
            ids, kept = ids[chosen], kept[chosen]
            prob = softmax(kept, 1.0)
        if p.top_p < 1:
            n = head(prob, p.top_p)
            ids, kept, prob = ids[:n], kept[:n], prob[:n]
        if p.min_p > 0:
            low = prob < np.float32(p.min_p) * prob[0]
            low[0] = False
            n = int(low.argmax()) if low.any() else len(ids)
            ids, kept = ids[:n], kept[:n]
        prob = softmax(kept, p.temperature)
        u = self._rng.uniform()
        at = int(np.searchsorted(np.cumsum(prob, dtype=np.float64), u, side="right"))
        return int(ids[min(at, len(ids) - 1)])


def top(scores: Floats, k: int) -> Ints:
    """The k best allowed tokens, best first, the smaller id where two are equal; all of them where k is 0."""
    n = len(scores)
    if 0 < k < n:
        floor = np.partition(scores, n - k)[n - k]
        ids = np.flatnonzero(scores >= floor)
    else:
        k, ids = n, np.arange(n)
    ids = ids[scores[ids] > -np.inf]
    order: Ints = ids[np.lexsort((ids, -scores[ids]))][:k]
    return order


def softmax(kept: Floats, temperature: float) -> Floats:
    """Probabilities of scores that are sorted, best first."""
    e = np.exp((kept - kept[0]).astype(np.float64) / temperature)
    total = float(np.cumsum(e)[-1])
    out: Floats = (e.astype(np.float32).astype(np.float64) / total).astype(np.float32)
    return out


def head(prob: Floats, p: float) -> int:
    """Length of the smallest head whose probability reaches p (Holtzman et al. 2019)."""
    return min(int(np.searchsorted(np.cumsum(prob, dtype=np.float64), p, side="left")) + 1, len(prob))


def typical(ids: Ints, kept: Floats, prob: Floats, p: float) -> Ints:
    """Places of the tokens whose surprise is closest to the expected one (Meister et al. 2022), by score again."""
    d = prob.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = -np.log(d)
        entropy = float(np.sum(np.where(d > 0, d * surprise, 0.0)))
    near = np.argsort(np.abs(surprise - entropy), kind="stable")
    near = near[: head(prob[near], p)]
    out: Ints = near[np.lexsort((ids[near], -kept[near]))]
    return out


def logprobs(scores: Floats, t: int, n: int) -> tuple[float, list[tuple[int, float]]]:
    """The logarithm of a token's probability under the model itself, and the n most likely tokens with theirs."""
    best = float(scores.max())
    norm = best + float(np.log(np.sum(np.exp((scores - np.float32(best)).astype(np.float64)))))
    tops = [int(i) for i in top(scores, n)] if n > 0 else []
    return float(scores[t]) - norm, [(i, float(scores[i]) - norm) for i in tops]
