"""The Hugging Face Hub: the folder, the way there, and the way back; no test leaves this machine."""

import json
import re
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import yaml
from PIL import Image
from rich.console import Console
from small import composed, trained

import gantool
from gantool import hub, runs
from gantool.export import export

REPO = "ada/digits"


def exported(run: Path, *overrides: str) -> Path:
    return export(composed(f"run={run}", f"hub={REPO}", *overrides, name="export"), Console(quiet=True))


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert trained(folder, "model=cgan", "prior=gaussian", "images=16") == 0
    (folder / "metrics").mkdir()
    record = {"metric": "fid", "images": 16, "fid": 12.5, "real_fid": 1.25, "protocol": "of ten images"}
    (folder / "metrics" / "fid.json").write_text(json.dumps(record))
    return folder


def test_the_folder_holds_weights_card_description_and_picture(run: Path, capsys: pytest.CaptureFixture[str]):
    file = exported(run, "licence=mit", "overwrite=true")
    assert file == run / "hub" / REPO / "model.safetensors"
    assert sorted(path.name for path in file.parent.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "samples.png",
    ]
    card = json.loads((file.parent / "config.json").read_text())
    assert card["licence"] == "mit"
    assert card["images"] == 16
    with Image.open(file.parent / "samples.png") as picture:
        assert min(picture.size) >= 6 * 16


def test_the_description_begins_with_what_the_hub_reads(run: Path):
    text = (exported(run, "licence=mit", "overwrite=true").parent / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "mit"
    assert front["library_name"] == "gantool"
    assert front["pipeline_tag"] == "unconditional-image-generation"
    assert f'gantool.load("hf://{REPO}")' in text
    assert f"gantool sample run=hf://{REPO}" in text
    assert "- fid 12.5, real_fid 1.25: of ten images" in text


def test_no_folder_of_this_machine_leaves_it():
    card = {"config": {"data": {"path": "/home/ada/cats", "more": ["~/x/dogs", "C:\\pets\\birds", "a/b", 3]}}}
    shown = {"config": {"data": {"path": "cats", "more": ["dogs", "birds", "a/b", 3]}}}
    assert hub.public(card) == shown


def test_no_key_to_somebodys_storage_leaves_it():
    card = {
        "path": ["https://ada:secret@host:8/a@b/x-{0..9}.tar?key=secret#1", "s3://pets/cats-{000..004}.tar"]
    }
    assert hub.public(card) == {"path": ["https://host:8/a@b/x-{0..9}.tar", "s3://pets/cats-{000..004}.tar"]}


def test_what_lies_in_the_folder_already_is_not_replaced(run: Path, tmp_path: Path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ValueError, match=r"README\.md exists already"):
        exported(run, f"out={tmp_path}")
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "mine"


def test_without_a_token_nothing_is_pushed_and_the_command_for_later_is_told(tmp_path: Path):
    told = hub.push(tmp_path / "model.onnx", REPO, private=False)
    assert told.startswith("not pushed")
    assert f"hf upload {REPO} {tmp_path} --include model.onnx --include README.md" in told


def test_with_a_token_the_folder_is_uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls: list[tuple[str, Any]] = []

    class Api:
        def create_repo(self, repo: str, private: bool, exist_ok: bool) -> str:
            calls.append((repo, private))
            return f"https://hub.example/{repo}"

        def upload_folder(
            self, repo_id: str, folder_path: Path, allow_patterns: list[str], commit_message: str
        ) -> None:
            calls.append((repo_id, (folder_path, *allow_patterns)))

    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret")
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    assert hub.push(tmp_path / "model.onnx", REPO, private=True) == f"https://hub.example/{REPO}"
    sent = (tmp_path, "model.onnx", "README.md", "config.json", "samples.png")
    assert calls == [(REPO, True), (REPO, sent)]


def test_without_a_network_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret")
    api = huggingface_hub.HfApi
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: api(endpoint="http://127.0.0.1:9"))
    told = hub.push(tmp_path / "model.onnx", REPO, private=False)
    assert told.startswith("not pushed")
    assert "refused" in told
    assert "hf upload" in told


@pytest.mark.parametrize("name", ["digits", "a/b/c", "ada/di gits", "/x"])
def test_what_is_no_name_of_a_repository_is_refused(name: str):
    with pytest.raises(ValueError, match=re.escape(f"hub={name}") + ".*OWNER/NAME"):
        hub.check(name)


def test_a_repository_comes_back_as_the_same_generator(run: Path, monkeypatch: pytest.MonkeyPatch):
    file = exported(run, "overwrite=true")

    def download(repo: str, name: str, revision: str | None) -> str:
        assert (repo, name, revision) == (REPO, "model.safetensors", "v1")
        return str(file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    images = gantool.load(f"hf://{REPO}@v1").sample(3, seed=5)
    assert torch.equal(images, gantool.load(str(file)).sample(3, seed=5))
    assert runs.find(f"hf://{REPO}@v1") == Path("outputs/hub") / REPO


def test_a_repository_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch):
    def download(*_: Any, **__: Any) -> str:
        raise ConnectionError("no route\nto anywhere")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(ValueError, match=f"^hf://{REPO}: model.safetensors could not be fetched: no route$"):
        gantool.load(f"hf://{REPO}")


def test_class_names_keep_their_slashes_and_break_no_table():
    card = {
        "classes": ["/m/01", "a|b"],
        "config": {"data": {"names": ["/m/01", "~x"], "path": "/home/ada/x"}},
    }
    assert hub.public(card) == card | {"config": {"data": {"names": ["/m/01", "~x"], "path": "x"}}}
    assert hub.cell("a|b\nc") == "a\\|b c"
