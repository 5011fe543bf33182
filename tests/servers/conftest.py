"""Real model servers; a test of one that is not installed is skipped and says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codecompose_ls.models.registry import BASE
from tests.servers import llamacpp as server

CONTEXT_TOKENS = 1024


@pytest.fixture(scope="session")
def llamacpp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of llama.cpp's own server with the weights we ship."""
    gguf = "pip install xllamacpp gguf: without them llama.cpp's server is not tested"
    pytest.importorskip("gguf", reason=gguf)
    pytest.importorskip("xllamacpp", reason=gguf)
    from tests.servers.gguf_model import write_gguf

    path = write_gguf(BASE, tmp_path_factory.mktemp("gguf") / "base.gguf")
    with server.llamacpp(path, context=CONTEXT_TOKENS) as address:
        yield address
