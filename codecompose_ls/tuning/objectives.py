"""Training objectives: pure functions that cut a document into prefix, middle and suffix, and lay them out as tokens.

FIM after Bavarian et al. 2022 (character-level cuts, joint PSM and SPM, loss on everything); LCM after CodeCompose
(Murali et al. 2023): cuts at trigger characters to the end of the line, where suggestions are asked for and end.

Any family's template and tokenizer will do (`Encoder`). Text is cut before it is encoded, and every piece is encoded on
its own, so that a cursor inside a word is learned, too. A window is chosen first and the cut is made inside it
(context-level FIM, ibid. 4.3): no example loses its sentinels to truncation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from numpy.random import Generator

from codecompose_ls.languages import TRIGGER_CHARACTERS
from codecompose_ls.tuning.corpus import Document
from codecompose_ls.tuning.tokenizer import Encoder


@dataclass(frozen=True, slots=True)
class Mixture:
    """Shares of the objectives; a group's shares sum to 1."""

    fim_rate: float = 0.7
    #: Suffix first, the order the server asks in.
    fim_spm_rate: float = 0.7
    line: float = 0.6
    block: float = 0.15
    span: float = 0.25
    #: Bounds of the suffix's share of what a window keeps around the middle.
    suffix_share: tuple[float, float] = (0.1, 0.5)
    header_full: float = 0.8
    header_language: float = 0.1


#: Chance that a line cut starts at the first character; that it stops before closing brackets an editor has put in.
LINE_START, BEFORE_CLOSERS = 0.3, 0.15
MAX_SPAN_CHARACTERS = 400
MAX_BLOCK_LINES = 12

_CLOSERS = re.compile(r"[)\]}:;,'\"]+$")


#: The objectives a model can be tuned with. Shares of what is drawn for each document:
OBJECTIVES: dict[str, Mixture] = {
    # Causal language modelling: plain left to right.
    "cm": Mixture(fim_rate=0.0),
    # Bavarian et al. 2022: random spans, joint PSM and SPM; a rate of 0.9 leaves the left-to-right loss as it was.
    "fim": Mixture(fim_rate=0.9, fim_spm_rate=0.5, line=0.0, block=0.0, span=1.0),
    # Murali et al. 2023: the rest of a line from a trigger character on, 70 % of the window before it, 30 % after, in
    # the order the server asks in.
    "lcm": Mixture(fim_rate=1.0, fim_spm_rate=1.0, line=1.0, block=0.0, span=0.0, suffix_share=(0.3, 0.3)),
}


@dataclass(frozen=True, slots=True)
class Example:
    """Tokens to learn from, `middle` being the index of the middle's first token; 0 where there is no middle."""

    tokens: list[int]
    middle: int = 0


@dataclass(frozen=True, slots=True)
class Cut:
    """The middle of a document is text[start:end]."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Pieces:
    """prefix + middle + suffix is a contiguous slice of the document."""

    prefix: str
    middle: str
    suffix: str


def line_cut(text: str, rng: Generator, *, where: range | None = None) -> Cut | None:
    """Cut from a trigger of a random line to its end (sometimes to before its closers); None on a blank line."""
    start, end = _line_at(text, _position(where or range(len(text)), rng))
    line = text[start:end].rstrip()
    end = start + len(line)
    first = start + len(line) - len(line.lstrip())
    if first == end:
        return None
    triggers = [at for at in range(first + 1, end) if text[at - 1] in TRIGGER_CHARACTERS]
    begin = first if not triggers or rng.random() < LINE_START else triggers[int(rng.integers(len(triggers)))]
    closers = _CLOSERS.search(text[begin:end])
    if closers and rng.random() < BEFORE_CLOSERS:
        end = begin + (len(text[begin : begin + closers.start()].rstrip()) or end - begin)
    return Cut(begin, end)


def block_cut(text: str, rng: Generator, *, where: range | None = None) -> Cut | None:
    """Cut the body a line opens, or the rest of the scope from a line's first character; None on a blank line."""
    start, end = _line_at(text, _position(where or range(len(text)), rng))
    if not text[start:end].strip():
        return None
    indent = _indent(text[start:end])
    opens = _block_end(text, end, minimum=indent + 1)
    if opens > end:
        return Cut(end, opens)
    return Cut(start + indent, _block_end(text, end, minimum=indent))


def span_cut(text: str, rng: Generator, *, where: range | None = None) -> Cut:
    """Cut between two random characters (Bavarian et al. 2022), at most MAX_SPAN_CHARACTERS apart."""
    start = _position(where or range(len(text) + 1), rng)
    return Cut(start, int(rng.integers(start, min(len(text), start + MAX_SPAN_CHARACTERS) + 1)))


def window(text: str, cut: Cut, *, characters: int, suffix_share: float) -> Pieces:
    """Keep about `characters` around the middle: whole lines before and after it, `suffix_share` of the room after."""
    room = max(0, characters - (cut.end - cut.start))
    after = min(len(text) - cut.end, int(room * suffix_share))
    before = min(cut.start, room - after)
    after = min(len(text) - cut.end, room - before)
    left, right = cut.start - before, cut.end + after
    if left > 0:
        # A whole line to begin with, unless the first line break is beyond the cut.
        left = (text.find("\n", left, cut.start) + 1) or left
    if right < len(text):
        right = text.rfind("\n", cut.end, right) if "\n" in text[cut.end : right] else right
    return Pieces(text[left : cut.start], text[cut.start : cut.end], text[cut.end : right])


def draw_header(document: Document, encoder: Encoder, *, mixture: Mixture, rng: Generator) -> list[int]:
    """Return the ids of the metadata line: with language and path, with the language alone, or none at all."""
    draw = rng.random()
    if draw < mixture.header_full:
        return encoder.header(document.language, document.path)
    return encoder.header(document.language, None) if draw < mixture.header_full + mixture.header_language else []


def example(
    document: Document,
    encoder: Encoder,
    *,
    length: int,
    rate: float,
    mixture: Mixture,
    rng: Generator,
    where: range | None = None,
) -> Example:
    """Return one training example of at most `length` tokens; `rate` is characters a token.

    It is plain left to right, or fill-in-the-middle with its cut drawn by the mixture. The end-of-text token comes
    after a middle and at the end of a document, nowhere else. `where` bounds the characters at one of which the cut is
    made, or with whose line a plain example begins; without it they are drawn from the whole document.
    """
    head = draw_header(document, encoder, mixture=mixture, rng=rng)[: length // 2]
    # Rather a little too long than too short: what is over is cut from the edges below.
    characters = int((length - len(head)) * rate * 1.05)
    cut = _draw_cut(document.text, mixture, rng, where) if rng.random() < mixture.fim_rate else None
    if cut is None or (cut.end - cut.start) > characters // 2:
        start = None if where is None else where.start
        return Example(
            plain(document.text, encoder, head=head, length=length, characters=characters, rng=rng, start=start)
        )
    share = float(rng.uniform(*mixture.suffix_share))
    pieces = window(document.text, cut, characters=characters, suffix_share=share)
    return arrange(pieces, encoder, head=head, length=length, spm=bool(rng.random() < mixture.fim_spm_rate))


def plain(
    text: str,
    encoder: Encoder,
    *,
    head: list[int],
    length: int,
    characters: int,
    rng: Generator,
    start: int | None = None,
) -> list[int]:
    """Return a left-to-right slice that begins with the line of `start`, or with a random one.

    End of text follows only where the document ends.
    """
    if start is None:
        start = int(rng.integers(max(1, len(text) - characters // 2))) if len(text) > characters else 0
    start = text.rfind("\n", 0, start) + 1
    body = encoder.encode(text[start : start + characters])
    if start + characters >= len(text):
        body.append(encoder.document_end)
    return (encoder.begin + head + body)[:length]


def arrange(pieces: Pieces, encoder: Encoder, *, head: list[int], length: int, spm: bool) -> Example:
    """Lay the pieces out as the family is asked, middle and its end last; too long, the context's far ends go.

    PSM: head PRE prefix SUF suffix MID middle EOT. SPM variant 2: head PRE SUF suffix MID prefix middle EOT. A family
    trained in one order alone gets that one.
    """
    template = encoder.template
    assert template is not None
    order = template.split((template.spm if spm else template.psm) or template.order)
    frame = sum(part in encoder.sentinels for part in order)
    prefix, middle, suffix = (encoder.encode(piece) for piece in (pieces.prefix, pieces.middle, pieces.suffix))
    middle = [*middle[: max(0, length - len(head) - frame - 1)], encoder.end]
    room = max(0, length - len(head) - len(middle) - frame)
    suffix = suffix[: max(room - len(prefix), int(room * 0.3))]
    prefix = prefix[max(0, len(prefix) - (room - len(suffix))) :]
    parts = {"{header}": head, "{prefix}": prefix, "{suffix}": suffix}
    tokens: list[int] = []
    for name in order:
        tokens += parts[name] if name in parts else [encoder.sentinels[name]]
    return Example(tokens + middle, middle=len(tokens))


def _draw_cut(text: str, mixture: Mixture, rng: Generator, where: range | None) -> Cut | None:
    draw = rng.random()
    if draw < mixture.line:
        return line_cut(text, rng, where=where)
    cut = block_cut if draw < mixture.line + mixture.block else span_cut
    return cut(text, rng, where=where)


def _position(where: range, rng: Generator) -> int:
    return int(rng.integers(where.start, where.stop))


def _line_at(text: str, position: int) -> tuple[int, int]:
    """Return start and end (line break excluded) of the line that holds `position`."""
    end = text.find("\n", position)
    return text.rfind("\n", 0, position) + 1, len(text) if end < 0 else end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _block_end(text: str, end: int, *, minimum: int) -> int:
    """Return the end of the last line after `end` before one indented less than `minimum`; blank lines end no block."""
    block_end = end
    for _ in range(MAX_BLOCK_LINES):
        while end < len(text):
            start, end = _line_at(text, end + 1)
            if text[start:end].strip():
                break
        else:
            return block_end
        if _indent(text[start:end]) < minimum:
            return block_end
        block_end = start + len(text[start:end].rstrip())
    return block_end
