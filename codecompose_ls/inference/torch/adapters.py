"""Adapters on a loaded network: LoRA by PEFT's mixed batches, tuned prefixes as keys and values before the tokens."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from codecompose_ls.errors import ModelError
from codecompose_ls.inference.torch.network import Network
from codecompose_ls.models.adapter import read_adapter
from codecompose_ls.models.files import content_hash

#: Adapters kept in memory; the one used longest ago goes first.
KEPT = 32
#: PEFT's name for the network as it is.
BASE = "__base__"


@dataclass(frozen=True, slots=True, eq=False)
class Attached:
    """What a row may use: the name of a `lora`, or a `prefix` (layers, 2, heads, virtual tokens, head_dim)."""

    lora: str = BASE
    prefix: torch.Tensor | None = None

    @property
    def virtual_tokens(self) -> int:
        return 0 if self.prefix is None else int(self.prefix.shape[3])


#: No adapter at all.
NONE = Attached()


class Adapters:
    """The adapters of one network. Not thread-safe: `engine` gives it to one thread."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._attached: OrderedDict[tuple[Path, int], Attached] = OrderedDict()
        self._peft: Any = None
        self._base_hash = ""
        self._number = 0

    def attach(self, folder: Path | None, *, in_use: Collection[Attached] = ()) -> Attached:
        """Load an adapter if it is not there yet; what is `in_use` stays. Raises `ModelError`."""
        if folder is None:
            return NONE
        try:
            key = folder, folder.stat().st_mtime_ns
        except OSError as error:
            raise ModelError(f"no adapter at {folder} ({error.strerror})") from error
        if key not in self._attached:
            self._make_room(in_use)
            self._attached[key] = self._load(folder)
        self._attached.move_to_end(key)
        return self._attached[key]

    @property
    def device(self) -> torch.device:
        return self._network.device

    def forward(self, adapters: Sequence[Attached], **inputs: Any) -> Any:
        """Run the network on a batch, each row with its own adapter's LoRA."""
        if self._peft is None:
            return self._network.module(**inputs)
        return self._peft(**inputs, adapter_names=[adapter.lora for adapter in adapters])

    def _load(self, folder: Path) -> Attached:
        adapter = read_adapter(folder)
        self._base_hash = self._base_hash or content_hash(self._network.folder)
        if adapter.base_hash != self._base_hash:
            raise ModelError(f"the adapter at {folder} was tuned on another base than {self._network.folder.name}")
        if adapter.kind == "lora":
            return Attached(lora=self._inject(folder))
        layers, heads, head_dim = self._network.kv_shape
        rows = adapter.rows(layers=layers, heads=heads, head_dim=head_dim)
        return Attached(prefix=torch.tensor(rows, dtype=self._network.dtype, device=self._network.device))

    def _inject(self, folder: Path) -> str:
        from peft import PeftModel

        # Names of our own: those of folders may have dots, which modules cannot have in theirs.
        self._number += 1
        name = f"adapter{self._number}"
        try:
            with warnings.catch_warnings():
                # Of what the library itself will have to change.
                warnings.simplefilter("ignore", FutureWarning)
                if self._peft is None:
                    self._peft = PeftModel.from_pretrained(self._network.module, str(folder), adapter_name=name)
                else:
                    self._peft.load_adapter(str(folder), adapter_name=name)
        except Exception as error:  # the library raises RuntimeError, ValueError, KeyError ...
            raise ModelError(f"the adapter at {folder} does not fit its base ({type(error).__name__})") from error
        self._peft.eval()
        return name

    def _make_room(self, in_use: Collection[Attached]) -> None:
        while len(self._attached) >= KEPT:
            idle = next((key for key, one in self._attached.items() if one not in in_use), None)
            if idle is None:
                return
            gone = self._attached.pop(idle)
            if gone.lora != BASE:
                self._eject(gone.lora)

    def _eject(self, name: str) -> None:
        others = self._peft.peft_config.keys() - {name}
        if not others:
            self._peft.unload()
            self._peft = None
            return
        # The library wants an active one, whatever each batch asks for.
        self._peft.set_adapter(min(others))
        self._peft.delete_adapter(name)
