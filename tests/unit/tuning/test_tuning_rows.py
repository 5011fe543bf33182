"""Every document once an epoch, cut anew each time, packed into rows whose padding and joints cost no loss."""

# ruff: noqa: E402 - nothing here runs without torch

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from codecompose_ls.errors import InputError
from codecompose_ls.prompt.families import BART
from codecompose_ls.tuning.corpus import Corpus, Document
from codecompose_ls.tuning.head_loss import IGNORED
from codecompose_ls.tuning.tokenizer import Encoder
from codecompose_ls.tuning.tuning_recipe import TuningRecipe
from codecompose_ls.tuning.tuning_rows import Batch, TuningRows
from tests.corpora import make_corpus

RECIPE = TuningRecipe(length=64, tokens_per_step=256, replay=0.25)


def rows(
    encoder: Encoder, documents: tuple[Document, ...], recipe: TuningRecipe = RECIPE, **options: object
) -> TuningRows:
    return TuningRows(documents, encoder, recipe, length=recipe.length, **options)  # type: ignore[arg-type]


def same(ours: list[Batch], theirs: list[Batch]) -> bool:
    return len(ours) == len(theirs) and all(torch.equal(a.tokens, b.tokens) for a, b in zip(ours, theirs, strict=True))


def test_an_epoch_is_the_same_whenever_it_is_made_and_unlike_any_other(corpus: Corpus, encoder: Encoder) -> None:
    first, second = rows(encoder, corpus.documents), rows(encoder, corpus.documents)
    second.epoch(0)
    assert same(first.epoch(1), second.epoch(1))
    assert not same(first.epoch(0), first.epoch(1))
    assert not same(first.epoch(0), rows(encoder, corpus.documents, replace(RECIPE, seed=1)).epoch(0))


def test_batches_are_a_steps_rows(corpus: Corpus, encoder: Encoder) -> None:
    *full, last = rows(encoder, corpus.documents).epoch(0)
    assert {batch.tokens.shape for batch in full} == {(4, 64)}
    assert last.tokens.shape[1] == 64


def test_plain_text_is_learned_from_once_an_epoch(corpus: Corpus, encoder: Encoder) -> None:
    recipe = replace(RECIPE, objective="cm", replay=0.0)
    learned = "".join(
        encoder.decode(batch.tokens[row].tolist())
        for batch in rows(encoder, corpus.documents, recipe).epoch(0)
        for row in range(len(batch))
    )
    lines = [line for document in corpus.documents for line in document.text.split("\n") if line.strip()]
    # Windows are measured in characters, so a few tokens fall off the end of some.
    assert sum(line in learned for line in lines) / len(lines) > 0.9


def test_labels_are_the_tokens_that_follow_but_for_joints_and_padding(corpus: Corpus, encoder: Encoder) -> None:
    for batch in rows(encoder, corpus.documents).epoch(0):
        inside = batch.labels[:, :-1] != IGNORED
        assert torch.equal(batch.labels[:, :-1][inside], batch.tokens[:, 1:][inside])
        starts = batch.tokens[:, 1:] == encoder.sentinels["<|file_sep|>"]
        assert (batch.labels[:, :-1][starts] == IGNORED).all()
        assert batch.labelled == int((batch.labels != IGNORED).sum())


def test_the_middle_alone_can_be_learned(corpus: Corpus, encoder: Encoder) -> None:
    middle = encoder.sentinels["<|fim_middle|>"]
    for batch in rows(encoder, corpus.documents, replace(RECIPE, loss="middle", replay=0.0)).epoch(0):
        for tokens, labels in zip(batch.tokens.tolist(), batch.labels.tolist(), strict=True):
            if tokens.count(middle) == 1 and tokens.count(encoder.end) == 1:
                learned = [token for token in labels if token != IGNORED]
                # One example fills the row: its middle, which is the end of one line, and the end of text.
                assert learned[-1] == encoder.end
                assert "\n" not in encoder.decode(learned)


def test_replay_has_its_share_of_the_tokens(corpus: Corpus, encoder: Encoder) -> None:
    general = tuple(
        replace(document, path=f"general/{document.path}") for document in make_corpus(("prune",)).documents
    )
    batches = rows(encoder, corpus.documents, replay=general).epoch(0)
    text = [encoder.decode(row.tolist()) for batch in batches for row in batch.tokens]
    alone = rows(encoder, corpus.documents).epoch(0)
    assert sum("general/" in row or "prune" in row for row in text) / len(text) == pytest.approx(0.25, abs=0.12)
    added = sum(batch.labelled for batch in batches) / sum(batch.labelled for batch in alone)
    assert added == pytest.approx(1 / 0.75, rel=0.15)
    assert same(rows(encoder, corpus.documents, replace(RECIPE, replay=0.0), replay=general).epoch(0), alone)


def test_validation_is_fixed_and_small(corpus: Corpus, encoder: Encoder) -> None:
    recipe = replace(RECIPE, validation_tokens=300)
    made = rows(encoder, corpus.documents, recipe).validation()
    assert same(made, rows(encoder, corpus.documents, recipe).validation())
    assert 200 < sum(batch.labelled for batch in made) <= 300


def test_an_encoder_reads_the_context_and_a_decoder_writes_the_middle(corpus: Corpus, encoder: Encoder) -> None:
    masked = Encoder(encoder.tokenizer, replace(BART, psm="{prefix}<|fim_pad|>{suffix}<|endoftext|>",
        sentinels=("<|endoftext|>", "<|fim_pad|>"), stop=("<|endoftext|>",)))  # fmt: skip
    end, mask = masked.end, masked.sentinels["<|fim_pad|>"]
    for batch in rows(masked, corpus.documents, replace(RECIPE, replay=0.0), decoder_start=7).epoch(0):
        assert batch.source is not None and batch.source_mask is not None
        for source, seen, tokens, labels in zip(
            batch.source, batch.source_mask, batch.tokens, batch.labels, strict=True
        ):
            written = labels[labels != IGNORED]
            assert tokens[0] == 7 and torch.equal(tokens[1 : len(written)], written[:-1])
            assert int(written[-1]) == end or mask not in source.tolist()
            assert source[seen == 0].eq(end).all()


def test_what_cannot_be_learned_from_is_said(corpus: Corpus, encoder: Encoder) -> None:
    with pytest.raises(InputError, match="no source code to learn from"):
        rows(encoder, (Document("shop", "a.py", "python", " \n"),))
    with pytest.raises(InputError, match="use the objective cm, not lcm"):
        rows(Encoder(encoder.tokenizer, None), corpus.documents)
    assert rows(Encoder(encoder.tokenizer, None), corpus.documents, replace(RECIPE, objective="cm")).epoch(0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"strategy": "full"}, "no strategy 'full': choose one of custom, l_eo"),
        ({"objective": "mlm"}, "no objective 'mlm': choose one of cm, fim, lcm"),
        ({"epochs": 0}, "epochs must be more than 0"),
        ({"learning_rate": -1.0}, "learning_rate must be more than 0"),
        ({"replay": 1.0}, "replay is a share"),
    ],
)
def test_recipes_that_cannot_be_followed(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(RECIPE, **change)  # type: ignore[arg-type]
