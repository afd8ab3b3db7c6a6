"""Finds out what a model's files are, and loads them."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .causal import Causal
from .embed import Embedder
from .fault import Fault, bad_model, broken_environment, invalid, is_out_of_memory
from .program import Program
from .program import load as load_program
from .program import weights as program_weights
from .tokens import Tokens

DEFAULT_CONTEXT = 4096
DEFAULT_BATCH = 256
RESERVE = 256 << 20  # for what is between the layers
MAX_HEADER = 100 << 20
OPTIONS = ("dtype", "trusted")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(slots=True)
class Loaded:
    """A model, and what the server is told of it."""

    causal: Causal | None
    embedder: Embedder | None
    program: Program | None
    tokens: Tokens | None
    facts: dict[str, Any]


def load(spec: dict[str, Any], progress: Callable[[float], None]) -> Loaded:
    """Loads what a spec names. The options are checked before a file is touched."""
    options = spec.get("options") or {}
    for name in options:
        if name not in OPTIONS:
            raise invalid("options", f"The runtime pytorch has no option {name!r:.80}.")
    dtype = options.get("dtype", "")
    if dtype and dtype not in DTYPES:
        raise invalid("options", f"The option dtype is {dtype!r:.80}; it must be float32 or bfloat16.")
    for name, most in (("sequences", 64), ("context", 1 << 20), ("batch", 1 << 20), ("threads", 4096)):
        if not 0 <= spec.get(name, 0) <= most:
            raise invalid(name, f"{name} is {spec[name]}; it must be between 0 and {most}, where 0 lets the runtime choose.")
    path = Path(spec["path"])
    if not path.is_file():
        raise bad_model(f"The model file {path} does not exist. Pull the model again.")
    threads = min(spec.get("threads") or 1 << 12, len(os.sched_getaffinity(0)))
    torch.set_num_threads(threads)
    progress(0.05)
    try:
        if path.suffix in (".pt", ".pt2"):
            return _program(path, spec, options.get("trusted") == "true", threads)
        return _folder(path.parent, spec, dtype, threads, progress)
    except (Fault, MemoryError):
        raise
    except ModuleNotFoundError as e:  # transformers loads its parts where they are needed
        raise broken_environment(e) from e
    except Exception as e:
        if is_out_of_memory(e):
            raise Fault("out_of_memory", "Memory did not suffice to load the model; free some, or load it with a smaller context.") from e
        raise bad_model(f"PyTorch cannot load {path}: {str(e).strip()[:300] or type(e).__name__}. Get the files again, or use the model in another format.") from e


def _facts(spec: dict[str, Any], threads: int, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "runtime": "pytorch", "device": "cpu", "context": 1, "sequences": max(1, spec.get("sequences") or 1), "batch": 1, "threads": threads,
        "vocabulary": 0, "dimensions": 0, "capabilities": [],
    }
    return base | more


def _fits(spec: dict[str, Any], need: int) -> None:
    if 0 < spec.get("memory", 0) < need:
        raise Fault("out_of_memory", f"The model needs about {need >> 20} MiB and {spec['memory'] >> 20} MiB are allowed for it. Use a smaller model or context, or raise fleet.memory_budget.")


def _program(path: Path, spec: dict[str, Any], trusted: bool, threads: int) -> Loaded:
    _fits(spec, path.stat().st_size + RESERVE)
    program = load_program(path, trusted)
    memory = {"weights": max(program_weights(program), path.stat().st_size), "kv": 0, "compute": RESERVE, "cache": 0}
    return Loaded(None, None, program, None, _facts(spec, threads, memory=memory, capabilities=["tensors"], inputs=program.inputs, outputs=program.outputs))


def check_weights(folder: Path) -> int:
    """Looks at the headers of a folder's weights, and returns how many numbers they hold. Pickles are refused by not being looked at."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        if any(folder.glob("*.bin")) or any(folder.glob("*.pt")):
            raise bad_model(f"{folder.name} has its weights as pickles, which run code when they are read, so they are refused. Save them as safetensors.")
        raise bad_model(f"{folder.name} has no weights (*.safetensors). Pull the model again.")
    total = 0
    for f in files:
        size = f.stat().st_size
        with f.open("rb") as r:
            head = r.read(8)
            n = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
            if not 2 <= n <= min(MAX_HEADER, size - 8):
                raise bad_model(f"{f.name} is no file of safetensors: its header states {n} bytes and the file has {size}. Get the file again.")
            try:
                tensors = json.loads(r.read(n))
                tensors.pop("__metadata__", None)
                end = max([int(t["data_offsets"][1]) for t in tensors.values()], default=0)
                total += sum(math.prod(t["shape"]) for t in tensors.values())
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                raise bad_model(f"{f.name} has a header that is no list of tensors. Get the file again.") from None
        if end != size - 8 - n:
            raise bad_model(f"{f.name} is cut off, or longer than it says: its tensors end at {end} and its data at {size - 8 - n}. Get the file again.")
    return total


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (ValueError, KeyError, OSError, TypeError) as e:
        why = (str(e).splitlines() or [type(e).__name__])[0][:120]
        raise bad_model(f"The model's config.json names no model that the installed transformers knows: {why} … Use a model of a kind that it knows, or this one in another format.") from e


def _ends(folder: Path, config: Any) -> list[int]:
    said = getattr(config, "eos_token_id", None)
    file = folder / "generation_config.json"
    if file.is_file():
        try:
            said = json.loads(file.read_text()).get("eos_token_id", said)
        except ValueError as e:
            raise bad_model(f"The model's generation_config.json cannot be read: {e}. Get the file again.") from None
    return [] if said is None else [said] if isinstance(said, int) else [int(e) for e in said]


def _dtype(asked: str, config: Any) -> torch.dtype:
    """What is computed in: what was asked for, or what the weights are in, where a CPU computes that."""
    if asked:
        return DTYPES[asked]
    return torch.bfloat16 if str(getattr(config, "dtype", "")).endswith("bfloat16") else torch.float32


def _folder(folder: Path, spec: dict[str, Any], asked: str, threads: int, progress: Callable[[float], None]) -> Loaded:
    from transformers import AutoModel, AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    numbers = check_weights(folder)
    config = _config(folder)
    names = [str(a) for a in getattr(config, "architectures", None) or []]
    makes_text = any(n.endswith(("ForCausalLM", "LMHeadModel")) for n in names) and not spec.get("embedding")
    dtype = _dtype(asked, config)
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise bad_model(f"{folder.name} has no tokenizer.json, which texts need. Get it from the model's publisher.")
    tokens = Tokens(file)
    context = int(getattr(config, "max_position_embeddings", 0) or getattr(config, "n_positions", 0) or DEFAULT_CONTEXT)
    context = min(context, spec.get("context") or DEFAULT_CONTEXT) if makes_text else spec.get("context", 0)
    room = _kv(config, context, dtype) * max(1, spec.get("sequences") or 1) if makes_text else 0
    need = numbers * dtype.itemsize + room + RESERVE
    _fits(spec, need)
    progress(0.3)
    kind = AutoModelForCausalLM if makes_text else AutoModel
    net, info = kind.from_pretrained(
        str(folder), config=config, dtype=dtype, use_safetensors=True, local_files_only=True, trust_remote_code=False, output_loading_info=True,
    )
    missing = [k for k in info.get("missing_keys", []) if not k.startswith("pooler.")]
    if missing:
        raise bad_model(f"{folder.name} lacks {len(missing)} of the weights that its config.json asks for, {sorted(missing)[0]:.100} among them. Get the files again.")
    net.eval().requires_grad_(False)
    progress(0.9)
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    memory = {"weights": weights, "kv": room, "compute": RESERVE, "cache": 0}
    if makes_text:
        batch = min(spec.get("batch") or DEFAULT_BATCH, context)
        causal = Causal(net, tokens, _ends(folder, config), context, batch)
        facts = _facts(spec, threads, memory=memory, context=context, batch=batch, vocabulary=causal.size, capabilities=["generate", "chat"])
        return Loaded(causal, None, None, tokens, facts)
    embedder = Embedder(net, tokens, folder, context)
    facts = _facts(spec, threads, memory=memory, context=embedder.context, batch=embedder.context, vocabulary=tokens.size, dimensions=embedder.dimensions, capabilities=["embed"])
    return Loaded(None, embedder, None, tokens, facts)


def _kv(config: Any, context: int, dtype: torch.dtype) -> int:
    """Bytes that the keys and values of a sequence take."""
    heads = getattr(config, "num_key_value_heads", None) or getattr(config, "num_attention_heads", None) or 1
    size = getattr(config, "head_dim", None) or config.hidden_size // (getattr(config, "num_attention_heads", None) or 1)
    return int(2 * config.num_hidden_layers * heads * size * context * dtype.itemsize)
