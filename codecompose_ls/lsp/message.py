"""What a user reads in a message (window/showMessage): text, whoever has written it."""

from __future__ import annotations


def plain(text: str) -> str:
    """Return a text without Markdown links: VS Code makes them of messages, and a click on `[x](command:y)` runs y."""
    return text.replace("](", "] (")
