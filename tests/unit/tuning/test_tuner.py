"""A tiny real run: it learns, ends when it shall, goes on after any interruption, and leaves all or nothing."""

# ruff: noqa: E402 - nothing here runs without torch

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from safetensors.torch import load_file, save_file

from codecompose_ls.errors import InputError, ModelError
from codecompose_ls.models.model import load_model
from codecompose_ls.tuning import tuner
from codecompose_ls.tuning.corpus import Corpus
from codecompose_ls.tuning.export import export
from codecompose_ls.tuning.flops import changes_by_block
from codecompose_ls.tuning.machine import Machine
from codecompose_ls.tuning.network import PRESETS, Network
from codecompose_ls.tuning.tokenizer import Encoder
from codecompose_ls.tuning.tuned_folder import CHECKPOINTS
from codecompose_ls.tuning.tuner import TunedModel, TuningProgress, tune
from codecompose_ls.tuning.tuning_recipe import TuningRecipe

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

RECIPE = TuningRecipe(learning_rate=0.003, epochs=2, tokens_per_step=256, length=64, validations=4, lora_r=2)
MACHINE = Machine(compile=False, micro_batch_tokens=256)
Watch = Callable[[TuningProgress], None]


@pytest.fixture(scope="module")
def base(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bases") / "tiny"
    export(folder, Network(PRESETS["tiny"]), encoder.tokenizer, provenance={}, evaluation={})
    return folder


@pytest.fixture
def run(base: Path, corpus: Corpus, tmp_path: Path) -> Callable[..., TunedModel]:
    def run(recipe: TuningRecipe = RECIPE, *, name: str = "tuned", **options: object) -> TunedModel:
        arguments = {
            "base": base,
            "training": corpus.documents[:10],
            "validation": corpus.documents[22:],
            "replay": corpus.documents[20:],
            "machine": MACHINE,
        }
        return tune(**(arguments | {"recipe": recipe, "output": tmp_path / name} | options))  # type: ignore[arg-type]

    return run


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def at(step: int, act: Callable[[], object]) -> Watch:
    return lambda progress: act() if progress.step == step else None  # type: ignore[return-value]


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_validation_loss_falls_and_the_folder_says_what_it_is(run: Callable[..., TunedModel], base: Path) -> None:
    seen: list[TuningProgress] = []
    tuned = run(watch=seen.append, provenance={"project": "shop", "revision": "abc"})
    assert tuned.stopped == "epochs"
    assert tuned.losses[0].step == tuned.losses[0].tokens == 0
    assert tuned.best.validation < tuned.losses[0].validation - 0.5
    assert [progress.step for progress in seen] == list(range(1, tuned.steps + 1))
    assert 0 < seen[0].done < seen[-1].done <= 1 and seen[-1].tokens == tuned.tokens
    assert tuned.losses[-1].pf_seconds == pytest.approx(tuned.pf_seconds)
    model = load_model(tuned.folder)
    assert model.family == "codecompose" and model.context == 128
    about = json.loads((tuned.folder / "codecompose.json").read_text())
    assert about["strategy"] == "custom"
    assert about["base"] == {"name": "tiny", "content_hash": load_model(base).content_hash}
    assert about["provenance"]["project"] == "shop"
    assert about["provenance"]["recipe"]["replay"] == 0.1
    assert about["evaluation"]["validation"] == {"base": tuned.losses[0].validation, "tuned": tuned.best.validation}
    assert str(base) not in json.dumps(about)
    before, after = weights(base), weights(tuned.folder)
    assert before.keys() == after.keys()
    assert not [name for name, value in before.items() if torch.equal(value.float(), after[name].float())]
    assert {value.dtype for value in after.values() if value.dim() > 1} == {torch.bfloat16}
    assert {path.name for path in tuned.folder.iterdir()} == {path.name for path in base.iterdir()}
    assert [path.name for path in tuned.folder.parent.iterdir()] == ["tuned"]


@pytest.mark.parametrize("strategy", ["lora", "prefix"])
def test_an_adapter_is_read_and_names_its_base(run: Callable[..., TunedModel], base: Path, strategy: str) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tuned = run(replace(RECIPE, strategy=strategy, virtual_tokens=16, learning_rate=0.02))
    assert tuned.best.validation < tuned.losses[0].validation
    names = {path.name for path in tuned.folder.iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "codecompose.json"}
    about = json.loads((tuned.folder / "codecompose.json").read_text())
    assert about["base"] == {"name": "tiny", "content_hash": load_model(base).content_hash}
    assert json.loads((tuned.folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny"
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(tuned.folder))
    assert model(input_ids=torch.tensor([[1, 2, 3]])).logits.isfinite().all()


def test_a_run_ends_in_time(run: Callable[..., TunedModel]) -> None:
    seconds = 0.0

    def tick(progress: TuningProgress) -> None:
        nonlocal seconds
        seconds += 10

    tuned = run(replace(RECIPE, epochs=1000), minutes=2, watch=tick, clock=lambda: seconds)
    assert tuned.stopped == "deadline"
    assert (tuned.steps, tuned.seconds) == (12, 120)
    assert tuned.best.step > 0


def test_a_run_that_has_no_time_at_all_leaves_its_base(run: Callable[..., TunedModel], base: Path) -> None:
    tuned = run(minutes=1e-9)
    assert (tuned.stopped, tuned.steps, tuned.best.step) == ("deadline", 0, 0)
    assert all(torch.equal(value, weights(tuned.folder)[name].bfloat16()) for name, value in weights(base).items())


def test_patience_ends_a_run_that_gets_no_better_and_the_best_is_what_is_kept(
    run: Callable[..., TunedModel], base: Path
) -> None:
    tuned = run(replace(RECIPE, learning_rate=3.0, epochs=40, validations=40, patience=2))
    assert tuned.stopped == "patience"
    assert tuned.best.step == 0 and len(tuned.losses) == 3
    assert all(torch.equal(value, weights(tuned.folder)[name].bfloat16()) for name, value in weights(base).items())


def test_a_run_stopped_from_the_keyboard_keeps_the_best_and_goes_on(run: Callable[..., TunedModel]) -> None:
    whole = run(name="whole")
    stopped = run(watch=at(5, interrupt))
    assert (stopped.stopped, stopped.steps) == ("interrupted", 5)
    assert stopped.best.step == 5
    assert load_model(stopped.folder).weights()
    assert (stopped.folder / CHECKPOINTS).is_dir()
    resumed = run()
    assert (resumed.stopped, resumed.steps, resumed.tokens) == ("epochs", whole.steps, whole.tokens)
    assert not (resumed.folder / CHECKPOINTS).exists()
    assert all(torch.equal(value, weights(whole.folder)[name]) for name, value in weights(resumed.folder).items())


def test_a_killed_run_goes_on_from_its_last_checkpoint(run: Callable[..., TunedModel]) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    whole = run(name="whole")
    with pytest.raises(Killed):
        run(watch=at(7, kill), checkpoint_minutes=1e-9)
    resumed = run()
    assert resumed.steps == whole.steps
    assert [loss.validation for loss in resumed.losses] == [loss.validation for loss in whole.losses]
    assert all(torch.equal(value, weights(whole.folder)[name]) for name, value in weights(resumed.folder).items())


def test_an_unfinished_run_of_another_kind_is_not_taken_up(run: Callable[..., TunedModel]) -> None:
    run(watch=at(2, interrupt))
    with pytest.raises(InputError, match="unfinished run with another seed: choose another output"):
        run(replace(RECIPE, seed=1))


def test_what_an_output_holds_is_never_replaced(run: Callable[..., TunedModel], tmp_path: Path) -> None:
    run(minutes=1e-9)
    with pytest.raises(InputError, match="holds a model already"):
        run()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(InputError, match="is not empty"):
        run(name="mine")
    with pytest.raises(InputError, match="is a file, not a folder"):
        run(output=tmp_path / "mine" / "notes.txt")


def test_bases_and_documents_that_cannot_be_used_are_named(
    run: Callable[..., TunedModel], base: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no source code to learn from"):
        run(training=())
    with pytest.raises(InputError, match="no documents to validate on"):
        run(validation=())
    with pytest.raises(ModelError, match="no model at"):
        run(base=tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"rows of 8 tokens are too short.*120 of it for virtual tokens"):
        run(replace(RECIPE, strategy="prefix", virtual_tokens=120))
    adapter = run(replace(RECIPE, strategy="lora"), minutes=1e-9, name="adapter").folder
    with pytest.raises(ModelError, match="is an adapter: tune the model it was made for"):
        run(base=adapter)
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in base.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    tensors = weights(base)
    save_file({name: value for name, value in tensors.items() if "down_proj" not in name}, broken / "model.safetensors")
    with pytest.raises(ModelError, match="is not whole: 2 tensors are missing"):
        run(base=broken)
    tensors["model.norm.weight"][3] = torch.nan
    save_file(tensors, broken / "model.safetensors")
    with pytest.raises(ModelError, match=r"damaged: tensor model\.norm\.weight"):
        run(base=broken)
    assert not list(tmp_path.glob("tuned*"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left on the disk of out"),
        (PermissionError(errno.EACCES, "Permission denied"), r"out cannot be written \(Permission denied\)"),
        (MemoryError(), "not enough memory to tune this base: close what else takes it"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"), "not enough memory"),
    ],
    ids=["disk", "permission", "memory", "torch's memory"],
)
def test_a_machine_that_is_too_small_is_told_so(error: Exception, said: str) -> None:
    with pytest.raises(InputError, match=said), tuner._clear_errors(Path("out"), RECIPE):
        raise error


def test_changes_are_counted_by_block(run: Callable[..., TunedModel], base: Path) -> None:
    tuned = run(replace(RECIPE, strategy="l_ldb"))
    changes = {(stack, index): change for stack, index, change in changes_by_block(base, tuned.folder)}
    assert changes[("other", -1)] == changes[("decoder", 0)] == 0
    before, after = weights(base), weights(tuned.folder)
    last = [name for name in before if name.startswith("model.layers.1.")]
    moved = sum(float((after[name].double() - before[name].double()).abs().sum()) for name in last)
    assert changes[("decoder", 1)] == pytest.approx(moved / sum(before[name].numel() for name in last))
