"""The loss of any model is what transformers says it is, whatever stands between its last states and its logits."""

# ruff: noqa: E402 - nothing here runs without torch

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    Gemma2Config,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
)

from codecompose_ls.tuning.flops import count_flops
from codecompose_ls.tuning.head_loss import IGNORED
from codecompose_ls.tuning.model_loss import ModelLoss
from codecompose_ls.tuning.strategies import apply
from codecompose_ls.tuning.tuning_recipe import TuningRecipe
from codecompose_ls.tuning.tuning_rows import Batch

SHAPE: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
CONFIGS: dict[str, Any] = {
    "llama": LlamaConfig(**SHAPE),
    "gpt2, tied": GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0),
    "granite, scaled": GraniteConfig(**SHAPE, logits_scaling=4.0),
    "gemma 2, capped": Gemma2Config(**SHAPE, final_logit_softcapping=3.0),
    "bart": BartConfig(
        vocab_size=64, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, dropout=0.0,
    ),
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def model_of(config: Any, strategy: str) -> Any:
    torch.manual_seed(0)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    network = auto.from_config(config)
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.3)
    return apply(network, TuningRecipe(strategy=strategy, virtual_tokens=6, lora_r=1)).eval()


def batch_of(config: Any) -> Batch:
    torch.manual_seed(1)
    tokens, labels = torch.randint(3, 60, (2, 2, 12))
    labels[0, 5:7] = IGNORED
    if not config.is_encoder_decoder:
        return Batch(tokens, labels)
    mask = torch.ones(2, 9, dtype=torch.int64)
    mask[1, 6:] = 0
    return Batch(tokens, labels, torch.randint(3, 60, (2, 9)), mask)


def expected_loss(model: Any, batch: Batch) -> Tensor:
    if batch.source is None:
        logits = model(input_ids=batch.tokens, attention_mask=torch.ones_like(batch.tokens)).logits
    else:
        logits = model(input_ids=batch.source, attention_mask=batch.source_mask, decoder_input_ids=batch.tokens).logits
    return nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), batch.labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )


@pytest.mark.parametrize("strategy", ["custom", "l_ldb", "lora", "prefix"])
@pytest.mark.parametrize("name", CONFIGS)
def test_loss_and_gradients_are_those_of_all_logits(name: str, strategy: str) -> None:
    model, batch = model_of(CONFIGS[name], strategy), batch_of(CONFIGS[name])
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    loss, expected = ModelLoss(model)(batch), expected_loss(model, batch)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-3)
    ours = torch.autograd.grad(loss, learning, allow_unused=True)
    theirs = torch.autograd.grad(expected, learning, allow_unused=True)
    for mine, wanted in zip(ours, theirs, strict=True):
        assert (mine is None) == (wanted is None)
        if mine is not None:
            torch.testing.assert_close(mine, wanted, rtol=1e-3, atol=1e-3)


def test_floating_point_operations_are_those_of_the_products() -> None:
    weight = nn.Parameter(torch.randn(5, 7))
    states = torch.randn(3, 7)
    # Forward 2 x 3 x 5 x 7; backward the same for the weight, nothing for the input.
    assert count_flops(lambda batch: (batch @ weight.T).sum(), states) == 2 * (2 * 3 * 5 * 7)


def test_what_is_frozen_spares_its_part_of_the_backward_pass() -> None:
    config = LlamaConfig(**{**SHAPE, "num_hidden_layers": 8})
    spent = {}
    for strategy in ("custom", "l_eo", "l_ldb", "lora"):
        model = model_of(config, strategy)
        spent[strategy] = count_flops(ModelLoss(model), batch_of(config))
    assert spent["l_ldb"] < spent["l_eo"] < spent["custom"]
    assert spent["l_ldb"] < spent["lora"] < spent["custom"]
