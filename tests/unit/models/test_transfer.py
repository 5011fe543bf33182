"""Models leave and come in: checked by their hashes, nothing but safetensors and text, no way out of the folder."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from codecompose_ls.errors import ModelError
from codecompose_ls.models import registry, transfer
from codecompose_ls.models.model import load_model
from codecompose_ls.models.names import models
from tests.adapters import lora, prefix
from tests.models import TINY, tiny_model


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with one model."""
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "data"))
    return registry.add(tiny_model(tmp_path / "source", shards=2), "own")


def says(source: Path, **options: bool) -> str:
    with pytest.raises(ModelError) as caught:
        transfer.import_(source, name="taken", **options)
    assert "\n" not in str(caught.value)
    assert not (models() / "taken").exists()
    return str(caught.value)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    transfer.export("own", tmp_path / "exported")
    return tmp_path / "exported"


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    transfer.export("own", tmp_path / "packed.zip")
    return tmp_path / "packed.zip"


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_there_and_back(own: Path, form: str, request: pytest.FixtureRequest) -> None:
    source = request.getfixturevalue({"folder": "exported", "zip": "packed"}[form])
    name = transfer.import_(source)
    assert name == {"folder": "exported", "zip": "packed"}[form]
    assert {path.name: path.read_bytes() for path in own.iterdir()} == {
        path.name: path.read_bytes() for path in registry.resolve(name).iterdir()
    }


def test_an_adapter_finds_its_base_on_the_other_side(
    tmp_path: Path, own: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add(lora(tmp_path / "lora", own), "adapter")
    transfer.export("adapter", tmp_path / "adapter.zip")
    monkeypatch.setenv("CODECOMPOSE_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(ModelError, match="the base of 'adapter', 'own', is not in the registry: import it first"):
        transfer.import_(tmp_path / "adapter.zip")
    transfer.import_(exported, name="renamed")
    transfer.import_(tmp_path / "adapter.zip")
    assert load_model(registry.resolve("adapter")).folder.name == "renamed"


def test_what_was_changed_on_the_way(exported: Path) -> None:
    weights = exported / "model-00001-of-00002.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "model-00001-of-00002.safetensors is not what it was when the model was exported" in says(exported)


def test_what_was_lost_or_added_on_the_way(exported: Path) -> None:
    (exported / "README.md").write_text("new")
    assert "'README.md' is not in its manifest.json" in says(exported)
    (exported / "README.md").unlink()
    (exported / "tokenizer.json").unlink()
    assert "'tokenizer.json' is missing" in says(exported)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.pt", "state.pkl", "modeling.py", "weights.npz"])
def test_nothing_that_might_run_code_comes_in(exported: Path, name: str) -> None:
    (exported / name).write_bytes(b"\x80\x04")
    assert f"holds '{name}': only safetensors and text come in" in says(exported)


@pytest.mark.parametrize(
    "name", ["../up.json", "/etc/up.json", "sub/config.json", "..", "a\\b.json", ".hidden.json", ""]
)
def test_no_path_leads_out_of_the_folder(packed: Path, name: str) -> None:
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"{}")
    assert "under plain names" in says(packed)


def test_a_manifest_cannot_name_what_is_elsewhere(exported: Path, tmp_path: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    manifest["files"]["../source/config.json"] = "0" * 64
    (exported / "manifest.json").write_text(json.dumps(manifest))
    assert "'../source/config.json' is missing" in says(exported)


def test_links_and_folders_are_refused(exported: Path, tmp_path: Path) -> None:
    (exported / "README.md").symlink_to(tmp_path / "source" / "config.json")
    assert "README.md, which is no plain file" in says(exported)
    (exported / "README.md").unlink()
    (exported / "sub").mkdir()
    assert "sub, which is no plain file" in says(exported)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"files": []}', '{"files": {"a": 1}}'])
def test_a_damaged_manifest(exported: Path, content: str) -> None:
    (exported / "manifest.json").write_text(content)
    assert "manifest.json" in says(exported)


def test_without_a_manifest_only_when_told_so(exported: Path) -> None:
    (exported / "manifest.json").unlink()
    assert "has no manifest.json to check it by" in says(exported)
    assert transfer.import_(exported, unverified=True) == "exported"


def test_no_model_at_all(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    assert "cannot be read as a zip" in says(tmp_path / "text.zip")
    assert "no model at" in says(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "config.json is missing" in says(tmp_path / "empty", unverified=True)


def test_a_file_that_was_damaged_in_the_registry_does_not_go_out(tmp_path: Path, own: Path) -> None:
    (own / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json is not what it was"):
        transfer.export("own", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(tmp_path: Path, exported: Path) -> None:
    with pytest.raises(ModelError, match="exists already"):
        transfer.export("own", exported)
    with pytest.raises(ModelError, match="there is a model 'own' already"):
        transfer.import_(exported, name="own")


def test_a_prefix_is_no_weights(tmp_path: Path, own: Path) -> None:
    registry.add(prefix(tmp_path / "prefix", own), "prefix")
    with pytest.raises(ModelError, match="cannot become weights"):
        transfer.export("prefix", tmp_path / "out", format="hf")
    transfer.export("prefix", tmp_path / "out")


def test_a_merged_model_is_a_model_of_its_own(tmp_path: Path, own: Path) -> None:
    registry.add(lora(tmp_path / "lora", own), "adapter")
    transfer.export("adapter", tmp_path / "merged", format="hf")
    merged, adapter = load_model(tmp_path / "merged"), load_model(registry.resolve("adapter"))
    assert merged.adapter is None and merged.architecture == adapter.architecture
    weights, expected = merged.weights(), adapter.weights()
    assert all(np.array_equal(weights[name], expected[name]) for name in expected)
    transfer.import_(tmp_path / "merged", name="merged", unverified=True)


def test_transformers_loads_what_was_merged(tmp_path: Path, own: Path) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from codecompose_ls.inference.session import Session

    folder = registry.add(lora(tmp_path / "lora", own), "adapter")
    transfer.export("adapter", tmp_path / "merged", format="hf")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    ids = np.random.default_rng(1).integers(0, TINY.vocab_size, 60).tolist()
    with torch.no_grad():
        expected = model(torch.tensor([ids])).logits[0].numpy()
    found = Session(load_model(folder), kernel="float32").feed(ids, rows=len(ids))
    assert np.abs(found - expected).max() < 2e-4
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "merged")
    assert tokenizer.decode(tokenizer.encode("def greet(name):")) == "def greet(name):"


def test_a_zip_that_was_damaged_on_the_way(packed: Path) -> None:
    content = bytearray(packed.read_bytes())
    content[len(content) // 2] ^= 0xFF
    packed.write_bytes(content)
    assert "cannot be read (Bad CRC-32" in says(packed)


def test_a_zip_under_a_password(packed: Path) -> None:
    content = packed.read_bytes()
    # The flag of encryption, in the headers of the members and in the directory at the end.
    for header, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        parts = content.split(header)
        content = header.join([parts[0], *(p[: place - 4] + b"\1" + p[place - 3 :] for p in parts[1:])])
    packed.write_bytes(content)
    assert "is encrypted" in says(packed)
