"""The graph of a model, from the cache or built: weights, configuration and the code that builds are its key.

An entry is named `<key>-<SHA-256 of its content>.onnx`; one that is damaged is built again. A cache that cannot be
written costs a warning, nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path

from codecompose_ls import folders
from codecompose_ls.inference.quantization import Kernel
from codecompose_ls.models.model import Model

logger = logging.getLogger(__name__)

#: What multiplies in the graphs we serve.
KERNEL: Kernel = "int8"
#: Positions after the trained ones that a long generation may still use: the largest `max_tokens` of the settings.
SPARE = 512
#: Graphs kept: the shipped model, a few tuned ones, and those of other versions of this package.
KEPT = 8

_BUILDERS = ("decoder_graph.py", "quantization.py")


def capacity(model: Model) -> int:
    """Return for how many tokens a session has room."""
    return model.context + SPARE


def positions(model: Model) -> int:
    """Return the rows of keys and values in all: those of a tuned prefix come before the first token's."""
    return model.virtual_tokens + capacity(model)


def load_graph(model: Model, *, kernel: Kernel = KERNEL) -> Path | bytes:
    """Return where the graph of `model` lies, or the graph itself if it cannot be kept. Raises `ModelError`."""
    folder, key = folders.cache() / "graphs", _key(model, kernel)
    path = _find(folder, key)
    if path is not None:
        return path
    from codecompose_ls.inference.decoder_graph import build_graph

    graph = build_graph(model, capacity=positions(model), kernel=kernel)
    try:
        return _keep(graph, folder, key)
    except OSError as error:
        logger.warning("%s cannot be written (%s): every start builds the model's graph again", folder, error.strerror)
        return graph


def _key(model: Model, kernel: Kernel) -> str:
    digest = hashlib.sha256(f"{model.content_hash} {positions(model)} {kernel}".encode())
    for name in _BUILDERS:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()[:32]


def _find(folder: Path, key: str) -> Path | None:
    """Return the entry of `key` if there is one and its content is what its name says."""
    for path in folder.glob(f"{key}-*.onnx"):
        try:
            if path.stem == f"{key}-{_digest(path)}":
                os.utime(path)
                return path
        except OSError:
            continue
    return None


def _keep(graph: bytes, folder: Path, key: str) -> Path:
    """Write an entry whole or not at all, and drop those used longest ago."""
    path = folder / f"{key}-{hashlib.sha256(graph).hexdigest()}.onnx"
    folder.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=folder, suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(graph)
        os.replace(partial, path)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise
    entries = sorted(folder.glob("*.onnx"), key=lambda entry: entry.stat().st_mtime, reverse=True)
    for entry in entries[KEPT:]:
        entry.unlink(missing_ok=True)
    return path


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
