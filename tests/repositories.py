"""Real git repositories for tests, and code to put into them."""

from __future__ import annotations

import os
import subprocess
import zlib
from collections.abc import Mapping
from pathlib import Path


class Git:
    """A repository that is written to, one commit a day from 2025-01-01 on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.day = 0
        root.mkdir(parents=True, exist_ok=True)
        self("init", "--quiet", "--initial-branch", "main")

    def __call__(self, *arguments: str) -> str:
        date = f"2025-01-{max(self.day, 1):02}T12:00:00+00:00"
        person = {"NAME": "Ada", "EMAIL": "ada@example.org", "DATE": date}
        environment = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in person.items()}
        environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "PATH": os.environ["PATH"]}
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()

    def write(self, files: Mapping[str, str | bytes]) -> list[str]:
        """Write files without committing them, and return their paths."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return list(files)

    def commit(self, files: Mapping[str, str | bytes]) -> str:
        """Commit everything, these files among it, and return the commit's id."""
        self.day += 1
        self.write(files)
        self("add", "--all")
        self("commit", "--quiet", "--allow-empty", "--message", f"day {self.day}")
        return self("rev-parse", "HEAD")


_VERBS = ("add", "drop", "find", "keep", "load", "move", "open", "pack", "read", "save", "sell", "send", "show", "sort")
_WORDS = ("amount", "batch", "colour", "depth", "entry", "field", "grade", "hint", "item", "label", "note", "owner")


def module(noun: str, *, size: int = 3) -> str:
    """Return a Python module about a noun; modules of different nouns are no near-duplicates."""
    seed = zlib.crc32(noun.encode())
    lines = [f'"""All about {noun}."""', "", f"class {noun.title()}:"]
    for number in range(size):
        verb, word, other = (
            names[(seed // step + number * stride) % len(names)]
            for names, step, stride in ((_VERBS, 1, 3), (_WORDS, 7, 5), (_WORDS, 131, 7))
        )
        lines += [
            f"    def {verb}_{noun}_{word}(self, {word}, {other}_{number}={seed % 97 + number}):",
            f"        {noun}_{other} = self.{word} {'+-*'[(seed + number) % 3]} {other}_{number}",
            f"        return {verb}({noun}_{other}, {word})",
            "",
        ]
    return "\n".join(lines) + "\n"
