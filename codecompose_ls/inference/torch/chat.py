"""A model's own tokenizer library: chat templates, and prompts whose author has written the special tokens himself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codecompose_ls.errors import InputError, ModelError
from codecompose_ls.types import Turn

#: A private character of Unicode: where a special token spelled out by a user is cut in two.
_CUT = "\ue000"


class ChatTokenizer:
    """The tokenizer of a folder with its chat template, if it has one. Raises `ModelError`."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self._folder = folder
        try:
            library: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # the library raises OSError, ValueError, KeyError, its own ...
            raise ModelError(f"the tokenizer at {folder} cannot be loaded ({type(error).__name__})") from error
        self._library = library
        self._special = [token.content for token in library.added_tokens_decoder.values() if token.special]

    @property
    def has_template(self) -> bool:
        return bool(self._library.chat_template)

    @property
    def end_ids(self) -> frozenset[int]:
        number = self._library.eos_token_id
        return frozenset() if number is None else frozenset({int(number)})

    def written(self, text: str) -> list[int]:
        """Return the ids of a text in which special tokens are spelled out; it begins as the model's texts do."""
        ids: list[int] = self._library(text)["input_ids"]
        doubled = len(ids) > 1 and ids[0] == ids[1] == self._library.bos_token_id
        return ids[1:] if doubled else ids

    def talk(self, messages: Sequence[Turn]) -> list[int]:
        """Return the ids that ask for the next turn. Special tokens that a message spells out stay text.

        Raises `ModelError` for a model without a chat template, `InputError` for messages that the template refuses.
        """
        from jinja2 import TemplateError

        if not self.has_template:
            raise ModelError(f"the model at {self._folder} does not chat: its tokenizer has no chat template")
        turns = [{"role": message.role, "content": self._cut(message.content)} for message in messages]
        try:
            text = self._library.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise InputError(f"the model's chat template refuses these messages: {error.message}") from error
        parts = (self._library(part, add_special_tokens=False)["input_ids"] for part in text.split(_CUT))
        return [number for part in parts for number in part]

    def _cut(self, text: str) -> str:
        for token in self._special:
            text = text.replace(token, token[:1] + _CUT + token[1:])
        return text
