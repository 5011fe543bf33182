"""The peer that `bench typing` compares with: our model and our runtime, asked as servers ordinarily ask theirs.

Prefix first, and the whole prompt prefilled anew at every key. It runs in this process: no server, no pipe, no wait.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from codecompose_ls.backends.local import ANSWER_TOKENS, CHARACTERS_PER_TOKEN
from codecompose_ls.completion.window import PREFIX_SHARE, window
from codecompose_ls.inference.session import Session
from codecompose_ls.inference.tokenizer import Tokenizer
from codecompose_ls.models.model import Array, load_model
from codecompose_ls.prompt.build import build_prompt
from codecompose_ls.prompt.templates import FAMILIES
from codecompose_ls.settings import Settings
from codecompose_ls.types import Document, Prompt


class Peer:
    """Completes the line at a cursor with the model in `folder`. Raises `ModelError` and `EngineError`."""

    def __init__(self, folder: Path) -> None:
        model, settings = load_model(folder), Settings()
        self._max_tokens = settings.max_tokens
        self._budget = model.context - min(ANSWER_TOKENS, model.context // 4)
        template = FAMILIES[model.family]
        self._template = replace(template, spm=None) if template.psm else template
        self._tokenizer = Tokenizer(model.tokenizer_path)
        self._session = Session(model, threads=settings.threads)

    def complete(self, document: Document, offset: int) -> str:
        """Return the likeliest rest of the line, token by token up to the line's end."""
        prompt, decoder, text = self.prompt(document, offset), self._tokenizer.decoder(), ""
        logits = self.prefill(prompt)
        for _ in range(self._max_tokens):
            token = int(logits.argmax())
            if token in prompt.stop_ids:
                break
            text += decoder.decode(token)
            if "\n" in text:
                break
            logits = self._session.feed([token])[0]
        return text.partition("\n")[0]

    def prompt(self, document: Document, offset: int) -> Prompt:
        """Return the prompt for a cursor: the window that our server would show, prefix first."""
        characters = self._budget * CHARACTERS_PER_TOKEN
        prefix = int(characters * PREFIX_SHARE)
        context = window(document, offset, limits=(prefix, characters - prefix)).context(multiline=False)
        encode, token_id = self._tokenizer.encode, self._tokenizer.token_id
        return build_prompt(context, template=self._template, encode=encode, token_id=token_id, budget=self._budget)

    def prefill(self, prompt: Prompt) -> Array:
        """Feed the whole prompt, whatever was fed before, and return the logits (vocabulary,) after it."""
        self._session.rewind(0)
        last: Array = self._session.feed(prompt.token_ids)[0]
        return last
