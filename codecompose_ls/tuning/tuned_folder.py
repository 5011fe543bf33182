"""What tuning leaves on disk: a whole model folder, or an adapter beside its base; there whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from codecompose_ls.tuning.atomic_file import atomic_file
from codecompose_ls.tuning.base_model import BaseModel
from codecompose_ls.tuning.export import write_json, write_weights

#: Where a run that is not at its end lives, inside its output.
CHECKPOINTS = ".checkpoints"
#: What is copied from the base's folder as it is.
_KEPT = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def write_tuned(
    output: Path,
    base: BaseModel,
    model: Any,
    *,
    strategy: str,
    provenance: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    keep_checkpoints: bool = False,
) -> None:
    """Write `output`: an adapter if `model` is PEFT's, else a model folder in the precision of its base."""
    about = dict(base.about) | {
        "family": base.family,
        "context": base.context,
        "tokenizer_hash": base.tokenizer_hash,
        "strategy": strategy,
        "base": {"name": base.name, "content_hash": base.content_hash},
        "provenance": dict(provenance),
        "evaluation": dict(evaluation),
    }
    with _whole_folder(output, keep=CHECKPOINTS if keep_checkpoints else None) as folder:
        if hasattr(model, "peft_config"):
            _write_adapter(folder, base, model)
        else:
            write_weights(folder, _tensors(model, base.dtype))
            for path in (base.folder / name for name in _KEPT):
                if path.is_file():
                    shutil.copyfile(path, folder / path.name)
        write_json(folder / "codecompose.json", about)


def _tensors(network: Any, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return the weights, shared ones once, under their first names; matrices in `dtype`.

    Norms and biases stay in float32: near 1, the steps of bf16 are 0.008, and what a norm has learned would be lost.
    """
    seen: set[int] = set()
    tensors: dict[str, Tensor] = {}
    for name, value in network.state_dict().items():
        if value.data_ptr() not in seen:
            seen.add(value.data_ptr())
            is_matrix = value.is_floating_point() and value.dim() > 1
            tensors[name] = value.detach().to("cpu", dtype if is_matrix else value.dtype).contiguous()
    return tensors


def _write_adapter(folder: Path, base: BaseModel, model: Any) -> None:
    from peft import get_peft_model_state_dict

    config = model.peft_config["default"].to_dict()
    # Who reads it finds the base by name and hash in codecompose.json, on whatever machine.
    config |= {"base_model_name_or_path": base.name, "inference_mode": True}
    tensors = {name: value.detach().cpu().contiguous() for name, value in get_peft_model_state_dict(model).items()}
    with atomic_file(folder / "adapter_model.safetensors") as partial:
        partial.write_bytes(save(tensors, {"format": "pt"}))
    write_json(folder / "adapter_config.json", {key: _plain(value) for key, value in config.items()})


def _plain(value: Any) -> Any:
    """Return what JSON can say of a PEFT configuration's value; PEFT sorts its sets, too."""
    return sorted(value) if isinstance(value, (set, frozenset)) else value


@contextmanager
def _whole_folder(output: Path, *, keep: str | None) -> Iterator[Path]:
    """Yield a folder beside `output` that takes its place when the block ends well; `keep` is moved along."""
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if keep and (output / keep).is_dir():
        (output / keep).rename(partial / keep)
    shutil.rmtree(output, ignore_errors=True)
    partial.rename(output)
