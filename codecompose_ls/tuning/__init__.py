"""Training: corpus, filters, objectives; pre-training a base, and tuning one on a project.

`tuner.tune` tunes; `project.collect` and `replay.replay_documents` say on what. What needs torch (network, tuner and
all that they import) is imported inside functions only; objectives, recipes and documents need none.
"""
