"""Small corpora of made-up but varied code, the same each time."""

from __future__ import annotations

from collections import Counter

from codecompose_ls.tuning.corpus import Corpus, Document, FilterReport

NOUNS = (
    "account",
    "basket",
    "customer",
    "delivery",
    "engine",
    "folder",
    "graph",
    "header",
    "index",
    "journal",
    "kernel",
    "layer",
)

PYTHON = '''"""Keep {noun}s."""

from __future__ import annotations


class {title}:
    """One {noun}."""

    def __init__(self, name: str, size: int = {size}) -> None:
        self.name = name
        self.size = size

    def grow(self, by: int) -> int:
        """Return the new size of the {noun}."""
        if by < 0:
            raise ValueError(f"a {noun} cannot grow by {{by}}")
        self.size += by
        return self.size


def load_{noun}(path: str) -> {title}:
    with open(path, encoding="utf-8") as file:
        return {title}(file.readline().strip(), size=len(path))
'''
TYPESCRIPT = """export interface {title} {{
  name: string;
  size: number;
}}

export function grow{title}({noun}: {title}, by: number): {title} {{
  if (by < 0) {{
    throw new Error(`a {noun} cannot grow by ${{by}}`);
  }}
  return {{ ...{noun}, size: {noun}.size + by + {size} }};
}}
"""


def make_corpus(nouns: tuple[str, ...] = NOUNS) -> Corpus:
    """Return one Python and one TypeScript file for each noun."""
    documents, report = [], FilterReport()
    for number, noun in enumerate(nouns):
        for language, folder, source in (("python", "py", PYTHON), ("typescript", "ts", TYPESCRIPT)):
            text = source.format(noun=noun, title=noun.title(), size=number * 7 + 1)
            suffix = {"python": ".py", "typescript": ".ts"}[language]
            documents.append(Document("shop", f"{folder}/{noun}{suffix}", language, text))
            report.keep(documents[-1])
    return Corpus(tuple(documents), FilterReport(Counter(), report.files, report.characters))
