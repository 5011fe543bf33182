"""Every family's template has the shape its authors print."""

import pytest

from codecompose_ls.prompt.templates import CODECOMPOSE, FAMILIES, FimTemplate

#: Family -> (prefix first, suffix first), P and S for the texts, as printed by the sources named in templates.py.
PRINTED = {
    "codecompose": (
        "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>",
        "<|fim_prefix|><|fim_suffix|>S<|fim_middle|>P",
    ),
    "santacoder": ("<fim-prefix>P<fim-suffix>S<fim-middle>", "<fim-prefix><fim-suffix>S<fim-middle>P"),
    "starcoder": ("<fim_prefix>P<fim_suffix>S<fim_middle>", None),
    "starcoder2": ("<fim_prefix>P<fim_suffix>S<fim_middle>", None),
    "qwen2.5-coder": ("<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>", None),
    "deepseek-coder": ("<｜fim▁begin｜>P<｜fim▁hole｜>S<｜fim▁end｜>", None),
    "codellama": ("<s>▁<PRE>P▁<SUF>S▁<MID>", "<s>▁<PRE>▁<SUF>S▁<MID>P"),
    "codegemma": ("<bos><|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>", None),
    "codestral": ("", "<s>[SUFFIX]S[PREFIX]P"),
    "granite": ("<fim_prefix>P<fim_suffix>S<fim_middle>", None),
    "incoder": ("<|endoftext|>P<|mask:0|>S<|mask:1|><|mask:0|>", None),
}

#: Family -> a prompt with two other files, as printed by the same sources.
SEVERAL_FILES = {
    "codecompose": (
        "<|file_sep|>python a.py\nA<|endoftext|><|file_sep|>python b.py\nB<|endoftext|>"
        "<|file_sep|>python m.py\n<|fim_prefix|><|fim_suffix|>S<|fim_middle|>P"
    ),
    "starcoder2": (
        "<repo_name>R<file_sep>a.py\nA<file_sep>b.py\nB<file_sep><fim_prefix>m.py\nP<fim_suffix>S<fim_middle>"
    ),
    "qwen2.5-coder": (
        "<|repo_name|>R\n<|file_sep|>a.py\nA\n<|file_sep|>b.py\nB\n"
        "<|file_sep|>m.py\n<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"
    ),
    "codegemma": (
        "<bos>a.py\nA<|file_separator|>b.py\nB<|file_separator|>m.py\n<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"
    ),
    "codestral": "<s>[SUFFIX]S[PREFIX]+++++ a.py\nA\n\n+++++ b.py\nB\n\n+++++ m.py\nP",
}


def spelled(pattern: str) -> str:
    return pattern.replace("{header}", "").replace("{prefix}", "P").replace("{suffix}", "S")


@pytest.mark.parametrize("template", FAMILIES.values(), ids=FAMILIES)
class TestEveryFamily:
    def test_reads_as_printed_by_its_authors(self, template: FimTemplate) -> None:
        psm, spm = PRINTED[template.family]
        assert spelled(template.psm) == psm
        assert (spelled(template.spm) if template.spm else None) == spm

    def test_has_each_text_once_and_no_sentinel_twice(self, template: FimTemplate) -> None:
        for pattern in filter(None, (template.psm, template.spm, template.multi_file)):
            parts = template.split(pattern)
            assert "".join(parts) == pattern
            assert parts.count("{prefix}") == parts.count("{suffix}") == 1
            # InCoder names the mask twice: where the infill goes, and where it is written.
            named = [part for part in parts if part in template.sentinels and part != "<|mask:0|>"]
            assert len(set(named)) == len(named)

    def test_is_made_of_sentinels_and_texts_alone(self, template: FimTemplate) -> None:
        for pattern in filter(None, (template.psm, template.spm)):
            assert set(template.split(pattern)) <= {*template.sentinels, "{header}", "{prefix}", "{suffix}"}

    def test_stops_at_sentinels_it_knows(self, template: FimTemplate) -> None:
        assert template.stop
        assert set(template.stop) <= set(template.sentinels)

    def test_stops_at_every_sentinel_of_its_prompt_but_the_first_token(self, template: FimTemplate) -> None:
        parts = [part for part in template.split(template.order) if part in template.sentinels]
        assert {part for part in parts if part not in ("<s>", "<bos>")} <= set(template.stop)


def test_our_own_is_asked_suffix_first() -> None:
    assert CODECOMPOSE.order == CODECOMPOSE.spm
    assert FAMILIES["qwen2.5-coder"].order == FAMILIES["qwen2.5-coder"].psm


def test_the_longest_sentinel_wins_when_one_contains_another() -> None:
    template = FimTemplate("nested", psm="<a><a><b>{prefix}", spm=None, sentinels=("<a>", "<a><b>"), stop=("<a>",))
    assert template.split(template.psm) == ["<a>", "<a><b>", "{prefix}"]
