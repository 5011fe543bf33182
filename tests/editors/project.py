"""The project that the tests open: one file, with a function whose body is missing."""

from __future__ import annotations

import subprocess
from pathlib import Path


def write_project(folder: Path) -> Path:
    """Write a project under git, of one file; returns the file."""
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    (folder / "basket.py").write_text(SOURCE, encoding="utf-8")
    return folder / "basket.py"


def line_before_body(file: Path) -> int:
    """The line, counted from 1, that the missing body would follow."""
    lines = file.read_text().splitlines()
    return lines.index('        """Return the price of all articles."""') + 1


#: How a person might begin there, and go on if nothing is suggested.
BEGIN, REST = "return self.", "sum_of(article.total() for article in self.articles)"
SOURCE = '''\
"""A basket of articles."""

from dataclasses import dataclass, field


@dataclass
class Article:
    name: str
    price: float
    quantity: int = 1

    def total(self) -> float:
        """Return the price of all of them."""
        return self.price * self.quantity


@dataclass
class Basket:
    articles: list[Article] = field(default_factory=list)

    def add(self, article: Article) -> None:
        """Put an article into the basket."""
        self.articles.append(article)

    def total(self) -> float:
        """Return the price of all articles."""

    def __len__(self) -> int:
        return len(self.articles)
'''
