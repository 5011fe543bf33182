"""Secrets are out of a context before it leaves the machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codecompose_ls.backends.masking import MASK, mask, mask_context
from codecompose_ls.types import Context, Snippet

TOKEN = "ghp_" + "a1B2" * 9
PEM = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQ\n" * 4 + "-----END PRIVATE KEY-----\n"


def test_in_a_text() -> None:
    assert mask(f"a = '{TOKEN}'\nb = '{TOKEN}'\n") == f"a = '{MASK}'\nb = '{MASK}'\n"
    assert mask("a = 1\n") == "a = 1\n"


def test_on_both_sides_of_the_cursor() -> None:
    masked = mask_context(Context("python", "a.py", f"x = '{TOKEN}'\nprint(", f")\ny = '{TOKEN}'\n"))
    assert (masked.prefix, masked.suffix) == (f"x = '{MASK}'\nprint(", f")\ny = '{MASK}'\n")


@pytest.mark.parametrize("cut", [1, 4, 20, len(TOKEN) - 1])
def test_one_with_the_cursor_in_its_midst(cut: int) -> None:
    masked = mask_context(Context("python", "a.py", f"x = '{TOKEN[:cut]}", f"{TOKEN[cut:]}'\n"))
    assert (masked.prefix, masked.suffix) == (f"x = '{MASK}", f"{MASK}'\n")


@pytest.mark.parametrize("far", ["", "x = 1\n" * 10_000])
def test_one_that_begins_before_the_window_or_ends_behind_it(far: str) -> None:
    before, prefix = far + "# key\n" + PEM, PEM[60:]
    after, suffix = PEM + "# end\n" + far, PEM[:-60]
    masked = mask_context(Context("python", "a.py", prefix, suffix, before=before, after=after))
    assert "MIIE" not in masked.prefix + masked.suffix


def test_the_whole_text_is_not_for_others() -> None:
    context = Context("python", "a.py", "print(", ")\n", before="import os\nprint(", after=")\n")
    assert mask_context(context) == replace(context, before="", after="")


def test_in_other_files() -> None:
    masked = mask_context(Context("python", "a.py", "", "", snippets=(Snippet("keys.py", f"KEY = '{TOKEN}'"),)))
    assert masked.snippets == (Snippet("keys.py", f"KEY = '{MASK}'"),)
