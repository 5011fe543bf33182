"""The loss curve on disk: CSV files that grow by a row and can be cut back to a checkpoint."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

CURVE = ("step", "tokens", "seconds", "training_loss", "held_out_loss", "learning_rate")
HELD_OUT = ("step", "tokens", "language", "objective", "nats_per_token", "bits_per_byte")


def append_row(path: Path, header: tuple[str, ...], row: tuple[Any, ...]) -> None:
    """Add a row; a new file gets the header first."""
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(header)
        writer.writerow(row)


def forget_rows(path: Path, *, after: int) -> None:
    """Drop the rows a killed run wrote after its last checkpoint."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *(row for row in rows if int(row[0]) <= after)])
