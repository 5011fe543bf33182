"""The torch engine on every architecture: base, LoRA and prefix in one batch say what the libraries say alone."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from codecompose_ls.inference.decoding import Token
from codecompose_ls.inference.torch.engine import Request, TorchEngine
from codecompose_ls.inference.torch.network import load_network
from codecompose_ls.types import Prompt, Sampling
from tests.torch_models import ARCHITECTURES, lora, prefix, reference, torch_model

#: PEFT has no prefix tuning for it: its configuration names neither heads nor layers as others do.
NO_PREFIX = frozenset({"xglm"})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
async def test_a_mixed_batch_says_what_the_libraries_say(architecture: str, tmp_path: Path) -> None:
    """Prompts of all lengths, one longer than the sliding window of those that have one."""
    base = torch_model(tmp_path / "base", architecture)
    adapters = [None, lora(tmp_path / "lora", base), lora(tmp_path / "other", base, seed=5)]
    adapters += [] if architecture in NO_PREFIX else [prefix(tmp_path / "prefix", base)]
    engine = TorchEngine(load_network(base, device="cpu"))

    async def answer(request: Request) -> list[Token]:
        return [token async for token in engine.run(request, stop=threading.Event())]

    requests = [
        Request(Prompt(tuple(range(9 + place, 20 + 17 * place)), frozenset()), Sampling(max_tokens=10), adapter)
        for place, adapter in enumerate(adapters)
    ]
    try:
        found = await asyncio.gather(*map(answer, requests))
    finally:
        engine.close()
    for request, tokens in zip(requests, found, strict=True):
        expected = reference(base, request.adapter, request.prompt.token_ids, 10)
        assert [token.id for token in tokens] == [number for number, _ in expected]
        np.testing.assert_allclose([token.logprob for token in tokens], [logprob for _, logprob in expected], atol=2e-3)
