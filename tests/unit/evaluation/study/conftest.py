"""Two projects with a vocabulary of their own, a folder in a language of its own, and a tiny base."""

from __future__ import annotations

from pathlib import Path

import pytest

PYTHON = '''"""Keeps {thing}s by number {n}."""

from {thing}s import {Thing}, load_{thing}


class {Thing}Store{n}:
    def __init__(self, path_{n}: str) -> None:
        self.{thing}s_{n} = load_{thing}(path_{n})

    def find_{n}(self, name: str) -> {Thing}:
        for {thing} in self.{thing}s_{n}:
            if {thing}.name == name + "{n}":
                return {thing}
        raise KeyError(name)

    def count_{n}(self) -> int:
        return len(self.{thing}s_{n}) + {n}
'''
RUBY = """class Shape{n}
  def area_{n}(width, height)
    total = width * height + {n}
    puts "area {n} is #{{total}}"
    total
  end
end
"""


def write_projects(folder: Path, *, files: int = 6) -> list[Path]:
    """Write two projects and return their folders."""
    for thing in ("ship", "tree"):
        (folder / thing).mkdir(parents=True)
        for n in range(files):
            code = PYTHON.format(thing=thing, Thing=thing.title(), n=n)
            (folder / thing / f"store_{n}.py").write_text(code, encoding="utf-8")
    return [folder / "ship", folder / "tree"]


def write_ruby(folder: Path, *, files: int = 6) -> Path:
    """Write code in a language that no base of the tests has seen."""
    folder.mkdir(parents=True)
    for n in range(files):
        (folder / f"shape_{n}.rb").write_text(RUBY.format(n=n) * (n + 1), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_projects(tmp_path_factory.mktemp("projects"))


@pytest.fixture(scope="session")
def ruby(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ruby(tmp_path_factory.mktemp("language") / "ruby")
