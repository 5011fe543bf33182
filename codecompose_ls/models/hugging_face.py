"""A tuned model as a plain Hugging Face folder, LoRA merged: what transformers, vLLM and others load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codecompose_ls.errors import ModelError
from codecompose_ls.models.adapter import read_adapter
from codecompose_ls.models.bases import base_folder
from codecompose_ls.models.files import CONFIG, METADATA, Array, read_json, read_tensors, weight_files
from codecompose_ls.models.manifest import model_files


def write(adapter: Path, folder: Path, *, metadata: Mapping[str, Any]) -> None:
    """Write the base of an adapter with its LoRA merged, and its codecompose.json, into an empty folder.

    Raises `ModelError`, for a tuned prefix above all.
    """
    read = read_adapter(adapter)
    if read.virtual_tokens:
        raise ModelError(
            f"'{adapter.name}' is a tuned prefix, which cannot become weights: export it as a folder and use PEFT"
        )
    from safetensors.numpy import save_file

    base = base_folder(adapter)
    weights: dict[str, Array] = {}
    for path in weight_files(base):
        weights |= read_tensors(path)
    # In float32: what LoRA adds is small, and bfloat16 would round some of it away.
    save_file(read.merge(weights), folder / "model.safetensors", metadata={"format": "pt"})
    for name, open in model_files(base).items():
        if not name.endswith((".safetensors", ".safetensors.index.json")):
            with open() as file:
                (folder / name).write_bytes(file.read())
    config = {**read_json(base / CONFIG), "dtype": "float32", "torch_dtype": "float32"}
    for name, content in ((CONFIG, config), (METADATA, dict(metadata))):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
