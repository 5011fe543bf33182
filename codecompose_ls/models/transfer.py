"""Models leave this machine and come in from others, every file checked by its SHA-256.

What is exported as it is carries a `manifest.json`, as a folder or as a zip; `import_` takes nothing else unless it is
told to. Only safetensors and text come in, and nothing is written but plain names in the registry's own folder.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from codecompose_ls.errors import ModelError
from codecompose_ls.models import registry
from codecompose_ls.models.files import damaged, is_adapter, parse_json, read_json
from codecompose_ls.models.hugging_face import write
from codecompose_ls.models.manifest import MANIFEST, Files, copy, is_model_file, model_files

#: As it is, with a manifest; a plain Hugging Face folder, LoRA merged. No GGUF: llama.cpp cuts text into words by rules
#: that are built into it, and ours are not among them (docs/models.md).
FORMATS = ("folder", "hf")

#: What reading a member of a zip raises: cut or changed on the way, packed by other means, or under a password.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def export(name: str, destination: Path, *, format: str = "folder") -> None:
    """Write a model to `destination`, which must not exist; as a zip if it is called so. Raises `ModelError`."""
    one = registry.entry(name)
    if one.fault:
        raise ModelError(one.fault)
    with _whole(destination) as partial:
        if format == "hf" and is_adapter(one.folder):
            write(one.folder, partial, metadata=one.metadata)
        else:
            manifest = one.folder / MANIFEST
            expected = read_json(manifest)["files"] if manifest.is_file() else None
            copy(model_files(one.folder), partial, expected=expected)


def import_(source: Path, *, name: str = "", unverified: bool = False) -> str:
    """Take an exported folder or zip into the registry and return its name. Raises `ModelError`.

    With `unverified`, a folder without a manifest is taken as it is.
    """
    name = name or source.name.removesuffix(".zip")
    with ExitStack() as stack:
        files = _packed(source, stack) if source.is_file() else _loose(source)
        try:
            expected = _expected(source, files, unverified=unverified)
            registry.take({file: open for file, open in files.items() if file != MANIFEST}, name, expected=expected)
        except _UNREADABLE as error:
            raise ModelError(f"{source} cannot be read ({error}); copy it again") from error
    return name


def _loose(folder: Path) -> Files:
    """Return what lies in a folder; what is hidden stays there."""
    if not folder.is_dir():
        raise ModelError(f"no model at {folder}: give a folder or a zip that was exported")
    files: dict[str, Callable[[], IO[bytes]]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_symlink() or not path.is_file():
            raise ModelError(f"{folder} holds {path.name}, which is no plain file: a model has none but plain files")
        files[path.name] = _opener(path)
    return files


def _packed(archive: Path, stack: ExitStack) -> Files:
    try:
        packed = stack.enter_context(zipfile.ZipFile(archive))
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{archive} cannot be read as a zip ({error}); copy it again") from error
    names = packed.namelist()
    if len(set(names)) != len(names):
        raise ModelError(f"{archive} holds a file twice; export the model again")
    return {name: _member(packed, name) for name in names}


def _expected(source: Path, files: Files, *, unverified: bool) -> Mapping[str, str] | None:
    """Return the hashes that the manifest names, which must be those of all files and of no others."""
    for name in files:
        if name != MANIFEST and not is_model_file(name):
            reason = "only safetensors and text come in, under plain names: what else there is might run code"
            raise ModelError(f"{source} holds {name!r}: {reason}")
    if MANIFEST not in files:
        if unverified:
            return None
        raise ModelError(f"{source} has no {MANIFEST} to check it by: export it from a registry, or say --unverified")
    with files[MANIFEST]() as file:
        expected = parse_json(source / MANIFEST, file.read()).get("files")
    if not isinstance(expected, dict) or not all(isinstance(hash, str) for hash in expected.values()):
        raise damaged(source, f"{MANIFEST} has no 'files'")
    differing = sorted(expected.keys() ^ (files.keys() - {MANIFEST}))
    if differing:
        where = "missing" if differing[0] in expected else f"not in its {MANIFEST}"
        raise ModelError(f"{source} is not as it was exported: {differing[0]!r} is {where}; copy it again")
    return expected


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _member(archive: zipfile.ZipFile, name: str) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(name)


@contextmanager
def _whole(destination: Path) -> Iterator[Path]:
    """Give an empty folder; what is in it is at `destination` in the end, whole, or nothing is."""
    if destination.exists():
        raise ModelError(f"{destination} exists already; give another name")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=destination.parent) as beside:
            partial = Path(beside) / "model"
            partial.mkdir()
            yield partial
            os.rename(_zipped(partial) if destination.suffix == ".zip" else partial, destination)
    except OSError as error:
        raise ModelError(f"{destination} cannot be written ({error.strerror or error})") from error


def _zipped(folder: Path) -> Path:
    archive = folder.with_suffix(".zip")
    # Weights do not get smaller.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for path in sorted(folder.iterdir()):
            packed.write(path, path.name)
    return archive
