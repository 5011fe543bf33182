"""AutoDev's table (perplexity by steps in a language never seen) and CodeCompose's (CM, LCM and base by language)."""

from __future__ import annotations

from math import exp

from codecompose_ls.evaluation.metrics import wilson
from codecompose_ls.evaluation.study.cell import BASE, Asked, Part, Tuning
from codecompose_ls.evaluation.study.results import Study, bleu4
from codecompose_ls.evaluation.study.table import Column, Kind, Table, Value, columns

#: The language of a row over all of them.
ALL = "all"


def arms(study: Study) -> dict[str, Tuning]:
    """Return the runs in the new language, by strategy."""
    return {one.cell.strategy: one.tuning for one in study.of(Part.LANGUAGE) if one.tuning is not None}


def language_name(study: Study) -> str:
    """Return the name of the folder with the new language."""
    return next((one.cell.project for one in study.of(Part.LANGUAGE)), "")


def perplexity_by_steps(study: Study) -> Table | None:
    """A-03, A-04: perplexity of held-out files after so many steps, absolute and relative to the base."""
    runs = arms(study)
    if not runs:
        return None
    measured = {name: {point.step: exp(point.loss) for point in run.curve} for name, run in runs.items()}
    base = {name: exp(run.curve[0].loss) for name, run in runs.items()}
    rows: list[tuple[Value, ...]] = []
    for step in sorted({step for found in measured.values() for step in found}):
        absolute = [measured[name].get(step) for name in runs]
        relative = [
            value / base[name] if value is not None else None for name, value in zip(runs, absolute, strict=True)
        ]
        rows.append((step, *absolute, *relative))
    return Table(
        "perplexity_by_steps",
        "A-03, A-04",
        f"A new language, {language_name(study)}: perplexity by steps",
        (
            Column("steps", Kind.COUNT),
            *columns(Kind.NUMBER, list(runs)),
            *columns(Kind.SHARE, [f"{name} / base" for name in runs]),
        ),
        tuple(rows),
        "Per token of held-out files, left to right, weighted by tokens; step 0 is the base. custom trains every "
        "weight, lora all linear layers with alpha = 2r, lora_autodev attention alone with alpha 8 and the full rate.",
    )


def by_language(study: Study) -> Table | None:
    """C-04: exact match and BLEU by language, of the base and of the same base tuned with CM and with LCM."""
    models = {BASE: study.asked(BASE)}
    for one in study.of(Part.OBJECTIVES):
        models.setdefault(one.cell.objective, []).extend(one.asked)
    if len(models) == 1:
        return None
    languages = sorted({one.language for one in models[BASE]})
    rows = [
        _row(language, name, found, models[BASE])
        for language in [ALL, *languages]
        if len(languages) > 1 or language != ALL
        for name, found in models.items()
    ]
    return Table(
        "by_language",
        "C-04",
        "CM, LCM and base by language",
        (
            *columns(Kind.TEXT, ("language", "model")),
            Column("n", Kind.COUNT),
            *columns(Kind.SHARE, ("exact match", "low", "high")),
            Column("ratio over base"),
            Column("BLEU"),
            Column("BLEU ratio"),
        ),
        tuple(rows),
        "One model for each objective, tuned on the training folds of all projects, asked the same lines as the base. "
        "The likeliest line is what counts; low and high are Wilson's 95 % interval.",
    )


def _row(language: str, name: str, asked: list[Asked], base: list[Asked]) -> tuple[Value, ...]:
    mine, theirs = ([one for one in found if language in (ALL, one.language)] for found in (asked, base))
    hits, base_hits = (wilson(sum(one.hit for one in found), len(found)) for found in (mine, theirs))
    score, base_score = bleu4(mine), bleu4(theirs)
    return (
        language,
        name,
        len(mine),
        hits.value,
        hits.low,
        hits.high,
        hits.value / base_hits.value if base_hits.value else None,
        score,
        score / base_score if score is not None and base_score else None,
    )
