"""The anatomy of a transformers model: its embeddings, its blocks by stack, its head.

Found by structure, not by a table of families: every `nn.Embedding` outside the blocks is an embedding (learned
positions as well as tokens), the longest outermost `nn.ModuleList` of a stack holds its blocks, and the head is what
the model says it is. That fits Llama, Qwen2, StarCoder2, GPT-2, GPTBigCode, Gemma, Mistral, XGLM, Granite and BART.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from codecompose_ls.errors import ModelError

ENCODER, DECODER, OTHER = "encoder", "decoder", "other"


@dataclass(frozen=True, slots=True)
class Block:
    """One layer: `module` is its path in the model, `names` those of its parameters."""

    stack: str
    index: int
    module: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Names of parameters by part, each in one part only; a tied head is among the embeddings."""

    embeddings: tuple[str, ...]
    #: Encoder before decoder, each from the input on.
    blocks: tuple[Block, ...]
    head: tuple[str, ...]
    other: tuple[str, ...]

    @property
    def last_decoder_block(self) -> Block:
        return next(block for block in reversed(self.blocks) if block.stack == DECODER)


def describe(network: Any) -> Anatomy:
    """Describe a PreTrainedModel, causal or encoder-decoder, before any adapter is added. Raises ModelError.

    Parameters are named as `named_parameters()` names them, so a shared one has its first name.
    """
    by_identity = {id(parameter): name for name, parameter in network.named_parameters()}
    blocks = tuple(_blocks(network, by_identity))
    if not any(block.stack == DECODER for block in blocks):
        raise ModelError(f"{type(network).__name__} has no blocks that we know: tune a causal model or a BART")
    taken = {name for block in blocks for name in block.names}
    embeddings = [
        by_identity[id(parameter)]
        for module in network.modules()
        if isinstance(module, nn.Embedding)
        for parameter in module.parameters()
    ]
    embeddings = [name for name in dict.fromkeys(embeddings) if name not in taken]
    taken.update(embeddings)
    head = [by_identity[id(parameter)] for parameter in network.get_output_embeddings().parameters()]
    head = [name for name in head if name not in taken]
    taken.update(head)
    other = tuple(name for name in by_identity.values() if name not in taken)
    return Anatomy(tuple(embeddings), blocks, tuple(head), other)


def _blocks(network: Any, by_identity: Mapping[int, str]) -> Iterator[Block]:
    stacks: dict[str, tuple[str, nn.ModuleList]] = {}
    for path, module in network.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer, _ in stacks.values())
        if isinstance(module, nn.ModuleList) and len(module) and not inside:
            stack = ENCODER if ENCODER in path.split(".") else DECODER
            if stack not in stacks or len(module) > len(stacks[stack][1]):
                stacks[stack] = path, module
    for stack in (ENCODER, DECODER):
        path, layers = stacks.get(stack, ("", ()))
        for index, layer in enumerate(layers):
            names = tuple(by_identity[id(parameter)] for parameter in layer.parameters())
            yield Block(stack, index, f"{path}.{index}", names)
