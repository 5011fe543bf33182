"""The languages we know, as data: LSP identifier, file endings, grammar, comment mark, trigger characters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

#: A hidden line is cut after one of these or after a space (DESIGN.md 6); training cuts at the same places.
TRIGGER_CHARACTERS = "(.,=[{: "


@dataclass(frozen=True, slots=True)
class Language:
    """One language: `grammar` names its tree-sitter wheel (`tree_sitter_<grammar>`), None when we ship none."""

    id: str
    extensions: tuple[str, ...]
    line_comment: str
    grammar: str | None = None


LANGUAGES: dict[str, Language] = {
    language.id: language
    for language in (
        Language("python", (".py", ".pyi", ".pyw"), "#", "python"),
        Language("typescript", (".ts", ".mts", ".cts"), "//", "typescript"),
        Language("typescriptreact", (".tsx",), "//", "typescript"),
        Language("javascript", (".js", ".mjs", ".cjs"), "//", "javascript"),
        Language("javascriptreact", (".jsx",), "//", "javascript"),
        Language("go", (".go",), "//", "go"),
        Language("rust", (".rs",), "//", "rust"),
        Language("java", (".java",), "//", "java"),
        Language("c", (".c", ".h"), "//", "c"),
        Language("cpp", (".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx"), "//", "cpp"),
        Language("csharp", (".cs",), "//"),
        Language("ruby", (".rb",), "#"),
        Language("shellscript", (".sh", ".bash"), "#"),
        Language("lua", (".lua",), "--"),
    )
}

_BY_EXTENSION = {extension: language.id for language in LANGUAGES.values() for extension in language.extensions}


def language_of(path: str | PurePath) -> str | None:
    """Return the LSP language id for a file name, or None when its ending is not a source language we know."""
    return _BY_EXTENSION.get(PurePath(path).suffix.lower())
