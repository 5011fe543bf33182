"""The graph of a model, from the cache or built: weights, configuration and the code that builds are its key.

An entry is the serialised graph and its SHA-256; one that is damaged or half written is built again. A cache that
cannot be written costs a warning, nothing else.
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

#: What multiplies in the graphs we serve (docs/decisions/0001-int8-kernel.md).
KERNEL: Kernel = "blocks"
#: Positions after the trained ones that a long generation may still use: the largest `max_tokens` of the settings.
SPARE = 512
#: Graphs kept: the shipped model, a few tuned ones, and those of other versions of this package.
KEPT = 8

_DIGEST_BYTES = hashlib.sha256().digest_size
_BUILDERS = ("decoder_graph.py", "quantization.py")


def capacity(model: Model) -> int:
    """Return for how many tokens the graph has positions, and a session keys and values."""
    return model.context + SPARE


def load_graph(model: Model, *, kernel: Kernel = KERNEL) -> bytes:
    """Return the serialised graph of `model`, from the cache if it is there. Raises `ModelError`."""
    path = folders.cache() / "graphs" / f"{_key(model, kernel)}.onnx"
    graph = _read(path)
    if graph is None:
        from codecompose_ls.inference.decoder_graph import build_graph

        graph = build_graph(model, capacity=capacity(model), kernel=kernel)
        try:
            _write(path, graph)
        except OSError as error:
            logger.warning(
                "%s cannot be written (%s): every start builds the model's graph again", path, error.strerror
            )
    return graph


def _key(model: Model, kernel: Kernel) -> str:
    digest = hashlib.sha256(f"{model.content_hash} {capacity(model)} {kernel}".encode())
    for name in _BUILDERS:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    graph, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    return graph if hashlib.sha256(graph).digest() == digest else None


def _write(path: Path, graph: bytes) -> None:
    """Write the entry whole or not at all, and drop those used longest ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(graph)
            file.write(hashlib.sha256(graph).digest())
        os.replace(partial, path)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise
    entries = sorted(path.parent.glob("*.onnx"), key=lambda entry: entry.stat().st_mtime, reverse=True)
    for entry in entries[KEPT:]:
        entry.unlink(missing_ok=True)
