"""The code in an answer is found whatever stands around it, and an answer that breaks off has none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.assistants.prompt import fenced
from codecompose_ls.assistants.reply import Unfit, blocks, candidates, without_thoughts

CODE = "def f():\n    return 1"


@pytest.mark.parametrize(
    "answer",
    [
        f"```python\n{CODE}\n```",
        f"```\n{CODE}\n```",
        f"```py\n{CODE}\n```\n",
        f"```javascript\n{CODE}\n```",
        f"~~~python\n{CODE}\n~~~",
        f"````python\n{CODE}\n````",
        f'```python title="a.py"\n{CODE}\n```',
        f"``` python\n\n{CODE}\n\n```  ",
        f"Sure! Here it is:\n\n```python\n{CODE}\n```\nI hope it helps.",
        f"```python\r\n{CODE}\n```".replace("\n", "\r\n").replace("\r\r", "\r"),
        f"Run it:\n```sh\nmake\n```\nand\n```python\n{CODE}\n```",
        f"<think>\n```python\nno\n```\n</think>\n\n```python\n{CODE}\n```",
        f"```python\n{CODE}\n```\nThe same again:\n```python\n{CODE}\n```",
        CODE,
    ],
)
def test_code_is_found_in_any_dress(answer: str) -> None:
    assert candidates(answer, "python") == [CODE]


def test_a_fence_in_a_docstring_ends_nothing() -> None:
    code = 'def f():\n    """See:\n\n    ```\n    f()\n    ```\n    """'
    assert candidates(f"```python\n{code}\n```", "python") == [code]


def test_another_kind_of_fence_ends_nothing() -> None:
    code = 'text = """\n```\n"""'
    assert candidates(f"~~~python\n{code}\n~~~", "python") == [code]
    assert candidates(f"````python\n{code}\n````", "python") == [code]


@pytest.mark.parametrize("answer", ["```python\ndef f():", "Look:\n```python", f"```python\n{CODE}\n```\nand\n~~~\nx"])
def test_an_answer_that_breaks_off_is_refused(answer: str) -> None:
    with pytest.raises(Unfit, match="breaks off"):
        candidates(answer, "python")


@pytest.mark.parametrize("answer", ["", "\n\n", "<think>hm</think>", "<think>without end", "```\n\n```"])
def test_an_answer_of_nothing_holds_no_code(answer: str) -> None:
    assert [one for one in candidates(answer, "python") if "`" not in one] == []


def test_thoughts_are_not_shown() -> None:
    assert without_thoughts("<think>\nhm\n</think>\n\nYes.") == "Yes."
    assert without_thoughts("Yes, <think> is a tag.") == "Yes, <think> is a tag."


@given(st.text(st.sampled_from("`~ \nab"), max_size=60), st.sampled_from(["", "python"]))
def test_what_was_fenced_by_us_is_read_back_whole(text: str, language: str) -> None:
    (block,) = blocks(fenced(text, language).replace("\r", ""))
    assert block.closed and block.text == text.removesuffix("\n") and block.tag == language


@given(st.text(st.sampled_from("`~ \nab"), max_size=80))
def test_any_text_can_be_read(text: str) -> None:
    assert all(isinstance(block.text, str) for block in blocks(text))
