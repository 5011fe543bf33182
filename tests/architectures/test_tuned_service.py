"""From a project's text to ghost text through the team's service: tune, register, serve, complete over LSP."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("fastapi")

from codecompose_ls.lsp.client.session import Session
from codecompose_ls.models import registry
from codecompose_ls.models.names import BASE
from codecompose_ls.tuning.machine import Machine
from codecompose_ls.tuning.tuner import tune
from codecompose_ls.tuning.tuning_recipe import TuningRecipe
from tests.corpora import make_corpus
from tests.unit.cli.test_serve import serve

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

CODE = "import sys\n\n\ndef main():\n    print("


async def said(workspace: Path, options: dict[str, object], token: str = "") -> tuple[str, str]:
    """Start the language server, ask by hand at the end of `CODE`; return the suggestion and who made it."""
    options = {"index": False, "speculate": False, "maxTokens": 12, **options}
    async with Session.start(root=workspace, options=options, env={"CODECOMPOSE_API_KEY": token}) as session:
        uri = await session.open(workspace / "app.py", CODE, "python")
        items = await session.inline(uri, len(CODE), trigger="invoked")
        status = [params for method, params in session.notifications if method == "didChangeStatus"][-1]
        return str(items[0].insert_text) if items else "", status["message"]


@pytest.mark.parametrize("strategy", ["lora", "prefix"])
async def test_what_is_tuned_completes_over_lsp_through_the_service(
    strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))
    documents = make_corpus().documents
    recipe = TuningRecipe(strategy=strategy, epochs=1, tokens_per_step=512, length=64, lora_r=2, virtual_tokens=8)
    tune(
        BASE,
        training=documents[:6],
        validation=documents[20:22],
        recipe=recipe,
        output=tmp_path / "tuned",
        machine=Machine(compile=False, micro_batch_tokens=256),
    )
    registry.add(tmp_path / "tuned", "team")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    here, _ = await said(workspace, {"model": "team"})
    for engine in ("int8", "torch"):
        with serve("--engine", engine, "--model", "team") as (_, lines):
            address, token = lines[0].rpartition(" ")[2], lines[1].rpartition(" ")[2]
            # As long as may be: nothing is said here of speed.
            patience = dict.fromkeys(("backendTimeoutMs", "backendReadTimeoutMs", "backendConnectTimeoutMs"), 10_000)
            remote = {**patience, "backend": "codecompose", "backendUrl": f"{address}/v1", "backendModel": "team"}
            text, status = await said(workspace, {**remote, "backendFallback": False}, token)
        assert text and "team@" in status
        # Eight bits round, so torch may come to another end.
        assert engine == "torch" or text == here
