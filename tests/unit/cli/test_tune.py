"""`tune` from a repository to weights in the registry: all of it real, on a tiny base."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

pytest.importorskip("torch")
pytest.importorskip("transformers")

from codecompose_ls import folders
from codecompose_ls.cli import main
from codecompose_ls.cli.tune import OBJECTIVES, STRATEGIES
from codecompose_ls.evaluation import gate
from codecompose_ls.evaluation.order import Order
from codecompose_ls.evaluation.promotion import Progress, carry_out
from codecompose_ls.models import registry, transfer
from codecompose_ls.models.model import load_model
from codecompose_ls.prompt.templates import QWEN25_CODER
from codecompose_ls.tuning import objectives
from codecompose_ls.tuning.tuning_recipe import RATES, TuningRecipe
from tests.models import tiny_model
from tests.repositories import Git, module
from tests.torch_models import reference, torch_model

NOUNS = ("basket", "customer", "delivery", "engine", "folder", "graph", "header", "journal", "kernel", "layer")


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CODECOMPOSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "nice", lambda by: None)
    import torch

    # So little work is not worth a second thread, least of all where others want the core.
    torch.set_num_threads(1)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "tiny")


@pytest.fixture
def shop(tmp_path: Path) -> Git:
    """A project of four modules to which six were added later."""
    git = Git(tmp_path / "shop")
    git.commit({f"{noun}.py": module(noun) for noun in NOUNS[:4]})
    git.commit({f"{noun}.py": module(noun) for noun in NOUNS[4:]})
    return git


@pytest.fixture
def general(tmp_path: Path) -> Path:
    """General code of twelve modules."""
    (tmp_path / "general").mkdir()
    for noun in ("barn", "cart", "door", "fork", "gate", "hill", "iron", "jail", "king", "lamp", "moon", "nest"):
        (tmp_path / "general" / f"{noun}.py").write_text(module(noun, size=6))
    return tmp_path / "general"


def order(shop: Git, base: Path, general: Path, *, strategy: str = "custom", **more: bool) -> Order:
    recipe = TuningRecipe(strategy=strategy, epochs=4, tokens_per_step=512, learning_rate=0.01)
    return Order(shop.root, recipe, minutes=10, base=str(base), replay_from=general, **more)


class Killed(BaseException):
    """The process has been killed."""


def killed_at(stage: str, stages: list[str] | None = None) -> object:
    """Return a watcher in whose hands the process dies when a stage begins."""

    def watch(now: Progress) -> None:
        if stages is not None:
            stages.append(now.stage)
        if now.stage == stage:
            raise Killed

    return watch


def test_a_project_is_tuned_proved_and_promoted(
    shop: Git, base: Path, general: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, head = shop("rev-parse", "HEAD~1"), shop("rev-parse", "HEAD")
    arguments = ["--model", str(base), "--replay-from", str(general), "--output", str(tmp_path / "out"), "--promote"]

    assert main(["tune", str(shop.root), "--minutes", "10", *arguments]) == 0

    printed = capsys.readouterr()
    assert printed.out.startswith("shop: 10 files kept, ") and "characters; left out: none\n" in printed.out
    assert f"lines added from {first[:12]}" in printed.out
    assert "unseen lines" in printed.out and "general code" in printed.out
    assert "gate passed: exact match" in printed.out
    assert f"'shop-custom' answers in {shop.root} from now on, and in {tmp_path / 'out'}" in printed.out
    assert printed.err.splitlines() == [
        "codecompose-ls: reading the project",
        f"codecompose-ls: tuning at {first[:12]}",
        "codecompose-ls: gate",
        "codecompose-ls: retention",
        "codecompose-ls: tuning on the whole project",
        "codecompose-ls: saving",
    ]
    assert registry.promoted(shop.root) == "shop-custom"
    entry = registry.entry("shop-custom")
    told, proved = entry.metadata["provenance"], entry.metadata["evaluation"]["gate"]
    assert (told["project"], told["revision"], proved["measured_at"]) == ("shop", head, first)
    assert entry.gate is True and proved["n"] >= 20 and proved["gain"]["value"] > 0
    assert str(tmp_path) not in json.dumps(dict(entry.metadata))
    assert load_model(tmp_path / "out").content_hash == load_model(entry.folder).content_hash
    assert not list((folders.cache() / "tuning").iterdir())


def test_after_a_kill_the_same_order_goes_on(shop: Git, base: Path, general: Path) -> None:
    stages: list[str] = []
    with pytest.raises(Killed):
        carry_out(order(shop, base, general), watch=killed_at("gate"))
    with pytest.raises(Killed):
        carry_out(order(shop, base, general), watch=killed_at("tuning on the whole project", stages))
    assert not [stage for stage in stages if stage.startswith("tuning at")]
    stages.clear()

    done = carry_out(order(shop, base, general), watch=lambda now: stages.append(now.stage))

    assert list(dict.fromkeys(stages)) == ["reading the project", "tuning on the whole project", "saving"]
    assert done.name == "shop-custom" and done.verdict is not None and done.verdict.passed


@pytest.mark.parametrize("damaged", ["codecompose.json", "model.safetensors", "replay"])
def test_what_a_disk_has_spoilt_meanwhile_is_made_anew(
    shop: Git, base: Path, general: Path, damaged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Killed):
        carry_out(order(shop, base, general), watch=killed_at("gate"))
    (kept,) = (folders.cache() / "tuning").iterdir()
    spoilt = [kept / "measured" / ("codecompose.json" if damaged == "replay" else damaged)]
    spoilt += [kept / "measured-replay.jsonl.xz"] if damaged == "replay" else []
    for file in spoilt:
        file.write_bytes(file.read_bytes()[:20])
    stages: list[str] = []
    with pytest.raises(Killed):
        carry_out(order(shop, base, general), watch=killed_at("gate", stages))
    assert [stage for stage in stages if stage.startswith("tuning at")]


@pytest.mark.parametrize("stage", ["tuning at", "gate"])
def test_an_interrupt_keeps_the_best_so_far(shop: Git, base: Path, general: Path, tmp_path: Path, stage: str) -> None:
    def interrupt(now: Progress) -> None:
        if now.stage.startswith(stage) and now.done > 0:
            os.kill(os.getpid(), signal.SIGINT)

    asked = replace(order(shop, base, general), output=tmp_path / "out")

    stopped = carry_out(asked, watch=interrupt)

    assert stopped.name is None and stopped.verdict is None
    assert (stopped.training.stopped == "interrupted") is (stage == "tuning at")
    assert load_model(tmp_path / "out").content_hash == load_model(stopped.folder).content_hash

    # Packages come and go.
    (general / "moon.py").unlink()
    done = carry_out(asked)

    assert done.name == "shop-custom"
    assert load_model(tmp_path / "out").content_hash == load_model(done.folder).content_hash


def test_what_fails_the_gate_is_registered_but_not_promoted_unless_forced(
    shop: Git, base: Path, general: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "SIGNIFICANCE", 0.0)

    failed = carry_out(order(shop, base, general, promote=True))

    assert failed.name == "shop-custom" and not failed.promoted
    assert registry.promoted(shop.root) is None
    assert registry.entry("shop-custom").gate is False
    assert failed.text.revision == shop("rev-parse", "HEAD~1")

    stages: list[str] = []
    forced = carry_out(order(shop, base, general, promote=True, force=True), watch=lambda now: stages.append(now.stage))

    assert list(dict.fromkeys(stages)) == ["reading the project", "tuning on the whole project", "saving"]
    assert registry.promoted(shop.root) == forced.name == "shop-custom-2"
    assert forced.text.revision == shop("rev-parse", "HEAD")


def test_a_folder_without_history_gets_an_adapter(
    tmp_path: Path, base: Path, general: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.add(base, "tiny")
    for noun in NOUNS:
        (tmp_path / "plain" / f"{noun}.py").parent.mkdir(exist_ok=True)
        (tmp_path / "plain" / f"{noun}.py").write_text(module(noun, size=8))
    arguments = ["--model", "tiny", "--strategy", "lora", "--objective", "fim", "--replay-from", str(general)]

    assert main(["tune", str(tmp_path / "plain"), "--minutes", "10", "--name", "mine", "--json", *arguments]) == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["project"], found["revision"]) == ("mine", "plain", None)
    assert found["gate"]["measured_at"] == "held-out files"
    assert registry.entry("mine").kind == "lora"


def test_a_model_of_another_family_is_tuned_proved_and_exported(shop: Git, general: Path, tmp_path: Path) -> None:
    registry.add(torch_model(tmp_path / "source", "qwen2", template=QWEN25_CODER), "qwen")
    asked = replace(order(shop, tmp_path, general, strategy="lora", force=True), base="qwen", name="qwen-lora")

    done = carry_out(asked)

    assert done.verdict is not None and done.verdict.lines.n >= 20
    entry = registry.entry("qwen-lora")
    assert (entry.kind, entry.base, entry.fault) == ("lora", "qwen", "")
    transfer.export("qwen-lora", tmp_path / "merged", format="hf")
    prompt, base = [7, 8, 9], registry.resolve("qwen")
    merged = reference(tmp_path / "merged", None, prompt, 5)
    assert [token for token, _ in merged] == [token for token, _ in reference(base, entry.folder, prompt, 5)]


def test_what_is_wrong_is_said_in_one_line(
    shop: Git, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def complaint(*arguments: str) -> str:
        assert main(["tune", *arguments]) == 2
        said = capsys.readouterr().err
        assert "Traceback" not in said
        # Before it stand the stages it came to, a line each.
        return said.splitlines()[-1]

    project, tiny = str(shop.root), ("--model", str(base))
    assert "nowhere: no such folder" in complaint(str(tmp_path / "nowhere"))
    assert "--minutes must be more than 0, not -1" in complaint(project, "--minutes", "-1", *tiny)
    assert "--minutes 1e-05 is too little" in complaint(project, "--minutes", "0.00001", *tiny)
    assert "no model 'other'" in complaint(project, "--model", "other")
    assert "replay is a share" in complaint(project, "--replay", "1", *tiny)
    assert "'../x' cannot be the name of a model" in complaint(project, "--name", "../x", *tiny)
    assert "there is something already" in complaint(project, "--output", project, *tiny)
    assert "models import" in complaint(project, "--strategy", "lora", *tiny)
    assert "no revision 'v9'" in complaint(project, "--since", "v9", *tiny)
    assert "nowhere: no such folder" in complaint(project, "--replay-from", str(tmp_path / "nowhere"), *tiny)
    plain = tiny_model(tmp_path / "plain")
    (plain / "codecompose.json").unlink()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    tokenizer.save(str(plain / "tokenizer.json"))
    assert "does not fill in the middle" in complaint(project, "--model", str(plain))
    assert "is a file; name a folder" in complaint(str(shop.root / f"{NOUNS[0]}.py"), *tiny)
    assert "since '2099-01-01'; name an earlier" in complaint(project, "--since", "2099-01-01", *tiny)
    monkeypatch.setattr("codecompose_ls.evaluation.order._DISK_BYTES", 10**18)
    assert "of disk are free, tuning takes" in complaint(project, *tiny)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'codecompose-ls[tune]'" in complaint(project, *tiny)


def test_the_command_line_offers_what_there_is() -> None:
    assert set(STRATEGIES) == set(RATES) - {"lora_autodev"}
    assert set(OBJECTIVES) == set(objectives.OBJECTIVES)
