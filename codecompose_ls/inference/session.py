"""The network at work: token ids in, logits out, with the keys and values of what was fed kept between requests.

A tuned prefix (Li and Liang 2021) is keys and values, too: they stand before the first token's and stay there.
Knows nothing about text or sampling. Not thread-safe: `engine` gives it to one thread.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from codecompose_ls.errors import Cancelled, EngineError
from codecompose_ls.inference.graph import KERNEL, capacity, load_graph, positions
from codecompose_ls.inference.quantization import Kernel
from codecompose_ls.inference.scheduling import compute_in_batch
from codecompose_ls.models.model import Architecture, Array, Model
from codecompose_ls.types import Stop

#: Tokens fed at once, since a stop is seen after so many; all at once would be a tenth faster.
CHUNK = 128
#: Sequences kept: those of two places between which one goes back and forth, and of what is looked at ahead.
SLOTS = 3
#: A sequence that a prompt would take more tokens off than this is worth keeping.
WORTH_KEEPING = 64


class Session:
    """Feeds a model. `tokens` are what the keys and values of the current sequence stand for."""

    def __init__(self, model: Model, *, threads: int = 2, kernel: Kernel = KERNEL) -> None:
        self.capacity = capacity(model)
        self._runtime = _start(model, load_graph(model, kernel=kernel), threads)
        rows, prefix = positions(model), model.prefix()
        self._slots = [_Slot(self._runtime, model.architecture, rows, prefix=prefix) for _ in range(SLOTS)]

    @property
    def tokens(self) -> Sequence[int]:
        return self._slots[0].tokens

    def feed(self, ids: Sequence[int], *, rows: int = 1) -> Array:
        """Append `ids` and return the logits (rows, vocabulary) after each of the last `rows`. Raises `EngineError`."""
        slot = self._slots[0]
        total = len(slot.tokens) + len(ids)
        if not 0 < rows <= len(ids) or total > self.capacity:
            raise EngineError(f"cannot feed {len(ids)} tokens after {len(slot.tokens)}: the limit is {self.capacity}")
        return slot.run(ids, rows)

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        self._slots[0].rewind(length)

    def has_read(self, prompt: Sequence[int]) -> bool:
        """Return whether the keys and values of all of `prompt` are there."""
        return any(_common(slot.tokens, prompt) == len(prompt) for slot in self._slots)

    def prefill(self, prompt: Sequence[int], *, stop: Stop) -> Array:
        """Make the sequence equal `prompt`, feeding only what differs, and return the logits (vocabulary,) after it.

        Nothing differs where it was made ready for this prompt before.

        Raises `Cancelled` between two chunks when `stop` is set, and then keeps what was fed.
        """
        slot = self._slot_for(prompt)
        self._slots.remove(slot)
        self._slots.insert(0, slot)
        if len(slot.tokens) == len(prompt) and slot.logits is None:
            # Its last token is fed again: the logits after it are what we came for.
            slot.rewind(len(prompt) - 1)
        while not stop.is_set():
            if len(slot.tokens) == len(prompt) and slot.logits is not None:
                return slot.logits
            place = len(slot.tokens)
            self.feed(prompt[place : place + CHUNK])
        raise Cancelled

    def _slot_for(self, prompt: Sequence[int]) -> _Slot:
        """Return a sequence that is the start of `prompt`, the longest there is.

        It goes on in its place; where much of it differs, as when an edge of the window has moved or a cursor further
        down is looked at ahead, it is kept, and goes on in the place of the one used longest ago.
        """
        nearest = max(self._slots, key=lambda slot: _common(slot.tokens, prompt))
        shared = _common(nearest.tokens, prompt)
        if len(nearest.tokens) - shared <= WORTH_KEEPING:
            nearest.rewind(shared)
            return nearest
        oldest = next(slot for slot in reversed(self._slots) if slot is not nearest)
        oldest.copy(nearest, shared)
        return oldest


class _Slot:
    """One sequence: its tokens, and `rows` keys and values, bound as input and output at once; first the `prefix`."""

    def __init__(self, runtime: Any, shape: Architecture, rows: int, *, prefix: Array | None) -> None:
        from onnxruntime import OrtValue

        self.tokens: list[int] = []
        #: After the last of them, (vocabulary,); None when what came after it was forgotten.
        self.logits: Array | None = None
        self._ahead = 0 if prefix is None else prefix.shape[3]
        self._runtime, self._binding = runtime, runtime.io_binding()
        self._binding.bind_output("logits", "cpu")  # bound first, so the first among the outputs
        kinds, layers = ("key", "value"), shape.num_hidden_layers
        cache = np.zeros((layers, 2, 1, shape.num_key_value_heads, rows, shape.head_dim), np.float32)
        if prefix is not None:
            cache[:, :, 0, :, : self._ahead] = prefix
        # Kept here, as the inputs are in `run`: a binding does not keep alive the arrays it points to.
        self._cache = cache
        self._buffers = {
            f"{kind}_{number}": OrtValue.ortvalue_from_numpy(cache[number, place])
            for number in range(layers)
            for place, kind in enumerate(kinds)
        }
        for name, buffer in self._buffers.items():
            self._binding.bind_ortvalue_input(f"past_{name}", buffer)
            self._binding.bind_ortvalue_output(name, buffer)

    def rewind(self, length: int) -> None:
        if length < len(self.tokens):
            del self.tokens[length:]
            self.logits = None

    def copy(self, other: _Slot, length: int) -> None:
        """Become the first `length` tokens of another sequence."""
        rows = self._ahead + length
        self._cache[..., :rows, :] = other._cache[..., :rows, :]
        self.tokens, self.logits = other.tokens[:length], None

    def run(self, ids: Sequence[int], rows: int) -> Array:
        total = self._ahead + len(self.tokens) + len(ids)
        inputs = {
            "input_ids": np.array([ids], np.int64),
            "seqlens_k": np.array([total - 1], np.int32),
            "total_length": np.array(total, np.int32),
            "last": np.array([-rows], np.int64),
        }
        try:
            for name, value in inputs.items():
                self._binding.bind_cpu_input(name, value)
            self._binding.bind_output("logits", "cpu")
            self._runtime.run_with_iobinding(self._binding)
        except Exception as error:  # the runtime raises classes of its own and plain RuntimeError
            raise EngineError(f"the model failed on {len(ids)} tokens: {_first_line(error)}") from error
        self.tokens.extend(ids)
        logits: Array = self._binding.get_outputs_as_ortvaluevector()[0].numpy()[0]
        self.logits = logits[-1]
        return logits


def _start(model: Model, graph: Path | bytes, threads: int) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)  # what goes wrong is raised; stderr is the log of the server
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = min(threads, os.cpu_count() or 1), 1
    # A thread that spins for work starves whoever else needs the core, us included.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # From a file, the runtime keeps no second copy of the weights.
        source = graph if isinstance(graph, bytes) else str(graph)
        # The runtime starts its threads now, and they inherit how the thread that starts them is scheduled.
        with ThreadPoolExecutor(1, initializer=compute_in_batch) as starter:
            load = starter.submit(onnxruntime.InferenceSession, source, options, providers=["CPUExecutionProvider"])
            return load.result()
    except Exception as error:
        raise EngineError(f"the graph of {model.name} cannot be loaded: {_first_line(error)}") from error


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the longest common prefix."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
