"""The worker protocol: frames over the channel to the server. internal/worker/wire/doc.go is its specification."""

from __future__ import annotations

import json
import socket
import struct
import threading
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from .fault import Broken

PROTOCOL = 1
MAX_FRAME = 64 << 20
MAX_TENSORS = MAX_FRAME - (1 << 20)  # bytes of tensors in a frame
FIXED = 9
PART = 64  # the parts of a tail begin at its multiples

EXIT_CLEAN = 0
EXIT_FAILED = 1
EXIT_USAGE = 64
EXIT_PANIC = 70
EXIT_PROTOCOL = 76


def aligned(n: int) -> int:
    """Where the next part of a tail begins, behind n bytes."""
    return n + -n % PART


class Kind(IntEnum):
    """What a frame is."""

    HELLO = 1
    HEARTBEAT = 2
    FATAL = 3
    PROBE = 4
    STATUS = 5
    LOAD = 6
    PROGRESS = 7
    LOADED = 8
    GENERATE = 9
    ACCEPTED = 10
    EVENT = 11
    END = 12
    ERROR = 13
    CANCEL = 14
    EMBED = 15
    VECTORS = 16
    TOKENIZE = 17
    TOKENS = 18
    DETOKENIZE = 19
    BYTES = 20
    STATS = 21
    STATS_NOW = 22
    CLOSE = 23
    VARIANT = 24
    VARIANT_MADE = 25
    SHARE = 26
    RERANK = 27
    INFER = 28
    TENSORS = 29


@dataclass(slots=True)
class Frame:
    """One message. The header is empty where there is none."""

    kind: int
    call: int
    header: bytes
    tail: bytes

    def decode(self, *fields: str) -> dict[str, Any]:
        """Reads the header, which may have these keys and no others."""
        try:
            value = json.loads(self.header)
        except (ValueError, RecursionError) as e:
            raise Broken(f"the header of kind {self.kind} is wrong: {e}") from None
        return known(value, f"the header of kind {self.kind}", fields)


def known(value: Any, what: str, fields: tuple[str, ...]) -> dict[str, Any]:
    """Checks that a value is an object without keys that nobody expects."""
    if not isinstance(value, dict):
        raise Broken(f"{what} is no object")
    for key in value:
        if key not in fields:
            raise Broken(f"{what} has the unknown key {key!r:.80}")
    return value


class Channel:
    """The channel to the server. Any thread may send; one reads."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._in = sock.makefile("rb", 32 << 10)
        self._lock = threading.Lock()

    def read(self) -> Frame | None:
        """Returns the next frame, or None when the server has closed. Raises Broken for what is no frame."""
        try:
            head = self._in.read(4 + FIXED)
        except OSError:
            return None
        if not head:
            return None
        if len(head) < 4 + FIXED:
            raise Broken("the channel ends within a frame")
        length, kind, call, header = struct.unpack("<IBII", head)
        if not FIXED <= length <= MAX_FRAME:
            raise Broken(f"a frame states a length of {length}")
        if kind == 0 or kind > Kind.TENSORS:
            raise Broken(f"a frame has the unknown kind {kind}")
        body = length - FIXED
        if header > body:
            raise Broken(f"a frame states a header of {header} bytes and has {body}")
        data = self._in.read(body)
        if len(data) < body:
            raise Broken("the channel ends within a frame")
        return Frame(kind, call, data[:header], data[header:])

    def send(self, kind: Kind, call: int, header: object = None, tail: bytes = b"") -> None:
        """Sends one frame. A channel that is closed is no error: the reading side sees that."""
        h = b"" if header is None else json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
        n = FIXED + len(h) + len(tail)
        if n > MAX_FRAME:
            raise ValueError(f"a frame of {n} bytes is over the limit of {MAX_FRAME}")
        frame = struct.pack("<IBII", n, kind, call, len(h)) + h + tail
        with self._lock:
            try:
                self._sock.sendall(frame)
            except OSError:
                pass

    def close(self) -> None:
        """Ends the channel for both sides."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
