"""Exported generators: a file of its own makes the images of the run, and cannot do anything else."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file, save_file
from small import MODELS, TRANSLATORS, batch_of, composed, small, trained

import gantool
from gantool import artefact
from gantool.build import build
from gantool.evaluate import evaluate
from gantool.export import export
from gantool.images import to_uint8
from gantool.sample import main as sample
from gantool.train import train

QUIET = Console(quiet=True)


def resolved(*overrides: str) -> DictConfig:
    cfg = composed(*small(*overrides))
    OmegaConf.update(cfg, "data.names", [], force_add=True)
    return OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))  # pyright: ignore


def exported(run: Path, *overrides: str) -> Path:
    return export(composed(f"run={run}", *overrides, name="export"), QUIET)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a conditional model with an averaged generator and batch norm."""
    folder = tmp_path_factory.mktemp("run")
    assert trained(folder, "model=cgan", "prior=gaussian", "ema=50", "images=16") == 0
    return folder


@pytest.fixture(scope="module")
def file(run: Path) -> Path:
    return exported(run)


@pytest.mark.parametrize("model", MODELS)
def test_a_generator_comes_back_from_its_file_and_makes_the_same_images(model: str, tmp_path: Path):
    cfg = resolved(f"model={model}", "ema=50")
    gan = build(cfg).eval()
    with torch.no_grad():
        for parameter in gan.generator.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)  # the averaged one is not its original
    known = {"truncation": {"threshold": None, "layers": None}}
    artefact.write(gan, artefact.card(gan, cfg, **known), tmp_path / "G.safetensors")
    again, _ = artefact.load(tmp_path / "G.safetensors")
    torch.manual_seed(0)
    batch = gan.task.draw(batch_of(cfg, 3))
    for name, images in made(gan, batch).items():  # attention rounds by where in memory its matrices begin
        assert torch.allclose(images, made(again, batch)[name], atol=1e-5)
    assert not list(again.task.D.parameters())


@torch.no_grad()
def made(gan: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)  # of noise inside G
    return gan.task.generate(gan.generator, batch)


def test_the_card_says_what_is_in_the_file(file: Path):
    card = artefact.card_of(file)
    stored = load_file(file)
    assert card["conditional"]
    assert card["resolution"] == [16, 16]
    assert card["channels"] == 3
    assert card["images"] == 16
    assert card["range"] == [-1, 1]
    assert len(card["data"]["content"]) == 16
    assert "loss" not in card["config"]
    G, _ = artefact.load(file)
    assert card["parameters"] == sum(parameter.numel() for parameter in G.generator.parameters())
    assert stored.keys() == G.generator.state_dict().keys()


def test_samples_of_a_file_are_those_of_its_run(run: Path, file: Path, tmp_path: Path):
    """Although the run measures its batch norm anew, and the file has it done."""
    for name, source in (("run", run), ("file", file)):
        sample(composed(f"run={source}", "count=6", f"out={tmp_path / name}", "batch_size=64", name="sample"))
    images = {name: sorted((tmp_path / name).glob("*.png")) for name in ("run", "file")}
    assert [one.name for one in images["run"]] == [one.name for one in images["file"]]
    assert torch.allclose(
        gantool.load(str(run)).sample(6, batch_size=60), gantool.load(str(file)).sample(6), atol=1e-6
    )
    for one, other in zip(images["run"], images["file"], strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_an_image_depends_on_its_number_alone(file: Path):
    G = gantool.load(str(file))
    many = G.sample(7, batch_size=3)
    assert torch.allclose(many[:4], G.sample(4, batch_size=4), atol=1e-6)
    assert not torch.allclose(many, G.sample(7, seed=1), atol=1e-3)
    assert many.shape == (7, *G.shape)
    assert many.abs().max() <= 1


def test_labels_are_names_numbers_or_several(file: Path):
    G = gantool.load(str(file))
    classes = len(G.classes)
    turns = G.sample(classes)
    for number in (0, classes - 1):
        alone = G.sample(classes, label=number)
        assert torch.allclose(alone[number], turns[number], atol=1e-6)
        assert torch.allclose(alone, G.sample(classes, label=G.classes[number]), atol=1e-6)
    with pytest.raises(ValueError, match="label=nobody: the classes are"):
        G.sample(1, label="nobody")


def test_truncation_is_of_one_call_or_of_the_file(run: Path, tmp_path: Path):
    G = gantool.load(str(run))
    plain, narrow = G.sample(5), G.sample(5, truncation=0.3)
    assert torch.equal(plain, G.sample(5))
    assert not torch.equal(plain, narrow)
    narrower = exported(run, "truncation=0.3", f"out={tmp_path / 'narrow.safetensors'}")
    of_file = gantool.load(str(narrower))
    assert torch.equal(of_file.sample(5), of_file.sample(5, truncation=0.3))
    assert not torch.equal(of_file.sample(5), of_file.sample(5, truncation=1.0))
    assert artefact.card_of(narrower)["truncation"] == {"threshold": 0.3, "layers": None}


def test_styles_are_truncated_in_the_file(tmp_path: Path):
    assert trained(tmp_path, "model=stylegan2", "images=16") == 0
    G = gantool.load(str(exported(tmp_path, "truncation=0.0")))
    images = G.sample(3)
    assert torch.equal(G.sample(3, truncation=1.0), gantool.load(str(tmp_path)).sample(3))
    assert torch.equal(images, G.sample(3))  # as they were before that call
    assert (images[0] - images[1]).abs().mean() < (G.sample(3, truncation=1.0).diff(dim=0)).abs().mean()


def test_an_exported_file_is_exported_again_with_what_is_wanted_changed(file: Path, tmp_path: Path):
    again = exported(file, "licence=cc-by-4.0", f"out={tmp_path / 'again.safetensors'}")
    before, after = artefact.card_of(file), artefact.card_of(again)
    assert after == {**before, "licence": "cc-by-4.0"}
    for name, value in load_file(file).items():
        assert torch.equal(value, load_file(again)[name])


def test_a_file_that_is_there_is_not_replaced_unasked(run: Path, file: Path):
    with pytest.raises(ValueError, match="exists already; give another out, or overwrite=true"):
        exported(run)
    assert exported(run, "overwrite=true") == file


@pytest.mark.parametrize("model", ["pix2pix", "cyclegan"])
def test_images_are_translated_in_python_as_by_the_network(model: str, tmp_path: Path):
    assert model in TRANSLATORS
    assert trained(tmp_path, f"model={model}", "images=8") == 0
    G = gantool.load(str(exported(tmp_path)), device="cpu")
    source = torch.rand(2, G.config.data.get("source_channels") or 3, 16, 16) * 2 - 1
    torch.manual_seed(0)
    made = G.translate(source)
    torch.manual_seed(0)
    with torch.no_grad():
        assert torch.equal(made, G.gan.task.translator(G.gan.generator, None)(source))
    with pytest.raises(ValueError, match="use translate"):
        G.sample(1)


def test_a_generator_of_latents_translates_nothing(file: Path):
    with pytest.raises(ValueError, match="makes images of latents"):
        gantool.load(str(file)).translate(torch.zeros(1, 3, 16, 16))


def test_the_discriminator_is_not_in_the_file(file: Path):
    gan, _ = artefact.load(file)
    with pytest.raises(ValueError, match="without its discriminator"):
        gan.task.D(torch.zeros(1, 3, 16, 16))


# Files that are not what they say.


def changed(file: Path, place: Path, change: Any) -> Path:
    card = artefact.card_of(file)
    change(card)
    save_file(load_file(file), place, {"gantool": json.dumps(card)})
    return place


@pytest.mark.parametrize(
    "target", ["os.system", "torch.load", "subprocess.run", "builtins.eval", "torch.hub.load"]
)
def test_a_card_that_names_something_else_to_call_is_refused(target: str, file: Path, tmp_path: Path):
    def change(card: dict[str, Any]) -> None:
        card["config"]["task"]["prior"] = {"_target_": target, "_args_": ["touch never"]}

    path = changed(file, tmp_path / "evil.safetensors", change)
    with pytest.raises(ValueError, match="the checkpoint wants to build"):
        gantool.load(str(path))


def test_a_card_may_not_look_around(file: Path, tmp_path: Path):
    def change(card: dict[str, Any]) -> None:
        card["config"]["task"]["conditional"] = "${oc.env:HOME}"

    with pytest.raises(ValueError, match="may not interpolate"):
        gantool.load(str(changed(file, tmp_path / "curious.safetensors", change)))


def test_files_of_others_are_told_in_one_line(file: Path, tmp_path: Path):
    strange = tmp_path / "strange.safetensors"
    save_file({"weight": torch.zeros(1)}, strange)
    with pytest.raises(ValueError, match="it has no card"):
        gantool.load(str(strange))
    strange.write_bytes(b"not at all")
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        gantool.load(str(strange))

    def newer(card: dict[str, Any]) -> None:
        card["format"] = 99

    with pytest.raises(ValueError, match="has format 99, this gantool reads 1"):
        gantool.load(str(changed(file, tmp_path / "newer.safetensors", newer)))

    def other(card: dict[str, Any]) -> None:
        card["config"]["task"]["prior"]["size"] += 1
        card["config"]["task"]["G"]["latent"] = card["config"]["task"]["prior"]["size"]

    with pytest.raises(ValueError, match="do not fit|latent"):
        gantool.load(str(changed(file, tmp_path / "other.safetensors", other)))


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("out=there.bin", "files of this format end with .safetensors"),
        ("direction=ab", "holds both generators"),
        ("truncation=-1", "give a number of standard deviations above 0"),
        ("licence=7", "give the name of a licence"),
    ],
)
def test_wrong_requests_are_told_in_one_line(override: str, sentence: str, run: Path):
    with pytest.raises(ValueError, match=sentence) as error:
        exported(run, override)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["batch_size", "init_D", "generator_batch_size"])
def test_no_part_of_a_card_may_be_foreign(key: str, file: Path, tmp_path: Path):
    """os.makedirs is no target that Hydra itself refuses."""

    def change(card: dict[str, Any]) -> None:
        card["config"][key] = {"_target_": "os.makedirs", "name": str(tmp_path / "made")}

    with pytest.raises(ValueError, match=rf"{key}: the checkpoint wants to build os\.makedirs"):
        gantool.load(str(changed(file, tmp_path / "evil.safetensors", change)))
    assert not (tmp_path / "made").exists()


def test_a_generator_is_exported_when_its_data_are_gone(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(tmp_path / "in" / name / "1.png")
    words = ["data=folder", f"data.path={tmp_path / 'in'}", "data.resolution=16", "model.G.width=4"]
    words += ["images=8", "batch_size=4", "samples=4", "logger=none", "trainer.accelerator=cpu"]
    assert train(composed(*words), tmp_path / "run", [], QUIET) == 0
    shutil.rmtree(tmp_path / "in")
    out = export(composed(f"run={tmp_path / 'run'}", name="export"), QUIET)
    assert artefact.card_of(out)["data"]["content"] is None


def test_numbers_of_a_truncated_file_are_none_of_its_runs(run: Path):
    out = exported(run, "truncation=0.5")
    cfg = composed(f"run={out}", "metrics=kid_random", "count=8", "device=cpu", name="evaluate")
    [file] = evaluate(cfg, QUIET)
    assert file.parent == run / f"metrics-{out.stem}"
    record = json.loads(file.read_text())
    assert record["truncation"] == 0.5
    assert "truncation 0.5" in record["protocol"]


def test_labels_may_be_anything_that_lists_numbers(tmp_path: Path):
    assert trained(tmp_path, "model=cgan", "images=8") == 0
    G = gantool.load(str(tmp_path))
    expected = torch.cat([G.sample(4, label=0)[::2], G.sample(4, label=1)[1::2]])[[0, 2, 1, 3]]
    for label in ([0, 1], (0, 1), range(2), torch.tensor([0, 1]), np.array([0, 1])):
        torch.testing.assert_close(G.sample(4, label=label), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(G.sample(2, label=np.int64(1)), G.sample(2, label=1))
    with pytest.raises(ValueError, match="label=True: the classes are 0 to 9"):
        G.sample(1, label=True)


@pytest.mark.parametrize("words", [["seed=5"], ["seed=5", "truncation=0.5"], ["seed=0"]])
def test_in_python_as_by_command_whatever_was_asked_before(words: list[str], tmp_path: Path):
    assert trained(tmp_path / "run", "images=64", "ema=32") == 0
    sample(composed(f"run={tmp_path / 'run'}", f"out={tmp_path / 'out'}", "count=4", *words, name="sample"))
    files = sorted((tmp_path / "out").glob("0*.png"))
    expected = np.stack([np.asarray(Image.open(file)) for file in files])
    G = gantool.load(str(tmp_path / "run"))
    G.sample(3, seed=1, truncation=2.0)
    asked = dict(word.split("=") for word in words)
    truncation = float(asked["truncation"]) if "truncation" in asked else None
    made = to_uint8(G.sample(4, seed=int(asked["seed"]), truncation=truncation))
    assert np.abs(made.astype(int) - expected).max() <= 1


def test_a_repository_holds_what_gantool_opens_again(run: Path):
    with pytest.raises(ValueError, match="hub=ada/digits: .* format=safetensors"):
        exported(run, "hub=ada/digits", "format=onnx")
