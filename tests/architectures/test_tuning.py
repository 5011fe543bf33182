"""Every strategy on a tiny random model of every architecture, with its family's own sentinels: exactly the right
weights move, and what is written is read again by the libraries that others use.
"""

# ruff: noqa: E402 - nothing here runs without torch

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from safetensors.torch import load_file
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartForConditionalGeneration,
)
from transformers.pytorch_utils import Conv1D

from codecompose_ls.prompt.families import BART
from codecompose_ls.prompt.templates import FAMILIES
from codecompose_ls.tuning.base_model import load_base
from codecompose_ls.tuning.machine import Machine
from codecompose_ls.tuning.strategies import ADAPTERS, STRATEGIES, apply, trained_parameters
from codecompose_ls.tuning.tuner import TunedModel, tune
from codecompose_ls.tuning.tuning_recipe import TuningRecipe
from tests.corpora import make_corpus
from tests.torch_models import torch_model

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@dataclass(frozen=True)
class Expected:
    """What the strategies may move, in the names of the architecture's own files."""

    architecture: str
    family: str
    embeddings: tuple[str, ...]
    last_block: str

    def __str__(self) -> str:
        return self.family


LLAMA = ("model.embed_tokens.weight", "lm_head.weight"), "model.layers.1."
TIED = ("model.embed_tokens.weight",), "model.layers.1."
GPT2 = ("transformer.wte.weight", "transformer.wpe.weight"), "transformer.h.1."
FAMILY = [
    Expected("llama", "deepseek-coder", *LLAMA),
    Expected("llama", "codellama", *LLAMA),
    Expected("llama", "granite", *LLAMA),
    Expected("qwen2", "qwen2.5-coder", *LLAMA),
    Expected("starcoder2", "starcoder2", *TIED),
    Expected("gpt_bigcode", "santacoder", *GPT2),
    Expected("gpt_bigcode", "starcoder", *GPT2),
    Expected("gemma", "codegemma", *TIED),
    Expected("mistral", "codestral", *LLAMA),
    Expected("xglm", "incoder", *TIED),
    Expected(
        "bart",
        "bart",
        ("model.shared.weight", "model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"),
        "model.decoder.layers.1.",
    ),
]
BART_SHAPE: dict[str, int] = {
    f"{stack}_{name}": size
    for stack in ("encoder", "decoder")
    for name, size in (("layers", 2), ("ffn_dim", 48), ("attention_heads", 4))
}
#: Two families with the same sentinels cannot be told apart, and need not be.
ALIKE = {"granite": "starcoder"}
RECIPE = TuningRecipe(
    learning_rate=0.01, epochs=4, tokens_per_step=512, length=64, lora_r=2, virtual_tokens=8, validations=1
)


@pytest.fixture(params=FAMILY, ids=str, scope="module")
def expected(request: pytest.FixtureRequest) -> Expected:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def base(expected: Expected, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(expected.family)
    if expected.family != "bart":
        return torch_model(folder, expected.architecture, template=FAMILIES[expected.family])
    torch_model(folder, "gpt2", template=BART)
    config = BartConfig(vocab_size=512, d_model=32, max_position_embeddings=256, decoder_start_token_id=0, **BART_SHAPE)
    BartForConditionalGeneration(config).save_pretrained(folder)
    return folder


def test_its_family_is_found_by_its_sentinels(expected: Expected, base: Path) -> None:
    model = load_base(base)
    assert model.family == ALIKE.get(expected.family, expected.family)
    assert model.context == 256
    assert model.is_encoder_decoder == (expected.family == "bart")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_exactly_the_strategys_weights_move(expected: Expected, base: Path, strategy: str, tmp_path: Path) -> None:
    tuned = tuned_with(base, strategy, tmp_path / "tuned")
    assert tuned.best.step > 0, "nothing was learned, so nothing is proved"
    if strategy in ADAPTERS:
        check_adapter(base, tuned)
        return
    before, after = (load_file(folder / "model.safetensors") for folder in (base, tuned.folder))
    assert before.keys() == after.keys()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert (
        moved
        == {
            "custom": set(before) - {"final_logits_bias"},
            "l_eo": set(expected.embeddings),
            "l_ldb": {name for name in before if name.startswith(expected.last_block)},
        }[strategy]
    )
    assert not torch.allclose(logits(load(tuned.folder)), logits(load(base)), atol=1e-4)


@pytest.mark.parametrize("strategy", sorted(ADAPTERS))
def test_of_an_adapter_nothing_but_itself_learns(expected: Expected, base: Path, strategy: str) -> None:
    network = load_base(base).network
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    model = apply(network, replace(RECIPE, strategy=strategy))
    learning = trained_parameters(model)
    assert learning
    assert not [names[id(parameter)] for parameter in learning.values() if id(parameter) in names]
    touched = {name.split(".lora_")[0].removeprefix("base_model.model.") for name in learning}
    linear = {name for name, module in load(base).named_modules() if isinstance(module, (nn.Linear, Conv1D))}
    if strategy == "lora":
        assert touched == linear - {"lm_head"}
    if strategy == "lora_autodev":
        assert touched == {name for name in linear if re.search(r"\.([qkv]_proj|c_attn)$", name)}


def check_adapter(base: Path, tuned: TunedModel) -> None:
    """PEFT reads it; with it the base says something else, and without it what it said before."""
    from peft import PeftModel

    network = load(base)
    original = logits(network)
    model = PeftModel.from_pretrained(network, str(tuned.folder))
    assert not torch.allclose(logits(model), original, atol=1e-4)
    with model.disable_adapter():
        torch.testing.assert_close(logits(model), original)
    assert all(value.any() for value in load_file(tuned.folder / "adapter_model.safetensors").values())


def tuned_with(base: Path, strategy: str, output: Path) -> TunedModel:
    corpus = make_corpus(("basket", "engine", "folder")).documents
    return tune(
        base,
        training=corpus[:4],
        validation=corpus[4:],
        recipe=replace(RECIPE, strategy=strategy),
        output=output,
        machine=Machine(compile=False, micro_batch_tokens=512),
    )


def load(folder: Path) -> Any:
    config = AutoConfig.from_pretrained(folder)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    return auto.from_pretrained(folder).eval()


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    tokens = torch.arange(20, 60).reshape(2, 20)
    inputs = {"decoder_input_ids": tokens} if model.config.is_encoder_decoder else {}
    return model(input_ids=tokens, attention_mask=torch.ones_like(tokens), **inputs).logits  # type: ignore[no-any-return]
