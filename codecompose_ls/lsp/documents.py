"""The documents that are open in the editor, and `types.Document`s made of them.

pygls keeps the workspace; the text is kept here, as lines in the sense of the protocol (Python's own splitlines also
splits at form feeds and five more characters), so that an edit costs what it touches.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lsprotocol import types as lsp
from pygls import workspace as pygls_workspace
from pygls.uris import to_fs_path

from codecompose_ls.languages import language_of
from codecompose_ls.lsp import positions
from codecompose_ls.types import Document


class TextDocument(pygls_workspace.TextDocument):
    """An open text. Lone surrogates, which JSON can carry and no encoding can, become U+FFFD."""

    def __init__(self, uri: str, source: str | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(uri, None, *args, **kwargs)
        self._lines = positions.split_lines(_whole(source or ""))
        self._text: str | None = None

    @property
    def encoding(self) -> positions.Encoding:
        return self.position_codec.encoding or lsp.PositionEncodingKind.Utf16

    @property
    def lines(self) -> Sequence[str]:
        return self._lines

    @property
    def source(self) -> str:
        if self._text is None:
            self._text = "".join(self._lines)
        return self._text

    def offset_at(self, position: lsp.Position) -> int:
        return positions.offset_at(self._lines, position, self.encoding)

    def apply_change(self, change: lsp.TextDocumentContentChangeEvent) -> None:
        """Apply one change of a didChange, with a range or of the whole text."""
        if isinstance(change, lsp.TextDocumentContentChangePartial):
            positions.splice(self._lines, change.range, _whole(change.text), self.encoding)
        else:
            self._lines = positions.split_lines(_whole(change.text))
        self._text = None


class Workspace(pygls_workspace.Workspace):
    """pygls' workspace with `TextDocument`s of our own."""

    def _create_text_document(
        self, doc_uri: str, source: str | None = None, version: int | None = None, language_id: str | None = None
    ) -> TextDocument:
        return TextDocument(doc_uri, source, version, language_id, position_codec=self.position_codec)

    def opened(self, uri: str) -> TextDocument | None:
        """Return a document that is open, and None for one that is not."""
        found = self.text_documents.get(unquote(uri))
        return found if isinstance(found, TextDocument) else None

    def document(self, uri: str) -> Document | None:
        """Return an open document as the pipeline wants it."""
        text = self.opened(uri)
        if text is None:
            return None
        notebook = self.get_notebook_document(cell_uri=uri)
        path = self.path(notebook.uri if notebook else uri)
        root = self.root_of(path) if path else None
        relative = relative_path(path, root) if path and root else Path(unquote(urlsplit(uri).path)).name
        language = text.language_id or language_of(relative) or ""
        before, after = self._cells_around(notebook, uri) if notebook else ("", "")
        return Document(
            uri=uri,
            path=relative,
            language=language,
            text=text.source,
            version=text.version or 0,
            kernel=kernel_of(notebook) if notebook else None,
            before=before,
            after=after,
            repository=root.name if root else "",
        )

    def path(self, uri: str) -> Path | None:
        """Return where a document lies on disk; None for one that lies nowhere (untitled, remote)."""
        notebook = self.get_notebook_document(cell_uri=uri)
        return path_of(notebook.uri if notebook else uri)

    def roots(self) -> list[Path]:
        """Return the workspace's folders, the first one first; the client's rootUri when it names none."""
        uris = [folder.uri for folder in self.folders.values()] or ([self.root_uri] if self.root_uri else [])
        return [path for path in map(path_of, uris) if path]

    def root_of(self, path: Path) -> Path:
        """Return the innermost workspace folder that holds a file, else its repository, else its own folder."""
        holding = [root for root in self.roots() if path.is_relative_to(root)]
        return max(holding, key=lambda root: len(root.parts)) if holding else _repository(path.parent)

    def _cells_around(self, notebook: lsp.NotebookDocument, uri: str) -> tuple[str, str]:
        """Return the code of the cells before and after a cell."""
        code = [cell.document for cell in notebook.cells if cell.kind == lsp.NotebookCellKind.Code]
        here = code.index(uri) if uri in code else len(code)
        texts = [cell.source if (cell := self.opened(one)) else "" for one in code]
        return "\n".join(texts[:here]), "\n".join(texts[here + 1 :])


@lru_cache(maxsize=1024)
def path_of(uri: str) -> Path | None:
    """Return the path that a URI names; None when it names no file. It is asked for many times with every key."""
    path = to_fs_path(uri)
    return Path(path) if path else None


def relative_path(path: Path, root: Path) -> str:
    """Return the path from `root` on, with forward slashes."""
    return (path.relative_to(root) if path.is_relative_to(root) else Path(path.name)).as_posix()


def kernel_of(notebook: lsp.NotebookDocument) -> str | None:
    """Return the name of a notebook's kernel: nbformat's `metadata.kernelspec.name`, which editors wrap up to twice."""
    metadata: Any = notebook.metadata
    for _ in range(3):
        if not isinstance(metadata, dict):
            return None
        spec = metadata.get("kernelspec")
        if isinstance(spec, dict) and isinstance(spec.get("name"), str):
            return str(spec["name"])
        metadata = metadata.get("metadata", metadata.get("custom"))
    return None


@cache
def _repository(folder: Path) -> Path:
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
