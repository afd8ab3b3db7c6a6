"""Text to tokens and back, by the model's own tokenizer.json.

Control tokens are recognised only where every byte of them stands in trusted text; what a user wrote is text, whatever it
spells."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from .fault import bad_model, invalid


def _byte_level() -> dict[str, int]:
    """GPT-2's alphabet: a printable character for each byte."""
    keep = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in keep]
    return {chr(b): b for b in keep} | {chr(256 + i): b for i, b in enumerate(others)}


def _kinds(spec: Any) -> dict[str, dict[str, Any]]:
    """The stages of a decoder by their kind."""
    if not isinstance(spec, dict):
        return {}
    if spec.get("type") == "Sequence":
        out: dict[str, dict[str, Any]] = {}
        for s in spec.get("decoders", []):
            out |= _kinds(s)
        return out
    return {str(spec.get("type")): spec}


class Tokens:
    """The tokens of one model."""

    def __init__(self, path: Path) -> None:
        try:
            raw = path.read_bytes()
            self._tok = Tokenizer.from_buffer(raw)
            spec = json.loads(raw)
        except Exception as e:  # the library raises plain Exception
            raise bad_model(f"The model's tokenizer.json cannot be read: {e}. Get the file again from the model's publisher.") from None
        truncation = spec.get("truncation") or {}
        self.limit = int(truncation.get("max_length") or 0)
        self._tok.no_truncation()
        self._tok.no_padding()
        self._lock = threading.Lock()
        added = self._tok.get_added_tokens_decoder()
        self._added = {i: str(t.content) for i, t in added.items()}
        self.special = {i for i, t in added.items() if t.special}
        self.size = max([self._tok.get_vocab_size(with_added_tokens=True), *(i + 1 for i in added)])
        spelled = sorted((self._added[i] for i in self.special), key=len, reverse=True)
        flags = re.IGNORECASE if any(added[i].normalized for i in self.special) else 0
        self._control = re.compile("|".join(map(re.escape, spelled)), flags) if spelled else None
        kinds = _kinds(spec.get("decoder"))
        self._bytes_of = self._reader(kinds)
        self._strips = "Metaspace" in kinds or "Strip" in kinds
        self._pieces = "WordPiece" in kinds
        self._around = self._template()

    def _reader(self, kinds: dict[str, dict[str, Any]]) -> Callable[[str], bytes]:
        if "ByteLevel" in kinds:
            table = _byte_level()

            def level(token: str) -> bytes:
                return b"".join(bytes([table[c]]) if c in table else c.encode() for c in token)

            return level
        if "WordPiece" in kinds:
            prefix = str(kinds["WordPiece"].get("prefix", "##"))

            def piece(token: str) -> bytes:
                return token[len(prefix) :].encode() if token.startswith(prefix) else (" " + token).encode()

            return piece
        fallback = "ByteFallback" in kinds

        def sentence(token: str) -> bytes:
            if fallback and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
                return bytes([int(token[3:5], 16)])
            return token.replace("\u2581", " ").encode()

        return sentence

    def _template(self) -> tuple[list[int], list[int]]:
        """What the model's template puts before and after one text."""
        bare = self._tok.encode("a", add_special_tokens=False).ids
        full = self._tok.encode("a", add_special_tokens=True).ids
        for i in range(len(full) - len(bare) + 1):
            if full[i : i + len(bare)] == bare:
                return full[:i], full[i + len(bare) :]
        return [], []

    def encode(self, prompt: dict[str, Any], after: bool = False) -> list[int]:
        """The tokens of a prompt. after: with what the template puts behind a text, as models for embeddings want it."""
        ids = prompt.get("tokens")
        if ids is not None:
            for t in ids:
                if not 0 <= t < self.size:
                    raise invalid("prompt", f"The token {t} does not exist; this model has the tokens 0 to {self.size - 1}.")
            return list(ids)
        out = self._text(prompt.get("segments") or [])
        if prompt.get("add_special"):
            out = self._around[0] + out + (self._around[1] if after else [])
        return out

    def _text(self, segments: list[dict[str, Any]]) -> list[int]:
        text = "".join(s["text"] for s in segments)
        if not text:
            return []
        ends, at = [], 0
        for s in segments:
            at += len(s["text"])
            ends.append((at, bool(s.get("trusted"))))

        def trusted(start: int, end: int) -> bool:
            begin = 0
            for stop, ok in ends:
                if start < stop and end > begin and not ok:
                    return False
                begin = stop
            return True

        found = list(self._control.finditer(text)) if self._control else []
        if all(trusted(m.start(), m.end()) for m in found):
            return self._encode(text, plain=False)
        # Somebody spelled a control token: the trusted ones are cut out here, and between them everything is text.
        out: list[int] = []
        at = 0
        for m in found:
            if trusted(m.start(), m.end()):
                out += self._encode(text[at : m.start()], plain=True) + self._encode(m.group(), plain=False)
                at = m.end()
        return out + self._encode(text[at:], plain=True)

    def _encode(self, text: str, plain: bool) -> list[int]:
        if not text:
            return []
        with self._lock:
            self._tok.encode_special_tokens = plain
            ids: list[int] = self._tok.encode(text, add_special_tokens=False).ids
        return ids

    def piece(self, t: int, first: bool) -> bytes:
        """The bytes that a token adds to a text, at its beginning or later. Control tokens have their spelling."""
        if t in self._added:
            return self._added[t].encode()
        token = self._tok.id_to_token(t)
        if token is None:
            return b""
        data = self._bytes_of(token)
        return data.removeprefix(b" ") if first and (self._strips or self._pieces) else data

    def decode(self, ids: list[int]) -> bytes:
        """The bytes of tokens."""
        for t in ids:
            if not 0 <= t < self.size:
                raise invalid("tokens", f"The token {t} does not exist; this model has the tokens 0 to {self.size - 1}.")
        return b"".join(self.piece(t, i == 0) for i, t in enumerate(ids))

    def control(self, spelled: list[str]) -> set[int]:
        """The control tokens that are spelled so."""
        return {i for i in self.special if self._added[i] in spelled}
