"""Real model servers; a test of one that is not installed is skipped and says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from codecompose_ls.models.registry import BASE

CONTEXT_TOKENS = 1024


@pytest.fixture(scope="session")
def llamacpp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of llama.cpp's own server with the weights we ship."""
    gguf = "pip install xllamacpp gguf: without them llama.cpp's server is not tested"
    pytest.importorskip("gguf", reason=gguf)
    xllamacpp = pytest.importorskip("xllamacpp", reason=gguf)
    from tests.servers.gguf_model import write_gguf

    path = write_gguf(BASE, tmp_path_factory.mktemp("gguf") / "base.gguf")
    yield from _serve(xllamacpp, path)


def _serve(xllamacpp: object, path: Path) -> Iterator[str]:
    params = xllamacpp.CommonParams()  # type: ignore[attr-defined]
    params.model.path = str(path)
    params.model_alias = {"base"}
    params.n_ctx, params.n_parallel, params.port = CONTEXT_TOKENS, 1, 0
    # Two would spin while they wait for each other; with other work on the cores a token would take seconds.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup, params.verbosity, params.endpoint_slots = False, 0, True
    server = xllamacpp.Server(params)  # type: ignore[attr-defined]
    yield server.listening_address
    del server
