"""The study of personalisation: projects x strategies x folds, tuned and measured alike, and the seeds' tables of it.

    plan -> cells -> (tuned, asked; a journal each) -> results -> tables and figures -> CSV, Markdown, SVG, one page

What is measured is the weights alone, in torch: no index and no post-processing (docs/metrics.md, "The study").
"""
