"""What PEFT has written is served as PEFT computes it: LoRA merged, a tuned prefix as keys and values."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codecompose_ls.inference.session import Session
from codecompose_ls.models import registry
from codecompose_ls.models.model import Architecture, load_model
from tests.adapters import describe
from tests.models import TINY, tiny_model

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

#: PEFT asks transformers for what that has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")

IDS = np.random.default_rng(1).integers(0, TINY.vocab_size, 150).tolist()
NEVER = threading.Event()
#: Allowed difference of any logit (they are some units large), rounding in float32; for eight bits as in test_logits.
FLOAT32, INT8 = 2e-4, 0.1
VIRTUAL = 20

LORAS: dict[str, dict[str, Any]] = {
    "all linear layers": {"target_modules": "all-linear"},
    "rank stabilised, on attention": {"target_modules": ["q_proj", "v_proj"], "use_rslora": True},
    "ranks and alphas by module": {
        "target_modules": ["q_proj", "down_proj"],
        "rank_pattern": {"down_proj": 3},
        "alpha_pattern": {"layers.1.mlp.down_proj": 20, "q_proj": 2},
    },
}


def transformers_model(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval()


def logits(model: Any) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(model.eval()(torch.tensor([IDS])).logits[0])


def tuned(base: Path, config: Any, folder: Path, *, draw: Callable[[Any], object]) -> tuple[Path, np.ndarray]:
    """Write a PEFT adapter with random weights; return it, and the logits that PEFT gives."""
    torch.manual_seed(0)
    model = peft.get_peft_model(transformers_model(base), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                draw(parameter)
    model.save_pretrained(folder)
    return describe(folder, base, "lora"), logits(model)


def served(folder: Path) -> np.ndarray:
    session = Session(load_model(folder), kernel="float32")
    return session.feed(IDS, rows=len(IDS))


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))
    return registry.add(tiny_model(tmp_path / "source"), "own")


@pytest.mark.parametrize("options", LORAS.values(), ids=LORAS)
def test_lora(tmp_path: Path, base: Path, options: dict[str, Any]) -> None:
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, **options)
    folder, expected = tuned(base, config, tmp_path / "lora", draw=lambda one: one.normal_(std=0.3))
    assert np.abs(expected - logits(transformers_model(base))).max() > 0.5
    assert np.abs(served(folder) - expected).max() < FLOAT32


@pytest.mark.parametrize(
    "architecture",
    [TINY, replace(TINY, num_key_value_heads=4), replace(TINY, num_hidden_layers=3, num_key_value_heads=1)],
    ids=["grouped", "every head its own", "one for all"],
)
@pytest.mark.parametrize("projected", [False, True])
def test_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: Architecture, projected: bool) -> None:
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))
    base = registry.add(tiny_model(tmp_path / "source", architecture=architecture), "own")
    config = peft.PrefixTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL, prefix_projection=projected, encoder_hidden_size=16
    )
    folder, expected = tuned(base, config, tmp_path / "prefix", draw=lambda one: one.normal_())
    assert np.abs(expected - logits(transformers_model(base))).max() > 0.5
    model = load_model(folder)
    assert model.virtual_tokens == VIRTUAL
    assert np.abs(served(folder) - expected).max() < FLOAT32


def test_a_prefix_stays_when_the_session_goes_back_and_to_other_places(tmp_path: Path, base: Path) -> None:
    config = peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL)
    folder, expected = tuned(base, config, tmp_path / "prefix", draw=lambda one: one.normal_())
    session = Session(load_model(folder), kernel="float32")
    session.prefill(IDS, stop=NEVER)
    session.prefill([*IDS[:100], 3, 4], stop=NEVER)
    session.prefill([9, 8, 7], stop=NEVER)
    assert np.abs(session.prefill(IDS, stop=NEVER) - expected[-1]).max() < FLOAT32
    assert session.capacity == load_model(base).context + 512
    assert len(session.feed([1] * (session.capacity - len(IDS)))) == 1


def test_eight_bits_are_as_near_as_those_of_the_base(tmp_path: Path, base: Path) -> None:
    configs = {
        "lora": peft.LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules="all-linear"),
        "prefix": peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL),
    }
    for name, config in configs.items():
        folder, expected = tuned(base, config, tmp_path / name, draw=lambda one: one.normal_(std=0.1))
        found = Session(load_model(folder)).feed(IDS, rows=len(IDS))
        assert np.sqrt(((found - expected) ** 2).mean()) / expected.std() < INT8
