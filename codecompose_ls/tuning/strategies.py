"""Strategies: which weights learn (personalised models, 2022, section 3; AutoDev, 2023).

custom        every weight
l_eo          embeddings and output, learned positions counted
l_ldb         the last decoder block
prefix        virtual tokens before every block's keys and values (Li and Liang 2021), by PEFT; of an encoder-decoder
              before the decoder's alone, where the paper has them before the encoder's, too
lora          rank-r updates of all linear layers, alpha = 2r (Hu et al. 2022), by PEFT
lora_autodev  AutoDev's arm: attention alone, alpha 8 whatever the rank, the full rate
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from codecompose_ls.errors import InputError
from codecompose_ls.tuning.anatomy import DECODER, ENCODER, describe
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.tokenizer import Encoder
from codecompose_ls.tuning.tuning_recipe import TuningRecipe

#: Strategies whose result is an adapter beside the base, not a model of its own.
ADAPTERS = frozenset({"prefix", "lora", "lora_autodev"})
#: Projections of the attention by the names families give them; those of the output are not among them.
_ATTENTION = re.compile(r"(?:^|\.)(?:[qkv]_proj|q_attn|kv_attn|c_attn|qkv_proj|query_key_value|Wqkv)$")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,}")


def apply(network: Any, recipe: TuningRecipe, *, encoder: Encoder | None = None, words: Sequence[str] = ()) -> Any:
    """Make exactly the strategy's weights trainable; return the network, or PEFT's model around it.

    `words`, the most frequent first, are what a prefix is initialised from; without them it is random.
    """
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return STRATEGIES[recipe.strategy](network, recipe, encoder, words)


def _unfreeze(network: Any, names: Iterable[str]) -> Any:
    chosen = set(names)
    for name, parameter in network.named_parameters():
        if name in chosen:
            parameter.requires_grad_(True)
    return network


def _custom(network: Any, *_: object) -> Any:
    return _unfreeze(network, (name for name, _ in network.named_parameters()))


def _l_eo(network: Any, *_: object) -> Any:
    anatomy = describe(network)
    return _unfreeze(network, (*anatomy.embeddings, *anatomy.head))


def _l_ldb(network: Any, *_: object) -> Any:
    return _unfreeze(network, describe(network).last_decoder_block.names)


def _lora(network: Any, recipe: TuningRecipe, *_: object) -> Any:
    return _with_lora(network, "all-linear", r=recipe.lora_r, alpha=2 * recipe.lora_r, dropout=0.0)


def _lora_autodev(network: Any, *_: object) -> Any:
    blocks = tuple(block.module for block in describe(network).blocks)
    targets = [name for name, _ in network.named_modules() if name.startswith(blocks) and _ATTENTION.search(name)]
    if not targets:
        raise InputError(f"lora_autodev knows no attention in {type(network).__name__}: use lora")
    return _with_lora(network, targets, r=16, alpha=8, dropout=0.1)


def _with_lora(network: Any, targets: str | list[str], *, r: int, alpha: int, dropout: float) -> Any:
    from peft import LoraConfig
    from transformers.pytorch_utils import Conv1D

    config = LoraConfig(
        task_type=_task(network),
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=targets,
        # GPT-2's kind of linear layer keeps its matrix the other way round.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in network.modules()),
    )
    return _adapted(network, config)


def _adapted(network: Any, config: Any) -> Any:
    from peft import get_peft_model

    with warnings.catch_warnings():
        # PEFT still reads what this transformers calls by another name.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return get_peft_model(network, config)


def _prefix(network: Any, recipe: TuningRecipe, encoder: Encoder | None, words: Sequence[str]) -> Any:
    from peft import PrefixTuningConfig
    from peft.tuners.cartridge.utils import initialize_kv_prefix_from_text

    count = recipe.virtual_tokens
    # PEFT looks for the number of heads under names that some families (XGLM) give in other words.
    heads = network.config.num_attention_heads
    config = PrefixTuningConfig(task_type=_task(network), num_virtual_tokens=count, num_attention_heads=heads)
    model = _adapted(network, config)
    if words and encoder is not None:
        ids = [token for word in words for token in encoder.encode(" " + word)]
        # A small repository has fewer words than virtual tokens: they come again.
        ids = (ids * -(-count // len(ids)))[:count]

        def tokenizer(_text: str, **_options: object) -> Mapping[str, torch.Tensor]:
            return {"input_ids": torch.tensor([ids])}

        initialize_kv_prefix_from_text(model, tokenizer, text=" ".join(words), use_chat_template=False)
    return model


def _task(network: Any) -> str:
    return "SEQ_2_SEQ_LM" if network.config.is_encoder_decoder else "CAUSAL_LM"


STRATEGIES: dict[str, Callable[[Any, TuningRecipe, Encoder | None, Sequence[str]], Any]] = {
    "custom": _custom,
    "l_eo": _l_eo,
    "l_ldb": _l_ldb,
    "prefix": _prefix,
    "lora": _lora,
    "lora_autodev": _lora_autodev,
}


def frequent_words(documents: Sequence[Document], *, count: int) -> list[str]:
    """Return the `count` most frequent identifiers, of three characters or more, the most frequent first."""
    words: Counter[str] = Counter()
    for document in documents:
        words.update(_WORD.findall(document.text))
    return [word for word, _ in words.most_common(count)]


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return what learns, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


@dataclass(frozen=True, slots=True)
class Parameters:
    """How many parameters a strategy trains, of a model that has `total`."""

    strategy: str
    total: int
    trained: int

    @property
    def percent(self) -> float:
        return 100 * self.trained / self.total


#: The paper's prefix, where it is another than PEFT's: before the blocks of the encoder, too.
PREFIX_OF_ALL_BLOCKS = "prefix (all blocks)"


def parameter_table(config: Any, recipe: TuningRecipe | None = None) -> list[Parameters]:
    """Count what each strategy trains of a model of this configuration (personalised models, table 1); no weights.

    An encoder-decoder has a row more: the paper's prefix besides PEFT's.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    auto: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    rows = []
    for strategy in STRATEGIES:
        with torch.device("meta"):
            network = auto.from_config(config)
            blocks = Counter(block.stack for block in describe(network).blocks)
            total = sum(parameter.numel() for parameter in network.parameters())
            model = apply(network, replace(recipe or TuningRecipe(), strategy=strategy))
        trained = sum(parameter.numel() for parameter in trained_parameters(model).values())
        rows.append(Parameters(strategy, total, trained))
        if strategy == "prefix" and blocks[ENCODER]:
            rows.append(Parameters(PREFIX_OF_ALL_BLOCKS, total, trained * blocks.total() // blocks[DECODER]))
    return rows
