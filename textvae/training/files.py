"""Files that are replaced at once or not at all: JSON, safetensors, and any tree of tensors and JSON values.

No pickle is written or read.
"""

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from textvae.errors import CheckpointError
from textvae.replacing import replacing

Tree = Any  # nested dicts, lists and tuples of tensors and JSON values


def save_state(path: Path, state: Tree) -> None:
    """Any tree of tensors and JSON values in one safetensors file, so that a training state is replaced at once."""
    tensors: dict[str, Tensor] = {}
    skeleton = _pack(state, tensors)
    write_tensors(path, tensors, {"state": json.dumps(skeleton)})


def load_state(path: Path) -> Tree:
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist: the run has saved no training state to go on from")
    tensors, metadata = read_tensors(path)
    if "state" not in metadata:
        raise CheckpointError(f"{path} holds weights but no training state")
    return _unpack(json.loads(metadata["state"]), tensors)


def _pack(tree: Tree, tensors: dict[str, Tensor]) -> Any:
    if isinstance(tree, Tensor):
        key = f"t{len(tensors)}"
        tensors[key] = tree.detach().contiguous().clone()
        return {"tensor": key}
    if isinstance(tree, dict):
        return {"dict": [[key, _pack(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, tuple | list):
        return {type(tree).__name__: [_pack(value, tensors) for value in tree]}
    return {"value": tree}


def _unpack(packed: Any, tensors: dict[str, Tensor]) -> Tree:
    ((kind, content),) = packed.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _unpack(value, tensors) for key, value in content}
    if kind in ("list", "tuple"):
        values = [_unpack(value, tensors) for value in content]
        return tuple(values) if kind == "tuple" else values
    return content


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """CheckpointError where the file cannot be written; the one before it stays."""
    with replacing(path) as temporary:
        try:
            # By the umask, as other files: safetensors lets the owner alone read.
            temporary.touch()
            mode = temporary.stat().st_mode
            save_file(tensors, temporary, metadata=metadata)
            temporary.chmod(mode)
        except SafetensorError as error:
            raise CheckpointError(f"{path} cannot be written: {error}") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """CheckpointError where the file may not be read, or is no whole safetensors file."""
    if path.exists() and not os.access(path, os.R_OK):
        raise CheckpointError(f"{path} cannot be read: permission denied")
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is truncated or damaged, or no safetensors file: {error}") from error


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
