"""What the workspace says comes next, told in the model's tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.index.prior import WorkspacePrior, weight
from codecompose_ls.index.segment import Files, Segment
from codecompose_ls.index.workspace import Workspace
from codecompose_ls.inference.tokenizer import Tokenizer
from tests.models import tiny_tokenizer

PROMPT = [7, 8, 9]
END = 0


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(tiny_tokenizer(512).to_str(), encoding="utf-8")
    return Tokenizer(path)


def workspace_of(**files: str) -> Workspace:
    workspace = Workspace()
    lexed = [(f"{name}.py", workspace.vocabulary.encode(text)) for name, text in files.items()]
    return Workspace(workspace.vocabulary, Segment.build(Files.of(lexed)))


def written(
    workspace: Workspace,
    tokenizer: Tokenizer,
    *,
    before: str,
    after: str = "\n",
    path: str = "here.py",
    multiline: bool = False,
) -> str:
    """Return what comes of always taking the likeliest token, to the end of the line (`$` where it ends)."""
    prior = WorkspacePrior(
        workspace,
        before=before,
        after=after,
        path=path,
        tokenizer=tokenizer,
        prompt_tokens=len(PROMPT),
        end=END,
        multiline=multiline,
    )
    tokens = list(PROMPT)
    for _ in range(60):
        ids, probabilities, share = prior.next(tokens)
        if not len(ids):
            break
        assert probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert 0 <= share <= 1
        tokens.append(int(ids[probabilities.argmax()]))
        if tokens[-1] == END:
            return decoded(tokenizer, tokens[len(PROMPT) : -1]) + "$"
    return decoded(tokenizer, tokens[len(PROMPT) :])


def decoded(tokenizer: Tokenizer, tokens: list[int]) -> str:
    decoder = tokenizer.decoder()
    return "".join(map(decoder.decode, tokens))


def test_it_goes_on_as_the_project_does_to_the_end_of_the_line(tokenizer: Tokenizer) -> None:
    workspace = workspace_of(a="import os\nhome = os.path.expanduser('~')\nprint(home)\n")
    assert written(workspace, tokenizer, before="x = 1\nhome = os.") == "path.expanduser('~')$"


@pytest.mark.parametrize("cut", range(1, len("path.expanduser('~')")))
def test_a_cursor_anywhere_in_the_line_is_nothing_special(tokenizer: Tokenizer, cut: int) -> None:
    workspace = workspace_of(a="import os\nhome = os.path.expanduser('~')\nprint(home)\n")
    line = "path.expanduser('~')"
    assert written(workspace, tokenizer, before="x = 1\nhome = os." + line[:cut]) == line[cut:] + "$"


def test_indentation_does_not_matter(tokenizer: Tokenizer) -> None:
    workspace = workspace_of(a="def f():\n        total = sum(values)\n        return total\n")
    assert written(workspace, tokenizer, before="def g():\n    total = sum(values)\n    ret") == "urn total$"


def test_what_was_typed_lately_goes_before_what_was_there(tokenizer: Tokenizer) -> None:
    old = {f"{name}.py": "import logging\n\nlogger = logging.getLogger(__name__)\n" for name in "abc"}
    new = "import logging\n\nlogger = logging.getLogger('shop')\n"
    workspace = Workspace()
    for path, text in old.items():
        workspace.update(path, text)
    before = "import logging\n\nlogger = logging."
    assert written(workspace, tokenizer, before=before) == "getLogger(__name__)$"
    workspace.recent.saw("d.py", "")
    workspace.update("d.py", new)
    assert written(workspace, tokenizer, before=before) == "getLogger('shop')$"


def test_what_was_typed_lately_in_the_document_itself_goes_before_what_was_there(tokenizer: Tokenizer) -> None:
    old, new = "a.log(first, level=1)\nb.log(second, level=1)\n", "c.log(third, level=2)\n"
    workspace = Workspace()
    assert written(workspace, tokenizer, before=old + new + "d.log(fourth, ") == "level=2)$"
    workspace.recent.saw("here.py", new)
    assert written(workspace, tokenizer, before=old + new + "d.log(fourth, ") == "level=1)$"


def test_the_document_itself_counts_on_both_sides_of_the_cursor(tokenizer: Tokenizer) -> None:
    document = ("self.width = width\n", "\nself.area = self.width * 2\n")
    assert written(Workspace(), tokenizer, before="self.area = self.", after=document[1]) == "width * 2$"


def test_the_version_on_disk_of_the_document_does_not_count(tokenizer: Tokenizer) -> None:
    workspace = workspace_of(here="answer(compute, 42)\n")
    assert written(workspace, tokenizer, before="answer(", path="here.py") == ""
    assert written(workspace, tokenizer, before="answer(", path="there.py") == "compute, 42)$"


def test_an_exchanged_word_is_exchanged_again(tokenizer: Tokenizer) -> None:
    before = "self.width = int(width)\nself.height = int("
    assert written(Workspace(), tokenizer, before=before) == "height)$"


def test_what_follows_decides_between_equal_matches(tokenizer: Tokenizer) -> None:
    workspace = workspace_of(
        a="with lock:\n    run(first)\n    close(left)\n", b="with lock:\n    run(second)\n    close(right)\n"
    )
    for line, following in (("first", "left"), ("second", "right")):
        after = f"\n    close({following})\n"
        assert written(workspace, tokenizer, before="with lock:\n    run(", after=after) == f"{line})$"


def test_over_several_lines_the_model_says_where_a_line_ends(tokenizer: Tokenizer) -> None:
    workspace = workspace_of(a="for value in values:\n    print(value)\n")
    assert written(workspace, tokenizer, before="for value in ", multiline=True) == "values:"


def test_it_is_silent_where_nothing_is_alike(tokenizer: Tokenizer) -> None:
    assert written(workspace_of(a="x = 1\n"), tokenizer, before="completely.different(") == ""
    assert written(Workspace(), tokenizer, before="") == ""


@given(strength=st.floats(-30, 60), share=st.floats(0.01, 1))
def test_more_and_stronger_votes_count_for_more(strength: float, share: float) -> None:
    assert 0 < weight(strength, share) < 1
    assert weight(strength + 1, share) > weight(strength, share) or weight(strength, share) > 0.999
    assert weight(strength, share) >= weight(strength, share / 2)


def test_characters_cut_in_two_by_the_tokenizer_are_waited_for(tokenizer: Tokenizer) -> None:
    workspace = workspace_of(a="greeting = translate('größer 日本語 🙂')\n")
    assert written(workspace, tokenizer, before="greeting = ") == "translate('größer 日本語 🙂')$"
