"""The files of a model folder: JSON, safetensors and hashes, read without torch.

What is missing or damaged raises `ModelError` with one line that names the file and says what to do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from codecompose_ls.errors import ModelError
from codecompose_ls.models.names import BASE, SHIPPED, is_name, models

Array = NDArray[np.float32]

CONFIG, METADATA, TOKENIZER = "config.json", "codecompose.json", "tokenizer.json"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def is_adapter(folder: Path) -> bool:
    """Tell an adapter's folder from one with a model's own weights."""
    return (folder / ADAPTER_CONFIG).is_file()


def weight_files(folder: Path) -> list[Path]:
    """Return the shards that the index lists, or the one file."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return [folder / "model.safetensors"]
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not shards or not all(isinstance(name, str) for name in shards.values()):
        raise damaged(folder, f"{index.name} has no 'weight_map'")
    # Only a file name: an index must not reach outside its folder.
    return [folder / Path(name).name for name in sorted(set(shards.values()))]


def content_hash(folder: Path, *, base: str = "") -> str:
    """Return the SHA-256 of configuration and weights, by which an adapter names its `base`; whatever the family.

    An adapter is its own configuration and weights on the content of its base.
    """
    digest = hashlib.sha256(base.encode())
    own = [folder / ADAPTER_CONFIG, folder / ADAPTER_WEIGHTS]
    for path in own if is_adapter(folder) else [folder / CONFIG, *weight_files(folder)]:
        digest.update(f"\n{path.name}\n".encode())
        for block in blocks(path):
            digest.update(block)
    return digest.hexdigest()


def sha256(path: Path) -> str:
    """Return the SHA-256 of one file."""
    digest = hashlib.sha256()
    for block in blocks(path):
        digest.update(block)
    return digest.hexdigest()


def blocks(path: Path) -> Iterator[bytes]:
    """Yield a file in pieces: what is read at once stays with the process."""
    with _open(path) as file:
        while block := file.read(1 << 20):
            yield block


def read_tensors(path: Path) -> dict[str, Array]:
    """Read every tensor of a safetensors file as float32, by name."""
    from safetensors import SafetensorError, deserialize

    try:
        entries = deserialize(read_bytes(path))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise damaged(path.parent, f"{path.name} is not a whole safetensors file ({error})") from error
    # The library gives them in a new order every time.
    tensors = sorted(entries, key=lambda entry: str(entry[0]))
    return {name: _float32(path, entry["dtype"], entry["data"]).reshape(entry["shape"]) for name, entry in tensors}


def check_tensors(path: Path) -> None:
    """Check that a safetensors file is whole, without reading its tensors."""
    from safetensors import SafetensorError, safe_open

    try:
        with _open(path), safe_open(path, "numpy"):
            pass
    except SafetensorError as error:
        raise damaged(path.parent, f"{path.name} is not a whole safetensors file ({error})") from error


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a JSON object."""
    return parse_json(path, read_bytes(path))


def parse_json(path: Path, content: bytes) -> Mapping[str, Any]:
    """Return the JSON object that a file of this content holds."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged(path.parent, f"{path.name} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise damaged(path.parent, f"{path.name} is not a JSON object")
    return value


def read_bytes(path: Path) -> bytes:
    with _open(path) as file:
        return file.read()


class DamagedError(ModelError):
    """A model's folder is not whole; `what` says what is the matter."""

    def __init__(self, folder: Path, what: str) -> None:
        self.what = what
        super().__init__(f"the model at {folder} cannot be used: {what}; {_mend(folder)}")


def damaged(folder: Path, what: str) -> DamagedError:
    return DamagedError(folder, what)


def _mend(folder: Path) -> str:
    if folder == BASE:
        return "install codecompose-ls again"
    if folder.parent == models() and is_name(folder.name):
        return f"codecompose-ls models remove {folder.name} --force, then tune or import it again"
    return f"copy or export it again, or set 'model' to '{SHIPPED}'"


def _float32(path: Path, dtype: str, data: bytes) -> Array:
    if dtype == "BF16":
        # A bfloat16 is the upper half of a float32.
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    if dtype in ("F16", "F32"):
        return np.frombuffer(data, f"<f{2 if dtype == 'F16' else 4}").astype(np.float32)
    raise ModelError(f"{path} holds {dtype} tensors; export the model as bfloat16, float16 or float32")


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise damaged(path.parent, f"{path.name} is missing") from error
    except OSError as error:
        raise damaged(path.parent, f"{path.name} cannot be read ({error.strerror})") from error
