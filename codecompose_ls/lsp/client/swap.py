"""How long new weights take to answer in a running server, from their promotion to their first suggestion."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from codecompose_ls.models import registry
from codecompose_ls.models.files import CONFIG

if TYPE_CHECKING:
    from codecompose_ls.lsp.client.budgets import Bench
    from codecompose_ls.lsp.client.session import Session

_PROMOTIONS = 5


async def swap(bench: Bench) -> list[float]:
    """Promote weights the server has never seen, while somebody types; it builds their graph, loads and swaps.

    Only where the shipped base is measured: a model that the user has named is not replaced.
    """
    from codecompose_ls.lsp.client.budgets import ask

    if bench.model != registry.BASE:
        return []
    samples: list[float] = []
    with _own_registry(bench.folder / "data"):
        names = [_register(bench.folder, number) for number in range(_PROMOTIONS)]
        async with bench.start() as session:
            await session.ready()
            uri, _, cursor = await bench.open(session, "argparse")
            await ask(session, uri, cursor)
            for name in names:
                began = time.perf_counter()
                registry.promote(name, bench.folder)
                await ask(session, uri, cursor)  # the key after the promotion, which the weights before still answer
                await _answers(session, name)
                await ask(session, uri, cursor)
                samples.append((time.perf_counter() - began) * 1000)
    return samples


async def _answers(session: Session, name: str) -> None:
    """Wait until the server says that these weights answer."""
    await session.wait_for("didChangeStatus", lambda said: f"model '{name}'" in said["message"] and not said["busy"])


def _register(folder: Path, number: int) -> str:
    """Put the shipped weights into the registry once more, so little changed that only their hash tells."""
    name = f"weights-{number}"
    copied = Path(shutil.copytree(registry.BASE, folder / name))
    config = json.loads((copied / CONFIG).read_text(encoding="utf-8"))
    config["rms_norm_eps"] *= 1 + (number + 1) / 1000
    (copied / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    registry.add(copied, name)
    return name


@contextmanager
def _own_registry(folder: Path) -> Iterator[None]:
    """Keep models in a folder of their own, in this process and in those that it starts."""
    before = os.environ.get("CODECOMPOSE_DATA")
    os.environ["CODECOMPOSE_DATA"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["CODECOMPOSE_DATA"]
        else:
            os.environ["CODECOMPOSE_DATA"] = before
