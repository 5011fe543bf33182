"""Draws are the same in every run, whatever files are called."""

from __future__ import annotations

import random

from codecompose_ls.evaluation.randomness import generator


def test_what_is_drawn_depends_on_all_seeds_and_on_nothing_else() -> None:
    assert generator(0, "shop", "a.py").random() == generator(0, "shop", "a.py").random()
    assert generator(0, "shop", "a.py").random() != generator(0, "shop", "b.py").random()
    # As it has always been: figures measured before can be measured again.
    assert generator(0, "größe").random() == random.Random("0 größe").random()


def test_a_path_that_is_no_text_is_drawn_from_all_the_same() -> None:
    assert generator(0, "caf\udce9.py").random() != generator(0, "caf\udce8.py").random()
