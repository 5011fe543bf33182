"""Which weights a strategy trains, counted; the seed's table comes out of transformers' own BART-large."""

# ruff: noqa: E402 - nothing here runs without torch

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from transformers import BartConfig, GPT2Config, LlamaConfig, Qwen2Config

from codecompose_ls.tuning.anatomy import DECODER, ENCODER, describe
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.strategies import PREFIX_OF_ALL_BLOCKS, frequent_words, parameter_table


def test_the_papers_table_for_bart_large() -> None:
    rows = {row.strategy: row for row in parameter_table(BartConfig())}
    assert {row.total for row in rows.values()} == {406_291_456}
    counted = {name: (row.trained, round(row.percent, 1)) for name, row in rows.items()}
    assert counted["custom"] == (406_291_456, 100.0)
    assert counted["l_eo"] == (53_572_608, 13.2)
    assert counted["l_ldb"] == (16_796_672, 4.1)
    # 1024 wide x 200 tokens x 24 blocks x 2; PEFT's stands before the 12 blocks of the decoder only.
    assert counted[PREFIX_OF_ALL_BLOCKS] == (9_830_400, 2.4)
    assert counted["prefix"] == (4_915_200, 1.2)


def test_a_small_llama_by_hand() -> None:
    config = LlamaConfig(
        vocab_size=100, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, tie_word_embeddings=True,
    )  # fmt: skip
    rows = {row.strategy: row.trained for row in parameter_table(config)}
    block = 2 * 32 + 2 * 32 * 32 + 2 * 16 * 32 + 3 * 48 * 32
    assert rows["custom"] == 100 * 32 + 3 * block + 32
    assert rows["l_eo"] == 100 * 32
    assert rows["l_ldb"] == block
    # Keys and values of two heads of 8, before each block.
    assert rows["prefix"] == 200 * 3 * 2 * 16
    assert rows["lora"] == 3 * 16 * (2 * (32 + 32) + 2 * (32 + 16) + 3 * (32 + 48))
    assert rows["lora_autodev"] == 3 * 16 * ((32 + 32) + 2 * (32 + 16))
    assert PREFIX_OF_ALL_BLOCKS not in rows


@pytest.mark.parametrize(
    ("config", "embeddings", "head"),
    [
        (Qwen2Config(tie_word_embeddings=False), ["model.embed_tokens.weight"], ["lm_head.weight"]),
        (GPT2Config(), ["transformer.wte.weight", "transformer.wpe.weight"], []),
        (
            BartConfig(),
            [
                "model.shared.weight",
                "model.encoder.embed_positions.weight",
                "model.decoder.embed_positions.weight",
            ],
            [],
        ),
    ],
    ids=["untied", "learned positions", "encoder and decoder"],
)
def test_parts_of_a_model(config: object, embeddings: list[str], head: list[str]) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    is_bart = isinstance(config, BartConfig)
    with torch.device("meta"):
        network = (AutoModelForSeq2SeqLM if is_bart else AutoModelForCausalLM).from_config(config)
    anatomy = describe(network)
    assert sorted(anatomy.embeddings) == sorted(embeddings)
    assert list(anatomy.head) == head
    stacks = [(block.stack, block.index) for block in anatomy.blocks]
    layers = config.num_hidden_layers  # type: ignore[attr-defined]
    assert stacks == [(stack, n) for stack in ([ENCODER, DECODER] if is_bart else [DECODER]) for n in range(layers)]
    every = [*anatomy.embeddings, *anatomy.head, *anatomy.other, *(n for block in anatomy.blocks for n in block.names)]
    assert sorted(every) == sorted(name for name, _ in network.named_parameters())


def test_frequent_words_are_identifiers_the_most_frequent_first() -> None:
    text = "basket = Basket()\nbasket.add(item)\nfor item in basket:\n    item.pay()\n"
    assert frequent_words([Document("shop", "a.py", "python", text)], count=3) == ["basket", "item", "Basket"]
