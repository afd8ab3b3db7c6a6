"""Writes a GGUF of a llama with its weights as float32: dequantise.py GGUF FOLDER makes FOLDER/smollm2-f32.gguf and
FOLDER/smollm2-torch, a model of Hugging Face's with the same numbers. The tests compare what both answer."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

CONTROL = 3  # the type of a token that no text spells

# What Hugging Face calls the weights of a layer.
LAYER = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
OTHERS = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight", "output.weight": "lm_head.weight"}


def renamed(name: str) -> str:
    """The name that Hugging Face has for a tensor of a GGUF."""
    if name in OTHERS:
        return OTHERS[name]
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{LAYER[part]}.weight"


def halves(weights: Floats, heads: int) -> Floats:
    """Rows of a head in the order of Hugging Face, whose rotations pair a half with the other; those of GGUF pair neighbours."""
    rows, columns = weights.shape
    return weights.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_safetensors(path: Path, tensors: dict[str, Floats]) -> None:
    """The format: the length of the header, the header, the numbers."""
    head: dict[str, Any] = {}
    at = 0
    for name, t in tensors.items():
        head[name] = {"dtype": "F32", "shape": t.shape, "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(head).encode()
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            out.write(t.tobytes())


def tokenizer(facts: dict[str, Any]) -> dict[str, Any]:
    """The tokenizer.json of byte-level BPE that takes digits one by one, which is what llama.cpp calls "smollm"."""
    if (facts["tokenizer.ggml.model"], facts["tokenizer.ggml.pre"]) != ("gpt2", "smollm"):
        raise SystemExit("the tokens of this model are of another kind than SmolLM2's")
    tokens = facts["tokenizer.ggml.tokens"]
    control = [i for i, kind in enumerate(facts["tokenizer.ggml.token_type"]) if kind == CONTROL]
    added = [{"id": i, "content": tokens[i], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} for i in control]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, level]},
        "post_processor": None, "decoder": level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
            "byte_fallback": False, "ignore_merges": False, "vocab": {t: i for i, t in enumerate(tokens)}, "merges": facts["tokenizer.ggml.merges"],
        },
    }  # fmt: skip


def config(facts: dict[str, Any], tied: bool) -> dict[str, Any]:
    """The config.json."""
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "torch_dtype": "float32", "tie_word_embeddings": tied,
        "vocab_size": len(facts["tokenizer.ggml.tokens"]), "hidden_size": facts["llama.embedding_length"], "intermediate_size": facts["llama.feed_forward_length"],
        "num_hidden_layers": facts["llama.block_count"], "num_attention_heads": facts["llama.attention.head_count"],
        "num_key_value_heads": facts["llama.attention.head_count_kv"], "max_position_embeddings": facts["llama.context_length"],
        "rms_norm_eps": facts["llama.attention.layer_norm_rms_epsilon"], "rope_theta": facts["llama.rope.freq_base"],
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"], "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
    }  # fmt: skip


def write_folder(folder: Path, facts: dict[str, Any], weights: dict[str, Floats]) -> None:
    """The model as Hugging Face has it."""
    folder.mkdir()
    heads = {"attn_q": facts["llama.attention.head_count"], "attn_k": facts["llama.attention.head_count_kv"]}
    tensors = {}
    for name, w in weights.items():
        part = name.split(".")[-2]
        tensors[renamed(name)] = halves(w, heads[part]) if part in heads else w
    write_safetensors(folder / "model.safetensors", tensors)
    tokens = facts["tokenizer.ggml.tokens"]
    ends = {"bos_token": tokens[facts["tokenizer.ggml.bos_token_id"]], "eos_token": tokens[facts["tokenizer.ggml.eos_token_id"]]}
    for name, value in (
        ("config.json", config(facts, "output.weight" not in weights)),
        ("tokenizer.json", tokenizer(facts)),
        ("tokenizer_config.json", {**ends, "chat_template": facts["tokenizer.chat_template"]}),
    ):
        (folder / name).write_text(json.dumps(value))


def write_gguf(path: Path, reader: gguf.GGUFReader, weights: dict[str, Floats]) -> None:
    """The same file with other weights."""
    out = gguf.GGUFWriter(path, "llama")
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name not in ("general.architecture", "general.file_type"):
            out.add_key_value(field.name, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
    for name, w in weights.items():
        out.add_tensor(name, w)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main() -> None:
    """Reads the file once and writes both."""
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    reader = gguf.GGUFReader(source)
    facts = {name: field.contents() for name, field in reader.fields.items()}
    weights = {t.name: gguf.dequantize(t.data, t.tensor_type).astype(np.float32) for t in reader.tensors}
    write_folder(out / "smollm2-torch", facts, weights)
    write_gguf(out / "smollm2-f32.gguf", reader, weights)


main()
