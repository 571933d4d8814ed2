"""Exports for other programs: every family, batches and sizes of every number, and nothing half written."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from small import MODELS, OF_IMAGES, composed, trained
from test_artefact import resolved

from gantool import artefact
from gantool.build import build
from gantool.export import export
from gantool.formats.format import Format, Subject
from gantool.formats.onnx import ONNX
from gantool.formats.pt2 import CARD, PT2

HEAVY = ("esrgan", "biggan_deep", "srgan", "srresnet")  # whose graphs take long
QUIET = Console(quiet=True)


def subject_of(model: str) -> Subject:
    cfg = resolved(f"model={model}", "ema=50")
    gan = build(cfg).eval()
    with torch.no_grad():
        for parameter in gan.generator.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return Subject(gan, artefact.card(gan, cfg, truncation={"threshold": None, "layers": None}), None, 0)


@pytest.mark.parametrize(
    "model", [pytest.param(model, marks=[pytest.mark.slow] if model in HEAVY else []) for model in MODELS]
)
def test_every_family_becomes_onnx_that_makes_the_same_images(model: str, tmp_path: Path):
    subject = subject_of(model)
    rows = dict(ONNX().write(subject, tmp_path / "G.onnx"))  # of other batches and sizes than the example
    assert float(rows["Largest difference"].split()[0]) < 1e-4
    assert ("source" in rows["Takes"]) == (model in OF_IMAGES)
    assert [file.name for file in tmp_path.iterdir()] == ["G.onnx"]


@pytest.mark.parametrize("model", ["cgan", "stylegan2", "pix2pix"])
def test_a_family_becomes_pt2_that_makes_the_same_images(model: str, tmp_path: Path):
    rows = dict(PT2().write(subject_of(model), tmp_path / "G.pt2"))
    assert float(rows["Largest difference"].split()[0]) < 1e-4
    extra = {CARD: ""}
    torch.export.load(tmp_path / "G.pt2", extra_files=extra)
    assert json.loads(extra[CARD])["family"] is None


ALONE = """
import json, sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
card = json.loads(session.get_modelmeta().custom_metadata_map["gantool"])
latent = np.load(sys.argv[2])
label = np.arange(len(latent)) % len(card["classes"])
[image] = session.run(None, {"latent": latent, "label": label})
np.save(sys.argv[3], image)
assert "torch" not in sys.modules and "gantool" not in sys.modules
"""


def test_onnx_runs_where_there_is_neither_pytorch_nor_gantool(tmp_path: Path):
    assert trained(tmp_path, "model=cgan", "images=16") == 0
    cfg = composed(f"run={tmp_path}", "format=onnx", f"out={tmp_path / 'G.onnx'}", name="export")
    file = export(cfg, QUIET)
    gan, _ = artefact.load(export(composed(f"run={tmp_path}", name="export"), QUIET))
    batch = gan.task.draw({"label": torch.arange(5)})
    np.save(tmp_path / "latent.npy", batch["latent"].numpy())
    arguments = [str(file), str(tmp_path / "latent.npy"), str(tmp_path / "image.npy")]
    subprocess.run([sys.executable, "-c", ALONE, *arguments], check=True)
    with torch.no_grad():
        expected = gan.task.generate(gan.generator, batch)["fake"].numpy()
    assert np.allclose(np.load(tmp_path / "image.npy"), expected, atol=1e-5)


@pytest.mark.parametrize("direction", ["ab", "ba"])
def test_each_way_of_a_translator_is_a_file_of_its_own(direction: str, tmp_path: Path):
    assert trained(tmp_path, "model=cyclegan", "images=8") == 0
    cfg = composed(f"run={tmp_path}", "format=pt2", f"direction={direction}", name="export")
    file = export(cfg, QUIET)
    assert file.stem.endswith(direction)
    source = torch.rand(1, 3, 24, 16) * 2 - 1
    gan, _ = artefact.load(export(composed(f"run={tmp_path}", name="export"), QUIET))
    with torch.no_grad():
        expected = gan.task.translator(gan.generator, direction)(source)
        made = torch.export.load(file).module()(source)
    assert torch.allclose(made, expected, atol=1e-5)


def test_a_format_that_makes_other_images_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from gantool.formats import onnx

    def wrong(path: Path) -> onnx.Run:
        return lambda inputs: torch.full((len(inputs["latent"]), 3, 16, 16), 9.0)

    monkeypatch.setattr(onnx, "runtime", wrong)
    with pytest.raises(ValueError, match="nothing is written; use format=safetensors"):
        ONNX().write(subject_of("mlp"), tmp_path / "G.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", [ONNX(), PT2()])
def test_a_direction_that_a_generator_has_not_is_refused(form: Format, tmp_path: Path):
    subject: Any = subject_of("mlp")
    wrong = Subject(subject.gan, subject.card, "ab", 0)
    with pytest.raises(ValueError, match="direction=ab: this generator makes images of latents"):
        form.write(wrong, tmp_path / f"G{form.suffix}")


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gantool.formats.onnx.NEEDED", ("onnx", "no_such_package"))
    with pytest.raises(ValueError, match=r"needs no_such_package: pip install 'gantool\[export\]'"):
        ONNX().check(subject_of("mlp"))
