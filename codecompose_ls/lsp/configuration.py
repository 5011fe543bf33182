"""Settings at the protocol's border: initializationOptions, didChangeConfiguration, workspace/configuration.

The editor may send them bare or in a section `codecompose`, pushed or pulled, and always sends all that it has to say:
what came before is forgotten, down to the initializationOptions, which stay. null is for what it leaves to the other
sources. Each problem is shown once; the server lives on with the value before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp

from codecompose_ls import settings as layers
from codecompose_ls.lsp import completion
from codecompose_ls.settings import Problem, Settings

if TYPE_CHECKING:
    from codecompose_ls.lsp.server import Server

SECTION = "codecompose"


class Configuration:
    """The settings from all sources, by project; `tell` shows one problem to the user."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: set[str] = set()
        self._options: Mapping[str, Any] = {}
        self._sent: Mapping[str, Any] = {}
        self._rolled_out: Mapping[str, Any] = {}
        self._settings: dict[Path | None, Settings] = {}
        self._problems: list[Problem] = []

    def start(self, options: Any) -> None:
        """Take the initializationOptions."""
        self._options = self._section(options) or {}

    def update(self, values: Any = None) -> None:
        """Take what the editor sent in place of what it sent before, if it did; every source will be read anew."""
        section = self._section(values)
        if section is not None:
            self._sent = section
        self._settings.clear()

    def roll_out(self, values: Mapping[str, Any]) -> bool:
        """Take what the user's team rolls out to them in place of what it did before; return whether that is news."""
        is_news, self._rolled_out = values != self._rolled_out, values
        return is_news

    def rolled_out(self, name: str) -> str:
        """Return a setting that the user's team rolls out, as text; "" for one that it leaves alone."""
        return str(self._rolled_out.get(name, ""))

    def settings(self, root: Path | None = None) -> Settings:
        """Return the settings for the documents of a project, or those of the user alone."""
        if root not in self._settings:
            said = {name: value for name, value in {**self._options, **self._sent}.items() if value is not None}
            self._settings[root], problems = layers.load(root=root, editor=said, rolled_out=self._rolled_out)
            self._problems += problems
        return self._settings[root]

    def report(self) -> None:
        """Show every problem that has not been shown yet; before the answer to initialize nothing may be shown."""
        for text in map(str, self._problems):
            self.tell_once(text)
        self._problems.clear()

    def tell_once(self, text: str) -> None:
        """Show a line, unless it has been shown before."""
        if text not in self._told:
            self._told.add(text)
            self._tell(text)

    def _section(self, values: Any) -> Mapping[str, Any] | None:
        """Return the settings in what an editor sent, other sections beside ours left out; None if it sent none."""
        if values is None:
            return None
        if isinstance(values, dict) and SECTION in values:
            values = values[SECTION]
        if values is None or values == []:
            return {}  # an empty Lua table travels as a list
        if not isinstance(values, dict):
            self._problems.append(Problem("*", f"must be an object with settings, not {values!r}", "editor"))
            return None
        return values


async def did_change_configuration(ls: Server, params: lsp.DidChangeConfigurationParams) -> None:
    """Take new settings; a client that sends none wants to be asked for them (the pull model)."""
    values = params.settings
    workspace = ls.client_capabilities.workspace
    if values is None and workspace and workspace.configuration:
        pulled = await ls.workspace_configuration_async(
            lsp.ConfigurationParams([lsp.ConfigurationItem(section=SECTION)])
        )
        values = {SECTION: next(iter(pulled), None)}
    apply(ls, values)


def did_change_workspace_folders(ls: Server, _: lsp.DidChangeWorkspaceFoldersParams) -> None:
    """The first folder may be another one now, with a settings file of its own."""
    apply(ls)


def apply(ls: Server, values: Any = None) -> None:
    """Read every source again and let everything live by what they say now."""
    before = ls.settings
    ls.configure(values)
    ls.settle()
    if ls.settings.popup and not before.popup:
        completion.register(ls)
