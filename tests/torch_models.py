"""Tiny random models of Hugging Face's architectures, and adapters on them: whole folders, the same nonsense always."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codecompose_ls.models.files import content_hash
from codecompose_ls.prompt.templates import CODECOMPOSE, FimTemplate
from tests.models import LINES

VOCABULARY = 512
#: Configurations by architecture, small enough that a test takes no time, with grouped heads where there can be.
_ROPE = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256,
}  # fmt: skip
_LEARNED = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _ROPE),
    "qwen2": ("Qwen2Config", _ROPE),
    "gpt2": ("GPT2Config", _LEARNED),
    "starcoder2": ("Starcoder2Config", {**_ROPE, "sliding_window": 24}),
    "gpt_bigcode": ("GPTBigCodeConfig", _LEARNED),
    "gemma": ("GemmaConfig", {**_ROPE, "head_dim": 8}),
    "mistral": ("MistralConfig", {**_ROPE, "head_dim": 8, "sliding_window": 24}),
    "xglm": (
        "XGLMConfig",
        {"d_model": 32, "ffn_dim": 48, "num_layers": 2, "attention_heads": 4, "max_position_embeddings": 256},
    ),
}


#: A chat template as Qwen's; it refuses a talk that begins with the assistant.
_TURN_MARKS = ("<|im_start|>",)
CHATML = (
    "{% if messages[0]['role'] == 'assistant' %}{{ raise_exception('the user speaks first') }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Family:
    """The folders of a model and of adapters on it."""

    base: Path
    lora: Path
    other_lora: Path
    prefix: Path
    other_prefix: Path


def family(folder: Path, architecture: str, *, seed: int = 0) -> Family:
    """Write a random model with two LoRAs and two tuned prefixes, each of which changes what it says."""
    base = torch_model(folder / "base", architecture, seed=seed)
    return Family(
        base,
        lora(folder / "lora", base, seed=seed + 1),
        lora(folder / "other-lora", base, seed=seed + 2),
        prefix(folder / "prefix", base, virtual_tokens=5, seed=seed + 3),
        prefix(folder / "other-prefix", base, virtual_tokens=9, seed=seed + 4),
    )


def reference(base: Path, adapter: Path | None, prompt: Sequence[int], length: int) -> list[tuple[int, float]]:
    """Return greedy tokens and their log probabilities as the libraries compute them: one text, no cache, no batch."""
    import torch
    from peft import PeftModel

    with _quiet():
        model = _load(base) if adapter is None else PeftModel.from_pretrained(_load(base), str(adapter))
    tokens, chosen = list(prompt), []
    with torch.inference_mode():
        for _ in range(length):
            logprobs = model.eval()(input_ids=torch.tensor([tokens])).logits[0, -1].log_softmax(-1)
            tokens.append(int(logprobs.argmax()))
            chosen.append((tokens[-1], float(logprobs.max())))
    return chosen


def torch_model(
    folder: Path,
    architecture: str,
    *,
    template: FimTemplate = CODECOMPOSE,
    seed: int = 0,
    chat_template: str = "",
    **changes: Any,
) -> Path:
    """Write a random model with a byte-level tokenizer that has the template's sentinels, and return its folder.

    `changes` are laid over the architecture's configuration.
    """
    import torch
    import transformers

    name, values = ARCHITECTURES[architecture]
    torch.manual_seed(seed)
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = getattr(transformers, name)(**{"vocab_size": VOCABULARY, **values, **ends, **changes})
    model = transformers.AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        # Wide enough that each part of the network changes the logits.
        parameter.data.normal_(0 if parameter.dim() > 1 else 0.5, 0.3)
    model.save_pretrained(folder)
    _write_tokenizer(folder, template, chat_template)
    return folder


def lora(folder: Path, base: Path, *, seed: int = 1) -> Path:
    """Write a LoRA on all linear layers that changes what its base says."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    with _quiet():
        return _write_adapter(get_peft_model(_load(base), config), folder, base, strategy="lora")


def prefix(folder: Path, base: Path, *, virtual_tokens: int = 5, seed: int = 2) -> Path:
    """Write a tuned prefix that changes what its base says."""
    import torch
    from peft import PrefixTuningConfig, get_peft_model

    torch.manual_seed(seed)
    config = PrefixTuningConfig(num_virtual_tokens=virtual_tokens, task_type="CAUSAL_LM")
    with _quiet():
        return _write_adapter(get_peft_model(_load(base), config), folder, base, strategy="prefix")


def _load(base: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(base)


@contextmanager
def _quiet() -> Iterator[None]:
    """What the libraries warn of while they make a model is not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _write_adapter(model: Any, folder: Path, base: Path, *, strategy: str) -> Path:
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data.normal_(0, 0.4)
    model.save_pretrained(folder)
    metadata = {
        "family": CODECOMPOSE.family,
        "context": 256,
        "strategy": strategy,
        "base": {"name": base.name, "content_hash": content_hash(base)},
        "provenance": {},
        "evaluation": {},
    }
    (folder / "codecompose.json").write_text(json.dumps(metadata), encoding="utf-8")
    return folder


def _write_tokenizer(folder: Path, template: FimTemplate, chat_template: str) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[*template.sentinels, *_TURN_MARKS[: bool(chat_template)]],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES, trainer)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": template.stop[0]}
    kind |= {"chat_template": chat_template} if chat_template else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind), encoding="utf-8")
