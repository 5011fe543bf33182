"""FIM templates as data: which sentinels a model family was trained with, and in which order.

A template is the prompt as its authors print it. `{header}`, `{prefix}` and `{suffix}` are text, encoded piece by piece
with special tokens switched off; what `sentinels` lists is a single token id each (Bavarian et al. 2022, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FimTemplate:
    """The prompt of one model family. `spm` is None where the family was never trained suffix first."""

    family: str
    psm: str
    spm: str | None
    sentinels: tuple[str, ...]
    #: Sentinels that end a generation; the end-of-text token is the first.
    stop: tuple[str, ...]
    #: Metadata line put at the head of a prompt; empty for families without one.
    header: str = ""


#: Our own model. Document: header, then body, then end of text. Joint PSM and SPM ("variant 2" of Bavarian et al.).
CODECOMPOSE = FimTemplate(
    family="codecompose",
    psm="{header}<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
    spm="{header}<|fim_prefix|><|fim_suffix|>{suffix}<|fim_middle|>{prefix}",
    sentinels=("<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|file_sep|>"),
    stop=("<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|file_sep|>"),
    header="<|file_sep|>{language} {path}\n",
)

FAMILIES: dict[str, FimTemplate] = {template.family: template for template in (CODECOMPOSE,)}
