"""Programs that take and give tensors: those of torch.export (.pt2), and archives of TorchScript (.pt). An administrator must
have named each of them trusted, since loading one can run code of its maker."""

from __future__ import annotations

import logging
import pickle  # only the error: nothing is unpickled here
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .fault import Fault, bad_model, invalid, is_out_of_memory

TYPES: dict[str, torch.dtype] = {
    "BOOL": torch.bool, "UINT8": torch.uint8, "INT8": torch.int8, "INT16": torch.int16, "INT32": torch.int32, "INT64": torch.int64,
    "FP16": torch.float16, "BF16": torch.bfloat16, "FP32": torch.float32, "FP64": torch.float64,
}
NAMES = {v: k for k, v in TYPES.items()}
NUMBERS = {"int": "INT64", "float": "FP64", "bool": "BOOL"}  # arguments of TorchScript that are no tensors

_load_torch = torch.load


def _load_weights(*args: Any, **options: Any) -> Any:
    """torch.load that reads tensors and nothing else. torch.export itself asks for the one that runs what a pickle says. That is
    a second lock and no wall: it also unpickles constants by itself, and evaluates the text of sizes and of its inputs' names."""
    return _load_torch(*args, **{**options, "weights_only": True})


torch.load = _load_weights


def last(e: Exception) -> str:
    """The last line of an error, where the libraries say what is wrong."""
    lines = [line.strip() for line in str(e).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(e).__name__


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as z:
            return z.namelist()
    except (zipfile.BadZipFile, OSError) as e:
        raise bad_model(f"{path.name} is no archive of PyTorch: {e}. Export the program again.") from None


def load(path: Path, trusted: bool) -> Program:
    """Loads a program by its file's name."""
    members = _members(path)
    exported = path.suffix == ".pt2"
    if not exported and not (any(m.endswith("/constants.pkl") for m in members) and any("/code/" in m for m in members)):
        raise bad_model(f"{path.name} is a pickle and no TorchScript; pickles run code when they are read, so they are refused. Save the weights as safetensors.")
    if not trusted:
        kind = "a program of torch.export" if exported else "TorchScript"
        raise bad_model(f"{path.name} is {kind}, which can run code of its maker. Set models.NAME.trusted if you trust that one, or use the model in the format ONNX.")
    return Exported(path, members) if exported else Script(path)


class Program:
    """A loaded program."""

    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]

    def call(self, values: list[torch.Tensor]) -> list[torch.Tensor]:
        """Runs it."""
        raise NotImplementedError

    def infer(self, given: list[dict[str, Any]], tail: bytes, wanted: list[str] | None) -> list[tuple[dict[str, Any], bytes]]:
        """Tensors in, tensors out, by name."""
        parts = self._by_name(given)
        try:
            out = self.call([self._tensor(parts[i["name"]], tail) for i in self.inputs])
        except (Fault, MemoryError):
            raise
        except Exception as e:  # a program may raise anything: IndexError where it looks something up, JITException by its own code
            if is_out_of_memory(e):
                raise
            raise invalid("inputs", f"The model cannot take these tensors: {last(e)}") from e
        have = {o["name"]: v for o, v in zip(self.outputs, out, strict=False)}
        for i, v in enumerate(out[len(self.outputs) :], len(self.outputs)):
            have[f"output_{i}"] = v
        for at, n in enumerate(wanted or []):
            if wanted and n in wanted[:at]:
                raise invalid("outputs", f"The output {n:.80} is asked for twice.")
            if n not in have:
                raise invalid("outputs", f"There is no output {n:.80}; this model gives {', '.join(have)}.")
        return [_head(n, have[n]) for n in (have if wanted is None else wanted)]

    def _by_name(self, given: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The tensors by their names: each input once, of its type and shape where the file says which."""
        known = {i["name"]: i for i in self.inputs}
        parts: dict[str, dict[str, Any]] = {}
        for g in given:
            i = known.get(g["name"])
            if i is None:
                raise invalid("inputs", f"There is no input {g['name']:.80}; this model takes {', '.join(known)}.")
            if g["name"] in parts:
                raise invalid("inputs", f"The input {g['name']:.80} is given twice.")
            if (g["type"] != i["type"] and not i.get("any_type")) or not _allows(i["shape"], g["shape"]):
                raise invalid("inputs", f"The input {g['name']:.80} is {g['type']:.20} {g['shape']}; the model takes {i['type']} {i['shape']} there, where -1 is free.")
            parts[g["name"]] = g
        if missing := [n for n in known if n not in parts]:
            raise invalid("inputs", f"The input {missing[0]} is missing; this model takes {', '.join(known)}.")
        return parts

    @staticmethod
    def _tensor(g: dict[str, Any], tail: bytes) -> torch.Tensor:
        data = tail[g["at"] : g["at"] + g["size"]]
        kind = TYPES.get(g["type"])
        if kind is None:
            raise invalid("inputs", f"The tensor {g['name']:.80} is of the type {g['type']:.20}, which the runtime pytorch does not take.")
        if not data:
            return torch.zeros(g["shape"] or [], dtype=kind)
        return torch.frombuffer(bytearray(data), dtype=kind).reshape(g["shape"] or [])


def _allows(want: list[int] | None, have: list[int] | None) -> bool:
    """Whether a shape, of which None has no dimensions, is one that the model takes; None there: it does not say which."""
    have = have or []
    return want is None or (len(want) == len(have) and all(w in (-1, h) for w, h in zip(want, have, strict=True)))


def _head(name: str, v: torch.Tensor) -> tuple[dict[str, Any], bytes]:
    v = v.detach().contiguous()
    if v.dtype not in NAMES:
        v = v.float()
    data = v.view(torch.uint8).numpy().tobytes() if v.dim() else v.reshape(1).view(torch.uint8).numpy().tobytes()
    return {"name": name, "type": NAMES[v.dtype], "shape": list(v.shape), "size": len(data)}, data


def _flat(out: Any) -> list[torch.Tensor]:
    if isinstance(out, torch.Tensor):
        return [out]
    if isinstance(out, (int, float, bool)):
        return [torch.tensor(out)]
    if isinstance(out, dict):
        return [t for v in out.values() for t in _flat(v)]
    if isinstance(out, (list, tuple)):
        return [t for v in out for t in _flat(v)]
    raise TypeError(f"the model gives a {type(out).__name__}, which is no tensor")


class _Reason(logging.Handler):
    """What torch.export writes into its log of a file that it cannot read; the error that it raises names nothing."""

    found = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the first cause of an error."""
        e = record.exc_info[1] if record.exc_info else None
        while e is not None and e.__cause__ is not None:
            e = e.__cause__
        if e is not None:
            self.found = str(e).strip().split("\n")[0].split(". ")[0]


def _read_export(path: Path) -> Any:
    log, reason = logging.getLogger("torch.export"), _Reason()
    log.addHandler(reason)
    log.propagate, before = False, log.propagate
    try:
        return torch.export.load(path)
    except RuntimeError as e:
        raise RuntimeError(reason.found or str(e)) from e
    finally:
        log.removeHandler(reason)
        log.propagate = before


class Exported(Program):
    """A program of torch.export."""

    def __init__(self, path: Path, members: list[str]) -> None:
        try:
            # Code that was compiled before is not loaded.
            if any(m.endswith((".so", ".cpp", ".pyd")) for m in members):
                raise bad_model(f"{path.name} holds native code; export the program without compiling it (torch.export.save).")
            program = _read_export(path)
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, pickle.UnpicklingError) as e:
            raise bad_model(f"{path.name} cannot be read as a program of torch.export: {str(e).rstrip('. ')[:200]}. Export it again with PyTorch {torch.__version__.split('+')[0]}.") from e
        self._run = program.module()
        nodes = {n.name: n for n in program.graph.nodes}
        signature = program.graph_signature
        self.inputs = [self._info(str(n), nodes[str(n)].meta.get("val")) for n in signature.user_inputs if str(n) in nodes]
        self.outputs = [self._info(f"output_{i}", nodes[str(n)].meta.get("val") if str(n) in nodes else None) for i, n in enumerate(signature.user_outputs)]

    @staticmethod
    def _info(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, torch.Tensor):
            return {"name": name, "type": "FP32", "shape": []}
        return {"name": name, "type": NAMES.get(value.dtype, "FP32"), "shape": [d if isinstance(d, int) else -1 for d in value.shape]}

    def call(self, values: list[torch.Tensor]) -> list[torch.Tensor]:
        """Runs it."""
        return _flat(self._run(*values))


class Script(Program):
    """An archive of TorchScript. What it remembers between calls is forgotten before each, where it offers that."""

    def __init__(self, path: Path) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                self._run = torch.jit.load(str(path), map_location="cpu").eval()
        except RuntimeError as e:
            raise bad_model(f"{path.name} cannot be read as TorchScript: {str(e).strip().splitlines()[-1][:200]}. Save it again.") from e
        self._kinds: list[str] = []
        self.inputs, self.outputs = [], []
        schema = self._run.forward.schema
        for a in schema.arguments[1:]:
            kind = str(a.type)
            if a.has_default_value():
                break
            if kind != "Tensor" and kind not in NUMBERS:
                raise bad_model(f"The program's argument {a.name} is a {kind}; only tensors and numbers can be given.")
            self._kinds.append(kind)
            # The file says of a tensor that it is one, and neither its type nor its shape.
            self.inputs.append({"name": a.name, "type": NUMBERS.get(kind, "FP32"), "shape": None, "any_type": kind == "Tensor"})
        self.outputs = [{"name": "output_0", "type": "FP32", "shape": None}]
        self._reset = getattr(self._run, "reset_states", None)

    def call(self, values: list[torch.Tensor]) -> list[torch.Tensor]:
        """Runs it."""
        if self._reset is not None:
            self._reset()
        return _flat(self._run(*map(self._argument, self.inputs, self._kinds, values)))

    @staticmethod
    def _argument(info: dict[str, Any], kind: str, value: torch.Tensor) -> Any:
        """What the program is given: a tensor, or the one number in it."""
        if kind == "Tensor":
            return value
        if value.numel() != 1:
            raise invalid("inputs", f"The input {info['name']} is one number; {value.numel()} were given.")
        return value.item()


def weights(program: Program) -> int:
    """Bytes of its weights, as far as they can be seen."""
    run: Any = getattr(program, "_run", None)
    seen = [*run.parameters(), *run.buffers()] if run is not None else []
    return int(np.sum([t.numel() * t.element_size() for t in seen])) if seen else 0
