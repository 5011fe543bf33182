"""llama.cpp's own server, in this process (the wheel `xllamacpp`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx


@contextmanager
def llamacpp(path: Path, *, context: int) -> Iterator[str]:
    """Serve the model in a GGUF file as 'base', one request at a time; the value is the address."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {"base"}
    params.n_ctx, params.n_parallel, params.port = context, 1, 0
    # Two would spin while they wait for each other; with other work on the cores a token would take seconds.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup, params.verbosity, params.endpoint_slots = False, 0, True
    server = xllamacpp.Server(params)
    yield server.listening_address
    del server


async def idle_slot(address: str) -> dict[str, Any]:
    """Return what the server says of its one slot once that does nothing."""
    async with httpx.AsyncClient(trust_env=False, timeout=300) as client:
        while True:
            (slot,) = (await client.get(f"{address}/slots")).json()
            if not slot["is_processing"]:
                return dict(slot)
