"""A tuned model as a plain Hugging Face folder, LoRA merged: what transformers, vLLM and others load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codecompose_ls.errors import ModelError
from codecompose_ls.models.files import CONFIG, METADATA, read_json
from codecompose_ls.models.manifest import copy, model_files
from codecompose_ls.models.model import Model


def write(model: Model, folder: Path, *, metadata: Mapping[str, Any]) -> None:
    """Write a model and its codecompose.json into an empty folder. Raises `ModelError` for a tuned prefix."""
    if model.virtual_tokens:
        raise ModelError(
            f"'{model.name}' is a tuned prefix, which cannot become weights: export it as a folder and use PEFT"
        )
    if model.adapter is None:
        copy(model_files(model.folder), folder)
        return
    from safetensors.numpy import save_file

    # In float32: what LoRA adds is small, and bfloat16 would round some of it away.
    save_file(model.weights(), folder / "model.safetensors", metadata={"format": "pt"})
    for name, open in model_files(model.folder).items():
        if not name.endswith((".safetensors", ".safetensors.index.json")):
            with open() as file:
                (folder / name).write_bytes(file.read())
    config = {**read_json(model.folder / CONFIG), "dtype": "float32", "torch_dtype": "float32"}
    for name, content in ((CONFIG, config), (METADATA, dict(metadata))):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
