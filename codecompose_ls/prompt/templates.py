"""FIM templates as data: which sentinels a model family was trained with, and in which order.

A template is the prompt as its authors print it. `{header}`, `{prefix}` and `{suffix}` are text, encoded piece by piece
with special tokens switched off; what `sentinels` lists is a single token id each (Bavarian et al. 2022, section 3).
Families that were trained on several files at once have a form with `{snippets}` of other files, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FIELDS = ("{header}", "{prefix}", "{suffix}", "{language}", "{path}", "{snippets}", "{text}", "{repository}")


@dataclass(frozen=True, slots=True)
class FimTemplate:
    """The prompt of one model family, prefix first (`psm`) and suffix first (`spm`).

    `spm` is None where the family was never trained suffix first, `psm` is empty where it was trained in no other
    order.
    """

    family: str
    psm: str
    spm: str | None
    sentinels: tuple[str, ...]
    #: Sentinels that end a generation; the end-of-text token is the first.
    stop: tuple[str, ...]
    #: Metadata line put at the head of a prompt; empty for families without one.
    header: str = ""
    #: The prompt with other files in it, and how one of them is written; empty for families that know one file alone.
    multi_file: str = ""
    snippet: str = ""

    @property
    def order(self) -> str:
        """The order we ask in: suffix first where the family knows it, so that typing leaves the suffix's KV valid."""
        return self.spm or self.psm

    def split(self, pattern: str) -> list[str]:
        """Split `pattern` into sentinels, fields and the literal text between them, in order, nothing lost."""
        marks = sorted((*self.sentinels, *FIELDS), key=len, reverse=True)
        parts = re.split(f"({'|'.join(re.escape(mark) for mark in marks)})", pattern)
        return [part for part in parts if part]


_FIM = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
_BIGCODE = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<fim_pad>")

#: Our own model. Document: header, then body, then end of text. Joint PSM and SPM ("variant 2" of Bavarian et al.).
CODECOMPOSE = FimTemplate(
    family="codecompose",
    psm="{header}<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
    spm="{header}<|fim_prefix|><|fim_suffix|>{suffix}<|fim_middle|>{prefix}",
    sentinels=("<|endoftext|>", *_FIM, "<|fim_pad|>", "<|file_sep|>"),
    stop=("<|endoftext|>", *_FIM, "<|fim_pad|>", "<|file_sep|>"),
    header="<|file_sep|>{language} {path}\n",
    # Several documents to a row, as in training.
    multi_file="{snippets}{header}<|fim_prefix|><|fim_suffix|>{suffix}<|fim_middle|>{prefix}",
    snippet="<|file_sep|>{language} {path}\n{text}<|endoftext|>",
)

#: Model card of bigcode/santacoder: hyphens, and trained in both orders.
SANTACODER = FimTemplate(
    family="santacoder",
    psm="<fim-prefix>{prefix}<fim-suffix>{suffix}<fim-middle>",
    spm="<fim-prefix><fim-suffix>{suffix}<fim-middle>{prefix}",
    sentinels=("<|endoftext|>", "<fim-prefix>", "<fim-suffix>", "<fim-middle>", "<fim-pad>"),
    stop=("<|endoftext|>", "<fim-prefix>", "<fim-suffix>", "<fim-middle>", "<fim-pad>"),
)

#: tokenizer_config.json of bigcode/starcoder, starcoderbase and tiny_starcoder_py.
STARCODER = FimTemplate(
    family="starcoder",
    psm="<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>",
    spm=None,
    sentinels=("<|endoftext|>", *_BIGCODE, "<filename>", "<reponame>"),
    stop=("<|endoftext|>", *_BIGCODE, "<filename>", "<reponame>"),
)

#: StarCoder 2 paper, section 5.1: without repository metadata there is no path; the next file starts with <file_sep>.
#: With it the path stands within the prefix, and a line break after it is all that is added.
STARCODER2 = FimTemplate(
    family="starcoder2",
    psm="<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>",
    spm=None,
    sentinels=("<|endoftext|>", *_BIGCODE, "<file_sep>", "<repo_name>"),
    stop=("<|endoftext|>", *_BIGCODE, "<file_sep>", "<repo_name>"),
    multi_file=(
        "<repo_name>{repository}{snippets}<file_sep><fim_prefix>{path}\n{prefix}<fim_suffix>{suffix}<fim_middle>"
    ),
    snippet="<file_sep>{path}\n{text}",
)

#: README of QwenLM/Qwen2.5-Coder and its technical report, figures 3 and 4; the path stands before the prefix.
QWEN25_CODER = FimTemplate(
    family="qwen2.5-coder",
    psm="<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
    spm=None,
    sentinels=("<|endoftext|>", *_FIM, "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|im_end|>"),
    stop=("<|endoftext|>", *_FIM, "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|im_end|>"),
    multi_file=(
        "<|repo_name|>{repository}\n{snippets}"
        "<|file_sep|>{path}\n<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>"
    ),
    snippet="<|file_sep|>{path}\n{text}\n",
)

#: README of deepseek-ai/DeepSeek-Coder: full-width bars, `hole` stands before the suffix and `end` before the middle.
DEEPSEEK_CODER = FimTemplate(
    family="deepseek-coder",
    psm="<｜fim▁begin｜>{prefix}<｜fim▁hole｜>{suffix}<｜fim▁end｜>",
    spm=None,
    sentinels=("<｜end▁of▁sentence｜>", "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    stop=("<｜end▁of▁sentence｜>", "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
)

#: `infilling_prompt_tokens` of facebookresearch/codellama, both orders; the tokens carry a leading U+2581.
CODELLAMA = FimTemplate(
    family="codellama",
    psm="<s>▁<PRE>{prefix}▁<SUF>{suffix}▁<MID>",
    spm="<s>▁<PRE>▁<SUF>{suffix}▁<MID>{prefix}",
    sentinels=("▁<EOT>", "</s>", "<s>", "▁<PRE>", "▁<SUF>", "▁<MID>"),
    stop=("▁<EOT>", "</s>", "▁<PRE>", "▁<SUF>", "▁<MID>"),
)

#: Google's CodeGemma page: no white space around the sentinels, a separator between files; paths are our addition.
CODEGEMMA = FimTemplate(
    family="codegemma",
    psm="<bos><|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
    spm=None,
    sentinels=("<eos>", "<bos>", *_FIM, "<|file_separator|>"),
    stop=("<eos>", *_FIM, "<|file_separator|>"),
    multi_file="<bos>{snippets}{path}\n<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
    snippet="{path}\n{text}<|file_separator|>",
)

#: `encode_fim` of mistral-common: suffix first, and no sentinel before the middle. Other files are in the prefix, as
#: clients of its API write them: each under a line of `+++++` and its path.
CODESTRAL = FimTemplate(
    family="codestral",
    psm="",
    spm="<s>[SUFFIX]{suffix}[PREFIX]{prefix}",
    sentinels=("</s>", "<s>", "[SUFFIX]", "[PREFIX]"),
    stop=("</s>", "[SUFFIX]", "[PREFIX]"),
    multi_file="<s>[SUFFIX]{suffix}[PREFIX]{snippets}+++++ {path}\n{prefix}",
    snippet="+++++ {path}\n{text}\n\n",
)

#: Granite code 3B and 8B share StarCoder's sentinels (seen in llama.cpp's vocabulary; not printed on the model card).
GRANITE = FimTemplate(
    family="granite",
    psm="<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>",
    spm=None,
    sentinels=("<|endoftext|>", *_BIGCODE, "<filename>", "<reponame>"),
    stop=("<|endoftext|>", *_BIGCODE, "<filename>", "<reponame>"),
)

#: example_usage.py of dpfried/incoder, with the extra sentinel it recommends: the mask's number opens its infill.
INCODER = FimTemplate(
    family="incoder",
    psm="<|endoftext|>{prefix}<|mask:0|>{suffix}<|mask:1|><|mask:0|>",
    spm=None,
    sentinels=("<|endofmask|>", "<|endoftext|>", "<|mask:0|>", "<|mask:1|>"),
    stop=("<|endofmask|>", "<|endoftext|>", "<|mask:0|>", "<|mask:1|>"),
)

FAMILIES: dict[str, FimTemplate] = {
    template.family: template
    for template in (
        CODECOMPOSE,
        SANTACODER,
        STARCODER,
        STARCODER2,
        QWEN25_CODER,
        DEEPSEEK_CODER,
        CODELLAMA,
        CODEGEMMA,
        CODESTRAL,
        GRANITE,
        INCODER,
    )
}
