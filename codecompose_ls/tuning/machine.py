"""Where training runs and in which precision: what `auto` stands for on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from codecompose_ls.errors import InputError


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how the arithmetic runs; it changes the speed of a run, not what the run is."""

    device: str = "cpu"
    precision: str = "fp32"
    compile: bool = True
    micro_batch_tokens: int = 4096
    workers: int = 0


def choose_machine(
    *, device: str = "auto", precision: str = "auto", compile: bool = True, workers: int | None = None
) -> Machine:
    """Choose what `auto` stands for here: the GPU if there is one, bf16 where the processor computes in it."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device can be used here: leave --device out, or say --device cpu")
    if precision == "auto":
        precision = "bf16" if device == "cuda" or _cpu_has_bf16() else "fp32"
    if device == "cpu" and compile and not any(map(shutil.which, ("g++", "clang++", "c++", "cl"))):
        print("no C++ compiler found: training without torch.compile, about a third slower", file=sys.stderr)
        compile = False
    if device == "cuda":
        return Machine(
            device, precision, compile, 65_536, max(1, (os.cpu_count() or 2) - 1) if workers is None else workers
        )
    return Machine(device, precision, compile, 4096, workers or 0)


def _cpu_has_bf16() -> bool:
    """Return whether the processor multiplies in bf16 (AVX-512 BF16, AMX), which is ten times slower where not."""
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and any(name in flags.read_text(encoding="utf-8") for name in ("avx512_bf16", "amx_bf16"))
