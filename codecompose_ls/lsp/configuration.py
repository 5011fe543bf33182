"""Settings at the protocol's border: initializationOptions, didChangeConfiguration, workspace/configuration.

The editor may send them bare or in a section `codecompose`, pushed or pulled. Each problem is shown once; the server
lives on with the value before.
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
        self._editor: dict[str, Any] = {}
        self._settings: dict[Path | None, Settings] = {}
        self._problems: list[Problem] = []

    def update(self, values: Any) -> None:
        """Lay what the editor sent over what it sent before; every source will be read anew."""
        given, problems = _section(values)
        self._editor.update(given)
        self._problems += problems
        self._settings.clear()

    def settings(self, root: Path | None = None) -> Settings:
        """Return the settings for the documents of a project, or those of the user alone."""
        if root not in self._settings:
            self._settings[root], problems = layers.load(root=root, editor=self._editor)
            self._problems += problems
        return self._settings[root]

    def report(self) -> None:
        """Show every problem that has not been shown yet; before the answer to initialize nothing may be shown."""
        for text in map(str, self._problems):
            if text not in self._told:
                self._told.add(text)
                self._tell(text)
        self._problems.clear()


def _section(values: Any) -> tuple[Mapping[str, Any], list[Problem]]:
    """Return the settings in what an editor sent; other sections beside ours are not for us."""
    if isinstance(values, dict) and SECTION in values:
        values = values[SECTION]
    if values is None or values == []:
        return {}, []  # an empty Lua table travels as a list
    if not isinstance(values, dict):
        return {}, [Problem("*", f"must be an object with settings, not {values!r}", "editor")]
    return values, []


async def did_change_configuration(ls: Server, params: lsp.DidChangeConfigurationParams) -> None:
    """Take new settings; a client that sends none wants to be asked for them (the pull model)."""
    values = params.settings
    workspace = ls.client_capabilities.workspace
    if values is None and workspace and workspace.configuration:
        pulled = await ls.workspace_configuration_async(
            lsp.ConfigurationParams([lsp.ConfigurationItem(section=SECTION)])
        )
        values = next(iter(pulled), None)
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
