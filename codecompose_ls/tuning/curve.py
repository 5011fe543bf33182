"""The loss curve on disk: CSV files that grow by a row and can be cut back to a checkpoint, and their picture."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from codecompose_ls.tuning.atomic_file import atomic_file

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
    with atomic_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *(row for row in rows if int(row[0]) <= after)])


def draw_curve(source: Path, target: Path, *, width: int = 720, height: int = 360) -> None:
    """Draw training and held-out loss over tokens as an SVG file; `source` is a curve.csv."""
    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = {
        name: [(float(row["tokens"]) / 1e6, float(row[name])) for row in rows if row[name]]
        for name in ("training_loss", "held_out_loss")
    }
    points = [point for line in lines.values() for point in line]
    right, top = max((x for x, _ in points), default=1.0), max((y for _, y in points), default=1.0)
    left, bottom = 50, height - 40

    def place(x: float, y: float) -> str:
        return f"{left + x / right * (width - left - 20):.1f},{bottom - y / top * (bottom - 20):.1f}"

    svg = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12"'
    parts = [f'<svg {svg} viewBox="0 0 {width} {height}">', f'<rect width="{width}" height="{height}" fill="white"/>']
    for y in range(int(top) + 1):
        (x1, y1), (x2, _) = (place(x, y).split(",") for x in (0, right))
        parts.append(f'<path d="M{x1},{y1}H{x2}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 20}" y="{float(y1) + 4}">{y}</text>')
    for number, (name, colour) in enumerate((("training_loss", "#1f77b4"), ("held_out_loss", "#d62728"))):
        path = " ".join(place(x, y) for x, y in lines[name])
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{width - 160}" y="{30 + 18 * number}" fill="{colour}">{name.replace("_", " ")}</text>')
    parts.append(f'<text x="{left}" y="{height - 12}">0</text>')
    parts.append(f'<text x="{width - 200}" y="{height - 12}">{right:.1f} million tokens, nats a token</text></svg>')
    target.write_text("\n".join(parts) + "\n", encoding="utf-8")
