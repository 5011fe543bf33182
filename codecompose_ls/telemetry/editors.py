"""Editors: the closed set of names that an editor is counted under."""

from __future__ import annotations

#: What clients call themselves in `initialize` (clientInfo.name), in lower case, and what we call them.
_NAMES = {
    "visual studio code": "vscode",
    "visual studio code - insiders": "vscode",
    "visual studio code - exploration": "vscode",
    "code - oss": "vscode",
    "code-oss": "vscode",
    "code-server": "vscode",
    "vscodium": "vscode",
    "vscodium - insiders": "vscode",
    "cursor": "cursor",
    "windsurf": "windsurf",
    "neovim": "neovim",
    "coc.nvim": "vim",
    "vim-lsp": "vim",
    "vim": "vim",
    "emacs": "emacs",
    "helix": "helix",
    "zed": "zed",
    "sublime text lsp": "sublime",
    "kate": "kate",
    "kate text editor": "kate",
    "intellij idea": "jetbrains",
    "pycharm": "jetbrains",
    "eclipse": "eclipse",
    "jupyterlab": "jupyterlab",
}
OTHER = "other"
NAMES = (*dict.fromkeys(_NAMES.values()), OTHER)


def editor_of(client: str | None) -> str:
    """Return what a client is counted as; "" for one that does not say who it is."""
    return _NAMES.get(client.strip().lower(), OTHER) if client else ""
