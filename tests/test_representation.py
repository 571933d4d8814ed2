"""Features of discriminators."""

from pathlib import Path

import pytest
import torch
from rich.console import Console
from small import composed, trained
from torch import nn
from torch.nn.functional import max_pool2d

import gantool
from gantool.export import export
from gantool.representation import Features


def noise(count: int, *shape: int) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_features_are_the_maxima_of_sixteen_parts_of_each_map():
    D = nn.Sequential(
        nn.Conv2d(3, 5, 3, 1, 1), nn.ReLU(), nn.Conv2d(5, 2, 8, 8), nn.Flatten(), nn.Linear(8, 1)
    )
    images = noise(6, 3, 16, 16)
    seen = Features(D, (3, 16, 16))
    assert seen.layers == ("0", "2", "4")
    with torch.no_grad():
        first = D[0](images)
        second = D[2](D[1](first))
    expected = torch.cat([max_pool2d(first, 4).flatten(1), second.flatten(1)], 1)  # the logit left out
    assert torch.equal(seen(images), expected)
    assert torch.allclose(seen(images, batch_size=4), expected, atol=1e-6)
    assert torch.equal(Features(D, (3, 16, 16), layer="2")(images), second.flatten(1))
    with torch.no_grad():
        assert torch.equal(Features(D, (3, 16, 16), layer="4")(images), D(images))


@pytest.mark.parametrize("model", ["dcgan", "sngan", "stylegan2"])
def test_a_run_gives_features_of_its_discriminator_alone(model: str, tmp_path: Path):
    assert trained(tmp_path, f"model={model}", "images=16") == 0
    seen = gantool.features(str(tmp_path), device="cpu")
    images = noise(8, *seen.shape)
    found = seen(images)
    assert found.shape[0] == 8
    assert found.isfinite().all()
    assert (found.std(0) > 0).any()
    with pytest.raises(ValueError, match=f"layer=nothing: the layers of this D are {seen.layers[0]}"):
        gantool.features(str(tmp_path), layer="nothing")
    with pytest.raises(ValueError, match="judges images of"):
        seen(images[:, :, :8])


def test_a_discriminator_that_is_told_the_class_wants_it(tmp_path: Path):
    assert trained(tmp_path, "model=cgan", "images=16") == 0
    seen = gantool.features(str(tmp_path), device="cpu")
    images = noise(3, *seen.shape)
    with pytest.raises(ValueError, match="give labels="):
        seen(images)
    assert len(seen(images, torch.arange(3))) == 3


def test_what_has_no_single_judge_of_images_is_refused(tmp_path: Path):
    assert trained(tmp_path / "a", "model=dcgan", "images=8") == 0
    file = export(composed(f"run={tmp_path / 'a'}", name="export"), Console(quiet=True))
    with pytest.raises(ValueError, match="without its discriminator"):
        gantool.features(str(file))
    assert trained(tmp_path / "b", "model=pix2pix", "images=8") == 0
    with pytest.raises(ValueError, match="judges one image at a time"):
        gantool.features(str(tmp_path / "b"))


def test_features_of_an_image_depend_on_no_other_one(tmp_path: Path):
    assert trained(tmp_path, "images=8", "model.D.minibatch=stddev") == 0
    see = gantool.features(str(tmp_path), device="cpu")
    images = torch.rand(5, 3, 16, 16) * 2 - 1
    whole = see(images)
    assert torch.equal(see(images, batch_size=2), whole)
    assert torch.equal(see(images[:1]), whole[:1])
    with pytest.raises(ValueError, match="no image"):
        see(images[:0])
