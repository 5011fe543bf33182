"""An assistant: something that can be asked of code, as one Markdown file of front matter and a prompt template.

    +++
    title = "Explain in one sentence"
    kind = "show"
    wants = ["file"]
    +++
    Say in one sentence what this {{language}} code does.

    {{code}}

    {{file}}

The file's stem is the assistant's name. Knows nothing of where the files lie or what becomes of an answer.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from codecompose_ls.errors import InputError
from codecompose_ls.languages import LANGUAGES

#: Texts to show, and edits of the code.
SHOW, EDIT = "show", "edit"
#: Parts of the context that an assistant may want, each a placeholder of its own.
PARTS = ("file", "definitions", "diagnostics", "diff", "tests", "todo")
#: Placeholders that every template may have.
ALWAYS = ("code", "language", "path", "name", "instructions")
#: The code that is meant: what is selected, or always the innermost definition around it.
SELECTION, FUNCTION = "selection", "function"
#: Where an edit goes: in place of the code, or to the tests of its file.
CODE, TESTS = "code", "tests"

PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_FENCE = re.compile(r"\A(?:\ufeff)?\+\+\+[ \t]*\n(.*?\n|)\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Assistant:
    """What can be asked of code, and how.

    `wants` names the parts of the context beyond the code itself, `needs` those of them without which there is nothing
    to do; `languages` is empty for all of them.
    """

    name: str
    title: str
    kind: str
    wants: tuple[str, ...]
    languages: tuple[str, ...]
    template: str
    #: "built-in", "user" or "project".
    origin: str
    #: Whether it can be done for Python without a chat model.
    analysis: bool = False
    needs: tuple[str, ...] = ()
    scope: str = SELECTION
    target: str = CODE
    #: Nothing but comments and docstrings may change.
    comments_only: bool = False

    @property
    def edits(self) -> bool:
        return self.kind == EDIT

    @property
    def about_code(self) -> bool:
        """Whether it is about the code at the cursor, and not about the repository."""
        return "code" in PLACEHOLDER.findall(self.template)

    def knows(self, language: str) -> bool:
        return not self.languages or language in self.languages


@lru_cache(maxsize=256)
def parse(name: str, text: str, *, origin: str, analysis: bool = False) -> Assistant:
    """Read an assistant's file. Raises `InputError` with one line, which does not name the file."""
    if not _NAME.fullmatch(name):
        raise InputError("the file's name must be lower-case words with hyphens between them, as fix-names.md")
    found = _FENCE.match(text.replace("\r\n", "\n"))
    if found is None:
        raise InputError("it must begin with front matter: TOML between two lines of +++")
    values = _front_matter(found[1])
    template = text.replace("\r\n", "\n")[found.end() :].strip()
    assistant = Assistant(
        name=name,
        title=_title(values),
        kind=_choice(values, "kind", (SHOW, EDIT), default=SHOW),
        wants=_names(values, "wants", PARTS),
        languages=_names(values, "languages", tuple(LANGUAGES)),
        template=template,
        origin=origin,
        analysis=analysis,
        needs=_names(values, "needs", PARTS),
        scope=_choice(values, "scope", (SELECTION, FUNCTION), default=SELECTION),
        target=_choice(values, "target", (CODE, TESTS), default=CODE),
        comments_only=_flag(values, "comments_only"),
    )
    _check_template(assistant)
    return assistant


def _front_matter(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"its front matter is not TOML ({error})") from error
    known = ("title", "kind", "wants", "needs", "languages", "scope", "target", "comments_only")
    if unknown := next((key for key in values if key not in known), None):
        raise InputError(f"its front matter has '{unknown}', which is none of {', '.join(known)}")
    return values


def _title(values: dict[str, Any]) -> str:
    title = values.get("title")
    if not isinstance(title, str) or not title.strip() or not title.isprintable():
        raise InputError("its front matter needs a title: one line of text")
    return title.strip()


def _choice(values: dict[str, Any], key: str, choices: tuple[str, ...], *, default: str) -> str:
    value = values.get(key, default)
    if value not in choices:
        raise InputError(f"its {key} must be one of {', '.join(choices)}, not {value!r}")
    return str(value)


def _names(values: dict[str, Any], key: str, choices: tuple[str, ...]) -> tuple[str, ...]:
    value = values.get(key, [])
    if not isinstance(value, list):
        raise InputError(f"its {key} must be a list, as {key} = [{choices[0]!r}]")
    if unknown := next((item for item in value if item not in choices), None):
        raise InputError(f"its {key} can hold {', '.join(choices)}, not {unknown!r}")
    return tuple(dict.fromkeys(value))


def _flag(values: dict[str, Any], key: str) -> bool:
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise InputError(f"its {key} must be true or false, not {value!r}")
    return value


def _check_template(assistant: Assistant) -> None:
    used = set(PLACEHOLDER.findall(assistant.template))
    known = (*ALWAYS, *PARTS)
    if unknown := min(used.difference(known), default=None):
        raise InputError(f"its template has {{{{{unknown}}}}}, which is none of {', '.join(known)}")
    if missing := min(used.intersection(PARTS).difference(assistant.wants), default=None):
        raise InputError(f"its template has {{{{{missing}}}}}, but its wants do not name '{missing}'")
    if unused := next((part for part in assistant.wants if part not in used), None):
        raise InputError(f"it wants '{unused}', but its template has no {{{{{unused}}}}}")
    if other := next((part for part in assistant.needs if part not in assistant.wants), None):
        raise InputError(f"it needs '{other}', but its wants do not name that")
    if "code" not in used and (assistant.edits or used.intersection(PARTS) != {"diff"}):
        raise InputError("its template has no {{code}}, which only a text about the {{diff}} can do without")
    if assistant.target == TESTS and not assistant.edits:
        raise InputError("its target is 'tests', which takes kind = 'edit'")
