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


def spelled(pattern: str) -> str:
    return pattern.replace("{header}", "").replace("{prefix}", "P").replace("{suffix}", "S")


@pytest.mark.parametrize("template", FAMILIES.values(), ids=FAMILIES)
class TestEveryFamily:
    def test_reads_as_printed_by_its_authors(self, template: FimTemplate) -> None:
        psm, spm = PRINTED[template.family]
        assert spelled(template.psm) == psm
        assert (spelled(template.spm) if template.spm else None) == spm

    def test_has_each_text_once_and_no_sentinel_twice(self, template: FimTemplate) -> None:
        for pattern in filter(None, (template.psm, template.spm)):
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
