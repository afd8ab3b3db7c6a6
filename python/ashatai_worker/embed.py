"""Models that make one vector of a text, with the pooling that the model's files ask for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .fault import bad_model, invalid, too_long
from .tokens import Tokens

BATCH = 16


def pooling(folder: Path) -> str:
    """mean, cls, max or last, as 1_Pooling/config.json says."""
    file = folder / "1_Pooling" / "config.json"
    if not file.is_file():
        return "mean"
    try:
        said = json.loads(file.read_text())
    except ValueError as e:
        raise bad_model(f"The model's 1_Pooling/config.json cannot be read: {e}. Get the file again from the model's publisher.") from None
    for key, name in (("mean_tokens", "mean"), ("cls_token", "cls"), ("max_tokens", "max"), ("lasttoken", "last")):
        if said.get(f"pooling_mode_{key}"):
            return name
    return "mean"


def limit(folder: Path, config: Any, tokens: Tokens) -> int:
    """Tokens of a text: what the files say of sentences first, then what the model was made for."""
    file = folder / "sentence_bert_config.json"
    if file.is_file():
        try:
            n = int(json.loads(file.read_text()).get("max_seq_length") or 0)
        except (ValueError, TypeError):
            n = 0
        if n > 0:
            return n
    return tokens.limit or int(getattr(config, "max_position_embeddings", 0) or 0) or 512


def positions(net: Any) -> int:
    """Tokens of a text that the model's table of positions has rows for; 0: it has no table. RoBERTa's begin behind the row of padding."""
    table = getattr(getattr(net, "embeddings", None), "position_embeddings", None)
    if not isinstance(table, torch.nn.Embedding):
        return 0
    return int(table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1))


class Embedder:
    """A loaded model that makes vectors."""

    def __init__(self, net: Any, tokens: Tokens, folder: Path, context: int) -> None:
        self.net = net
        self.tokens = tokens
        most = limit(folder, net.config, tokens)
        if rows := positions(net):
            most = min(most, rows)
        self.context = min(context, most) if context > 0 else most
        self.dimensions = int(net.config.hidden_size)
        self.pooling = pooling(folder)

    def accept(self, prompts: list[dict[str, Any]]) -> list[list[int]]:
        """The tokens of the texts, checked."""
        out = []
        for i, p in enumerate(prompts):
            ids = self.tokens.encode(p, after=True)
            if not ids:
                raise invalid("input", "A text has no tokens; say something.")
            if len(ids) > self.context:
                raise too_long("input", f"input {i}", len(ids), self.context, 0)
            out.append(ids)
        return out

    def embed(self, texts: list[list[int]], go_on: Callable[[], None]) -> npt.NDArray[np.float32]:
        """One vector of length 1 a text. go_on is called between batches, and may raise."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = np.empty((len(texts), self.dimensions), np.float32)
        for at in range(0, len(order), BATCH):
            go_on()
            some = order[at : at + BATCH]
            out[some] = self._batch([texts[i] for i in some])
        return out

    def _batch(self, texts: list[list[int]]) -> npt.NDArray[np.float32]:
        longest = max(map(len, texts))
        ids = torch.zeros((len(texts), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for i, t in enumerate(texts):
            ids[i, : len(t)] = torch.tensor(t)
            mask[i, : len(t)] = 1
        hidden = self.net(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        wide = mask.unsqueeze(-1)
        if self.pooling == "mean":
            v = (hidden * wide).sum(1) / wide.sum(1)
        elif self.pooling == "cls":
            v = hidden[:, 0]
        elif self.pooling == "max":
            v = hidden.masked_fill(wide == 0, -torch.inf).amax(1)
        else:
            v = hidden[torch.arange(len(texts)), mask.sum(1) - 1]
        unit: npt.NDArray[np.float32] = torch.nn.functional.normalize(v, dim=-1).numpy()
        return unit
