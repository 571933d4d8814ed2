"""Images made smaller: super-resolution."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_files import (  # noqa: F401  # fixtures
    RANDOM,
    _clean_slate,
    everything,
    fill,
    noise,
    of_file,
    refused,
    root_here,
    save,
    shown,
)
from PIL import Image
from torch.nn.functional import avg_pool2d

from gantool.data.superres import shrunk, superres


def pillow(image: np.ndarray, scale: int) -> np.ndarray:
    height, width = image.shape[0] // scale, image.shape[1] // scale
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)).reshape(height, width, -1)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_made_smaller_as_pillow_does_it_within_rounding(scale: int, channels: int):
    image = RANDOM.integers(64, 192, (48, 72, channels), np.uint8)  # nothing is clipped between two passes
    mine = shrunk(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], scale)[0].permute(1, 2, 0)
    assert np.abs(mine.numpy().astype(int) - pillow(image, scale)).max() <= 1  # Pillow rounds twice


def test_transparency_is_made_smaller_as_pillow_does_it():
    image = RANDOM.integers(64, 192, (40, 40, 4), np.uint8)  # nothing is clipped between two passes
    mine = shrunk(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], 4)[0].permute(1, 2, 0)
    assert np.abs(mine.numpy().astype(int) - pillow(image, 4)).max() <= 3  # Pillow multiplies 8 bits by alpha


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_plain_images_stay_plain_and_fine_stripes_become_grey(dtype: torch.dtype):
    full = torch.iinfo(dtype).max
    plain = torch.full((2, 3, 12, 12), full).to(dtype)
    assert torch.equal(shrunk(plain, 3), plain[:, :, :4, :4])
    stripes = (torch.arange(48) % 2 * full).expand(1, 1, 48, 48).to(dtype)
    assert (shrunk(stripes, 4).int()[..., 2:-2] - full / 2).abs().max() <= 0.01 * full


def test_making_smaller_preserves_the_mean_of_smooth_images():
    y, x = np.mgrid[0:64, 0:64] / 64
    image = torch.from_numpy(np.rint(100 + 60 * x + 40 * y**2).astype(np.uint8))[None, None]
    means = avg_pool2d(image.float(), 4)
    assert (shrunk(image, 4).float() - means)[..., 1:-1, 1:-1].abs().max() <= 1


def test_invisible_pixels_lend_no_colour():
    image = torch.zeros(1, 4, 16, 16, dtype=torch.uint8)
    image[:, 1, :, :8], image[:, 3, :, :8] = 255, 255  # opaque green on the left
    image[:, 0, :, 8:] = 255  # invisible red on the right
    [result] = shrunk(image, 4)
    visible = result[3] > 10
    assert result[0][visible].max() == 0
    assert result[1][visible].min() > 250
    for channel, value in enumerate([255, 0, 0]):  # what is hidden keeps its colour
        assert (result[channel, :, -1] == value).all()


def test_mirror_images_are_made_smaller_alike():
    images = torch.from_numpy(RANDOM.integers(0, 256, (2, 3, 24, 24), np.uint8))
    assert torch.equal(shrunk(images.flip(3), 3), shrunk(images, 3).flip(3))


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_source_is_the_target_made_smaller(in_memory: bool, root: Path):
    fill(root, "1.png", "2.png", size=(24, 16))
    images = superres(str(root), scale=4, in_memory=in_memory)
    assert (images.shape, images.source_shape, images.streamed) == ((3, 24, 16), (3, 6, 4), not in_memory)
    assert (everything(images, "target")[1] == of_file(root / "2.png")).all()
    batch = shown(images.mirrored(), 0, 8)
    assert torch.equal(batch["source"], shrunk(batch["target"], 4))


def test_targets_are_crops_from_anywhere_in_images_of_any_size(root: Path):
    large = [save(root / f"{k}.png", noise(*size)) for k, size in enumerate([(9, 20), (14, 8)])]
    images = superres(str(root), scale=2, resolution=8)
    windows = {
        image[top : top + 8, left : left + 8].tobytes()
        for image in large
        for top in range(image.shape[0] - 7)
        for left in range(image.shape[1] - 7)
    }
    crops = shown(images, 0, 600)["target"].permute(0, 2, 3, 1).contiguous()
    assert {crop.numpy().tobytes() for crop in crops} == windows


def test_sizes_that_are_no_multiples_of_the_scale_are_cropped(root: Path):
    [image] = [save(root / "1.png", noise(11, 14))]
    images = superres(str(root), scale=4)
    assert images.shape == (3, 8, 12)
    assert (everything(images, "target")[0] == image[1:9, 1:13]).all()


def test_images_smaller_than_the_crops_are_left_out(root: Path, caplog: pytest.LogCaptureFixture):
    fill(root, "1.png", size=(16, 16))
    fill(root, "2.png", "3.png", size=(7, 16))
    assert len(superres(str(root), scale=2, resolution=8)) == 1
    assert "2 of 3 images" in caplog.text
    assert "give 16 or less" in refused(superres, str(root), scale=2)  # 96 by default


def test_the_advised_size_of_crops_fits_into_an_image(root: Path):
    fill(root, "1.png", size=(100, 10))
    fill(root, "2.png", size=(10, 100))
    assert "give 8 or less" in refused(superres, str(root))
    assert superres(str(root), resolution=8).shape == (3, 8, 8)


@pytest.mark.parametrize("resolution", [None, 4, 16])
def test_images_smaller_than_the_scale_are_told_so(resolution: int | None, root: Path):
    fill(root, "1.png", "2.png", size=(3, 3))
    message = refused(superres, str(root), scale=4, resolution=resolution)
    assert message.startswith("data.scale=4: ")
    assert "at most 3 pixels" in message


def test_no_number_of_bytes_is_refused(root: Path):
    fill(root, "1.png", size=(16, 16))
    assert "data.memory=2GB: give a number of bytes" in refused(superres, str(root), memory="2GB")


@pytest.mark.parametrize("wrong", [{"resolution": 10}, {"scale": 1}, {"scale": 0}, {"scale": 2.5}])
def test_an_impossible_scale_is_refused(wrong: dict[str, Any], root: Path):
    fill(root, "1.png", size=(16, 16))
    assert "data.scale=" in refused(superres, str(root), **{"resolution": 16, "scale": 4, **wrong})
