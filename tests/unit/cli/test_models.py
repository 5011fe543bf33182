"""`codecompose-ls models` and what `doctor` says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codecompose_ls.cli import main
from codecompose_ls.models import registry
from tests.adapters import describe
from tests.models import tiny_model

GATE = {"evaluation": {"gate": {"passed": True, "n": 120}}, "tokenizer_hash": None, "context": 256}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, and a registry with one model that was tuned for it."""
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    registry.add(describe(tiny_model(tmp_path / "source"), registry.BASE, "custom", GATE), "shop-custom")
    return folder


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["models", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["models", *arguments]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    (line,) = error.splitlines()
    return line


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(printed(capsys, *arguments, "--json"))


def test_list(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry.promote("shop-custom", shop)
    _, row = as_json(capsys, "list")
    assert {
        key: row[key] for key in ("name", "kind", "strategy", "base", "project", "gate", "promoted", "outdated")
    } == {
        "name": "shop-custom",
        "kind": "full",
        "strategy": "custom",
        "base": "base",
        "project": "shop",
        "gate": True,
        "promoted": [str(shop)],
        "outdated": False,
    }
    table = printed(capsys, "list").splitlines()
    assert table[0].split()[:3] == ["model", "kind", "strategy"]
    size = f"{row['size_bytes'] / 1e6:.1f}"
    assert table[2].split() == ["shop-custom", "full", "custom", "base", "shop", "passed", size, "MB", str(shop)]


def test_show(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert '"n": 120' in printed(capsys, "show", "shop-custom")
    assert as_json(capsys, "show", "shop-custom")["metadata"]["provenance"] == {"project": "shop"}
    assert "no model 'absent' in the registry" in refused(capsys, "show", "absent")


def test_promote_and_roll_back(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(capsys, "promote", "shop-custom", "--workspace", str(shop))
    assert said.startswith(f"'shop-custom' answers in {shop};")
    assert registry.in_force("base", shop) == "shop-custom"
    assert registry.in_force("mine", shop) == "mine"
    # The current folder is the workspace that is meant when none is named.
    assert as_json(capsys, "rollback") == {"workspace": str(shop), "model": "base"}
    assert "nothing has been promoted" in refused(capsys, "rollback")
    assert "is no folder" in refused(capsys, "promote", "shop-custom", "--workspace", str(shop / "absent"))


def test_what_has_failed_its_gate_must_be_forced(
    tmp_path: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = {**GATE, "evaluation": {"gate": {"passed": False}}}
    registry.add(describe(tiny_model(tmp_path / "worse", seed=1), registry.BASE, "custom", failed), "worse")
    assert "has failed its gate" in refused(capsys, "promote", "worse")
    printed(capsys, "promote", "worse", "--force")
    assert "answers in" in refused(capsys, "remove", "worse")
    assert "'worse' removed" in printed(capsys, "remove", "worse", "--force")
    assert registry.promoted(shop) is None


def test_export_and_import(tmp_path: Path, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "shop.zip"
    printed(capsys, "export", "shop-custom", str(archive))
    assert "'again' is in the registry" in printed(capsys, "import", str(archive), "--name", "again")
    printed(capsys, "export", "again", str(tmp_path / "plain"), "--format", "hf")
    assert "exists already" in refused(capsys, "export", "again", str(tmp_path / "plain"))
    assert "has no manifest.json" not in printed(capsys, "import", str(tmp_path / "plain"), "--unverified")
    assert [row["name"] for row in as_json(capsys, "list")] == ["base", "again", "plain", "shop-custom"]


def findings(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    main(["doctor", "--json"])
    return {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)}


def test_doctor_tests_what_answers_here(tmp_path: Path, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry.promote("shop-custom", shop)
    found = findings(capsys)
    assert found["models"]["good"] and "'shop-custom' answers in this folder; 1 in" in found["models"]["detail"]
    assert found["model"]["detail"].startswith("shop-custom: shop-custom@")
    older = {**GATE, "base": {"name": "base", "content_hash": "0" * 64}}
    registry.add(describe(tiny_model(tmp_path / "older"), registry.BASE, "custom", older), "older")
    registry.promote("older", shop)
    assert findings(capsys)["models"]["mend"] == "run codecompose-ls tune"
    (registry.resolve("older") / "config.json").unlink()
    assert "config.json is missing" in findings(capsys)["models"]["detail"]
