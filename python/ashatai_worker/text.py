"""Turns the bytes of tokens into pieces that may be shown: whole UTF-8, and nothing of a stop string. It does what
internal/engine/text does, and the tests hold both against the same cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Piece:
    """What may be shown now."""

    text: str = ""
    tokens: list[dict[str, Any]] = field(default_factory=list)  # those whose text begins in it
    count: int = 0  # tokens since the piece before that had text
    stop: str = ""  # the stop string that was met; nothing follows


class Assembler:
    """Collects the bytes of one choice."""

    def __init__(self, stops: list[str]) -> None:
        self._stops = [s.encode() for s in stops]
        self._pending = b""
        self._tokens: list[dict[str, Any]] = []
        self._starts: list[int] = []
        self._count = 0

    def add(self, data: bytes, token: dict[str, Any] | None = None) -> Piece:
        """Takes the bytes of one token and returns what they complete."""
        if token is not None:
            self._tokens.append(token)
            self._starts.append(len(self._pending))
        self._count += 1
        if not self._stops and not self._pending and data.isascii():  # nearly every token
            self._pending = data
            return self._take(len(data))
        self._pending += data
        at, stop = self._find()
        if stop:
            piece = self._take(at)
            piece.stop = stop.decode()
            return piece
        return self._take(self._safe())

    def end(self) -> Piece:
        """Returns what was held back, when the choice ends without a stop string."""
        return self._take(len(self._pending))

    def _find(self) -> tuple[int, bytes]:
        """The earliest stop string; of those that begin there, the longest."""
        at, found = len(self._pending), b""
        for s in self._stops:
            i = self._pending.find(s)
            if i >= 0 and (i < at or (i == at and len(s) > len(found))):
                at, found = i, s
        return at, found

    def _safe(self) -> int:
        """Length of the part that can be neither the start of a stop string nor a part of a character."""
        p = self._pending
        n = len(p) - incomplete(p)
        for s in self._stops:
            for k in range(min(len(s) - 1, len(p)), 0, -1):
                if p.endswith(s[:k]):
                    n = min(n, len(p) - k)
                    break
        return n - incomplete(p[:n])

    def _take(self, n: int) -> Piece:
        piece = Piece(valid(self._pending[:n]), count=self._count)
        if n > 0:
            self._count = 0
        if self._tokens:
            whole = n == len(self._pending)
            k = 0
            while k < len(self._tokens) and (self._starts[k] < n or whole):
                k += 1
            piece.tokens = self._tokens[:k]
            self._tokens = self._tokens[k:]
            self._starts = [s - n for s in self._starts[k:]]
        self._pending = self._pending[n:]
        return piece


def incomplete(b: bytes) -> int:
    """Number of bytes at the end that begin a character and do not complete it."""
    for k in range(1, min(4, len(b) + 1)):
        c = b[-k]
        if c & 0xC0 == 0x80:
            continue
        if c < 0x80:
            return 0
        try:
            b[-k:].decode()
        except UnicodeDecodeError as e:
            return k if e.reason == "unexpected end of data" else 0
        return 0
    return 0


def valid(b: bytes) -> str:
    """Each byte that is not UTF-8 becomes a U+FFFD of its own, so that the text does not depend on how it was cut."""
    try:
        return b.decode()
    except UnicodeDecodeError:
        pass
    out = []
    while b:
        try:
            out.append(b.decode())
            break
        except UnicodeDecodeError as e:
            out.append(b[: e.start].decode() + "\ufffd")
            b = b[e.start + 1 :]
    return "".join(out)
