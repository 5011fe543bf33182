"""VS Code: assistants answer in the side view as the answer comes, and their edits are confirmed first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors import vscode
from tests.editors.conftest import require
from tests.editors.model import ModelServer, model_server
from tests.editors.polling import until
from tests.editors.server import Server
from tests.editors.vscode import VSCode
from tests.http_server import HANG, event, said, stream

SOURCE = '''\
"""What articles cost."""


def discounted(price: float, share: float) -> float:
    """Return the price less a share of it.

    Args:
        price: in cents, must not be negative.
        share: between 0 and 1.
    """
    return price * (1 - share)
'''
SIGNATURE = 4
END = event({"choices": [{"delta": {}, "finish_reason": "stop"}]}), b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VSCode]:
    """A window on a file with a function, its server ready."""
    require(**vscode.needs())
    home = tmp_path_factory.mktemp("vscode")
    file = home / "shop" / "price.py"
    file.parent.mkdir()
    file.write_text(SOURCE, encoding="utf-8")
    with vscode.running(Server(data=home / "data"), file, home=home) as opened:
        opened.until_ready()
        yield opened


@pytest.fixture
def chat(window: VSCode) -> Iterator[ModelServer]:
    """A chat model that the window's server asks."""
    with model_server() as chat:
        window.profile.configure(chat="openai", chatUrl=chat.url, chatModel="chatty")
        until(lambda: "Review" in can_be_asked(window), "the server to know of the chat model")
        yield chat
        window.profile.configure()


def can_be_asked(window: VSCode) -> str:
    """The assistants that the list of them does not give a reason against."""
    window.command("CodeCompose: Ask an Assistant...")
    window.choices().filter(has_text="Explain").first.wait_for()
    listed = window.choices().all_inner_texts()
    window.press("Escape")
    window.choices().first.wait_for(state="hidden")
    return " ".join(text for text in listed if "needs" not in text)


def test_without_a_chat_model_analysis_explains(window: VSCode, artefacts: Path) -> None:
    assert "Explain" in can_be_asked(window)
    assert "Review" not in can_be_asked(window)
    window.at_end_of_line(SIGNATURE)
    window.command("CodeCompose: Explain")
    until(lambda: "Outlined by static analysis" in window.answer(), "the outline")
    until(lambda: window.note() == "By analysis.", "it to end")
    assert window.side_view().get_by_role("heading", name="def discounted").count() == 1
    window.capture(artefacts / "vscode-explain.png")

    window.in_title("Bad Answer").click()
    window.page.get_by_placeholder("What should have been there?").wait_for()
    window.fill("")
    until(lambda: "Thank you" in window.notification(), "the server to keep it")
    (kept,) = window.profile.server.feedback()
    assert (kept["rating"], kept["about"], kept["assistant"]) == ("down", "assistant", "explain")
    window.clear_notifications()


def test_an_edit_is_confirmed_in_the_preview(window: VSCode, artefacts: Path) -> None:
    window.at_end_of_line(SIGNATURE)
    window.command("CodeCompose: Add Input Checks")
    until(lambda: "Refactor Preview" in window.note(), "the edit to be offered")
    window.preview().get_by_role("button", name="Discard").click()
    until(lambda: "you did not take the edit" in window.note(), "the edit to be discarded")
    assert "price < 0" not in window.code()

    window.in_title("Apply Edit of Answer").click()
    window.preview().locator(".monaco-list-row .monaco-checkbox, .monaco-list-row input").first.click()
    window.capture(artefacts / "vscode-edit-preview.png")
    window.preview().get_by_role("button", name="Apply").click()
    until(lambda: window.note() == "Applied.", "the edit to be made")
    assert "price < 0" in window.code()
    until(lambda: window.in_title("Apply Edit of Answer").count() == 0, "nothing more to be offered")

    window.press("Control+s")
    until(lambda: "    if price < 0:\n" in window.file.read_text(), "the file to be saved")


def test_an_answer_is_shown_as_it_comes_and_is_data(window: VSCode, chat: ModelServer, artefacts: Path) -> None:
    go_on = asyncio.Event()
    rest = said(
        "bold</b> ![](https://localhost/x.png) [mend it](command:codecompose.toggle)\n\n```python\n# So it is.\n```\n"
    )
    chat.will_answer(stream(said("It **takes off** a share. <b>not "), go_on, rest, *END))
    window.at_end_of_line(SIGNATURE)
    window.code_action("Explain")
    until(lambda: window.answer() == "It takes off a share. <b>not", "the first piece")
    assert window.side_view().locator("strong").inner_text() == "takes off"
    window.capture(artefacts / "vscode-assistant.png")
    chat.go_on(go_on)
    until(lambda: "chatty" in window.note(), "the answer to end")
    assert "<b>not bold</b>" in window.answer()
    assert window.side_view().locator("img").count() == 0
    assert "mend it" in window.answer()
    assert window.side_view().locator("[href^=command]").count() == 0
    assert window.notification() == ""

    window.in_title("Copy Answer").click()
    until(lambda: window.clipboard().startswith("It **takes off** a share."), "the answer to be copied")
    window.side_view().get_by_role("button", name="Insert at Cursor").click()
    until(lambda: window.line().endswith("float:# So it is."), "the code to be inserted")
    window.press("Control+z")


def test_stopping_hangs_up_on_the_chat_model(window: VSCode, chat: ModelServer) -> None:
    chat.will_answer(stream(said("It goes on"), HANG))
    window.at_end_of_line(SIGNATURE)
    window.from_menu("CodeCompose", "Explain")
    until(lambda: window.answer() == "It goes on", "the first piece")
    window.in_title("Stop Answer").click()
    chat.until_left()
    until(lambda: window.note() == "Stopped.", "the view to say so")
    assert window.answer() == "It goes on"
