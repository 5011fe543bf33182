"""Answers: beams are lines, the likeliest first; adapters are asked as PEFT itself would ask them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from codecompose_ls.errors import ModelError
from codecompose_ls.evaluation.hidden_lines import Case, Kind
from codecompose_ls.evaluation.projects import Project
from codecompose_ls.evaluation.study.answers import Answerer
from codecompose_ls.tuning.base_model import load_base

CODE = "class Stack:\n    def __init__(self) -> None:\n        self.items = []\n\n    def empty(self) -> bool:\n"
CASE = Case(
    Project("p", Path(), ()), "stack.py", "python", Kind.MID_LINE, CODE.replace("[]", ""), CODE.index("[]"), "[]"
)


def _adapter(base: Path, folder: Path, config: Any) -> Any:
    """Write an adapter with random weights and return PEFT's model of it."""
    from peft import get_peft_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = get_peft_model(load_base(base).network, config)
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return model.eval()


def test_candidates_are_different_lines_and_never_empty(tiny: Path) -> None:
    answer = Answerer(tiny, candidates=4, prompt_tokens=96).answer(CASE)
    assert 1 <= len(answer.candidates) <= 4
    assert len(set(answer.candidates)) == len(answer.candidates)
    assert not any("\n" in text or text == "" for text in answer.candidates)
    assert len(answer.logprobs) >= 1 and all(value < 0 for value in answer.logprobs)


def test_beams_find_what_their_probability_says_and_the_score_is_the_models(tiny: Path) -> None:
    model = Answerer(tiny, candidates=3, prompt_tokens=96)
    prompt = model._prompt(CASE)
    encoder = load_base(tiny).encoder
    logprobs, sequences = model._ask_causal(prompt, encoder.encode("[]"))
    assert logprobs == pytest.approx(_scored(model._network, prompt, encoder.encode("[]")), abs=1e-4)
    # The end of a line is one token of the search, and many of the model.
    totals = [sum(_scored(model._network, prompt, model._line(tokens))) for tokens in sequences]
    ends = [_end(model, prompt, model._line(tokens)) for tokens in sequences]
    likely = [total + end for total, end in zip(totals, ends, strict=True)]
    assert likely == sorted(likely, reverse=True)


@pytest.mark.parametrize("kind", ["prefix", "lora"])
def test_an_adapter_answers_as_peft_has_it(kind: str, tiny: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, PrefixTuningConfig

    config = (
        PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=8)
        if kind == "prefix"
        else LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules="all-linear")
    )
    peft = _adapter(tiny, tmp_path, config)
    model, base = (Answerer(tiny, tuned, candidates=2, prompt_tokens=96) for tuned in (tmp_path, None))
    prompt, hidden = model._prompt(CASE), load_base(tiny).encoder.encode("[]")
    expected = _scored(peft, prompt, hidden)
    assert model._ask_causal(prompt, hidden)[0] == pytest.approx(expected, abs=1e-3)
    assert base._ask_causal(prompt, hidden)[0] != pytest.approx(expected, abs=1e-2)
    # A prompt leaves nothing behind for the next one.
    assert model.answer(CASE) == model.answer(CASE)


def test_an_encoder_decoder_reads_the_prompt_and_writes_the_line(tmp_path: Path) -> None:
    from transformers import BartConfig, BartForConditionalGeneration

    from codecompose_ls.prompt.families import BART
    from tests.models import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens([*BART.sentinels])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    end = tokenizer.token_to_id(BART.stop[0])
    torch.manual_seed(0)
    config = BartConfig(
        vocab_size=tokenizer.get_vocab_size(), d_model=32, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=32,
        decoder_ffn_dim=32, encoder_attention_heads=2, decoder_attention_heads=2, max_position_embeddings=256,
        pad_token_id=end, eos_token_id=end, bos_token_id=end, decoder_start_token_id=end, forced_eos_token_id=None,
    )  # fmt: skip
    BartForConditionalGeneration(config).save_pretrained(tmp_path)
    answer = Answerer(tmp_path, candidates=2, prompt_tokens=64).answer(CASE)
    assert len(answer.candidates) >= 1 and all(value < 0 for value in answer.logprobs)


def test_a_context_without_room_for_a_prompt_is_refused(tmp_path: Path) -> None:
    from tests.models import tiny_model

    with pytest.raises(ModelError, match="a context of 64: too small"):
        Answerer(tiny_model(tmp_path / "small", context=64))


def _scored(network: Any, prompt: list[int], tokens: list[int]) -> list[float]:
    with torch.inference_mode():
        logits = network(input_ids=torch.tensor([[*prompt, *tokens]]), use_cache=False).logits[0]
    rows = torch.log_softmax(logits.float(), dim=-1)
    return [float(rows[len(prompt) - 1 + place, token]) for place, token in enumerate(tokens)]


def _end(model: Answerer, prompt: list[int], tokens: list[int]) -> float:
    """Return the log probability that a line ends after these tokens; 0 for one that was cut off."""
    if len(tokens) == 64:
        return 0.0
    with torch.inference_mode():
        logits = model._network(input_ids=torch.tensor([[*prompt, *tokens]]), use_cache=False).logits[0, -1]
    return float(torch.log_softmax(logits.float(), dim=-1)[torch.tensor(model._ends)].logsumexp(0))
