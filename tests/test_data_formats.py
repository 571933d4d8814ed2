"""Images of every format, mode, depth and size become arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_files import RANDOM, _clean_slate, everything, load, noise, refused, root_here, save  # noqa: F401  # fixtures
from PIL import Image

from gantool.data.colours import change_depth, recolour
from gantool.data.resize import Format, resize

# Formats and modes


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "TIFF", "bmp"])
def test_lossless_formats_are_read_bit_for_bit(suffix: str, root: Path):
    pixels = noise()
    save(root / f"a.{suffix}", pixels, lossless=True)
    assert (everything(load(root))[0] == pixels).all()


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "JPG"])
def test_jpeg_is_read_as_pillow_reads_it(suffix: str, root: Path):
    save(root / f"a.{suffix}", noise(16, 16))
    assert (everything(load(root))[0] == np.asarray(Image.open(root / f"a.{suffix}"))).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_are_those_of_the_files(channels: int, root: Path):
    pixels = noise(6, 9, channels)
    save(root / "a.png", pixels)
    images = load(root)
    assert images.shape == (channels, 6, 9)
    assert (everything(images)[0] == pixels.reshape(6, 9, channels)).all()


def test_the_first_frame_of_an_animation_is_taken(root: Path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(root / "a.gif", save_all=True, append_images=frames[1:])
    assert (everything(load(root, channels=3)) == [255, 0, 0]).all()


@pytest.mark.parametrize("transparent", [False, True])
def test_palettes_become_rgb_or_with_transparency_rgba(transparent: bool, root: Path):
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.info.update({"transparency": 1} if transparent else {})
    picture.save(root / "a.png")
    expected = [255, 255, 255, 0] if transparent else [40, 50, 60]  # what is hidden has the background's
    assert (everything(load(root)) == expected).all()


def test_hidden_colours_become_the_backgrounds_and_visible_ones_stay(root: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    pixels[:4, :, 3] = 0
    pixels[4:, :, 3] = 1
    Image.fromarray(pixels).save(root / "a.png")
    [image] = everything(load(root, background="red"))
    assert (image[:4] == [255, 0, 0, 0]).all()
    assert np.array_equal(image[4:], pixels[4:])


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("CMYK", 3), ("LAB", 3)])
def test_other_modes_become_the_nearest_of_ours(mode: str, channels: int, root: Path):
    Image.new(mode, (4, 4)).save(root / "a.tif")
    assert load(root).shape == (channels, 4, 4)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_keeps_every_bit(suffix: str, root: Path):
    pixels = RANDOM.integers(0, 65536, (8, 8)).astype(np.uint16)
    save(root / f"a.{suffix}", pixels)
    images = load(root)
    assert images[[0]]["image"].dtype == torch.uint16
    assert (everything(images)[0, :, :, 0] == pixels).all()


def test_big_endian_tiff_has_the_same_values(root: Path):
    pixels = RANDOM.integers(0, 65536, (8, 8)).astype(np.uint16)
    Image.frombytes("I;16B", (8, 8), pixels.astype(">u2").tobytes()).save(root / "a.tif")
    assert (everything(load(root))[0, :, :, 0] == pixels).all()


def test_depths_convert_into_each_other_and_keep_white():
    pixels = noise()
    deep = change_depth(pixels, np.dtype(np.uint16))
    assert (deep / 65535 == pixels / 255).all()
    assert (change_depth(deep, np.dtype(np.uint8)) == pixels).all()


def test_the_commonest_depth_wins(root: Path):
    save(root / "a.png", np.full((4, 4), 65535, np.uint16))
    save(root / "b.png", np.full((4, 4), 100, np.uint8))
    save(root / "c.png", np.full((4, 4), 100, np.uint8))
    images = load(root)
    assert images[[0]]["image"].dtype == torch.uint8
    assert everything(images).max((1, 2, 3)).tolist() == [255, 100, 100]


def test_the_commonest_mode_wins(root: Path):
    for name in ("a", "b"):
        save(root / f"{name}.png", noise(channels=4))
    save(root / "c.png", noise(channels=1))
    assert load(root).shape[0] == 4


def test_floating_point_images_are_corrupt_and_say_why(root: Path):
    save(root / "a.tif", np.zeros((4, 4), np.float32))
    assert "a.tif (floating-point pixels" in refused(load, root)


def test_exif_orientation_is_respected(root: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown upright after a quarter turn clockwise
    pixels = noise(4, 6)
    save(root / "a.png", pixels, exif=exif)
    images = load(root)
    assert images.shape == (3, 6, 4)
    assert (everything(images)[0] == np.rot90(pixels, -1)).all()


def test_an_images_content_counts_not_its_suffix(root: Path):
    pixels = noise()
    save(root / "a.png", pixels)
    (root / "a.png").rename(root / "a.jpg")
    assert (everything(load(root))[0] == pixels).all()


# Colours


def test_grey_becomes_rgb_by_repetition_and_back_again_exactly():
    grey = noise(channels=1)[:, :, None]
    colour = recolour(grey, 3)
    assert all((colour[:, :, c] == grey[:, :, 0]).all() for c in range(3))
    assert (recolour(colour, 1) == grey).all()


def test_luminance_is_pillows():
    pixels = noise(32, 32)
    assert (recolour(pixels, 1)[:, :, 0] == np.asarray(Image.fromarray(pixels).convert("L"))).all()


@pytest.mark.parametrize(("background", "behind"), [("white", 255), ("black", 0)])
def test_transparency_shows_the_background(background: str, behind: int, root: Path):
    pixels = noise(channels=4)
    save(root / "a.png", pixels)
    alpha = pixels[:, :, 3:] / 255
    expected = pixels[:, :, :3] * alpha + behind * (1 - alpha)
    shown = everything(load(root, channels=3, background=background))[0]
    np.testing.assert_allclose(shown, expected, atol=0.501)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("present", [1, 2, 3, 4])
@pytest.mark.parametrize("wanted", [1, 2, 3, 4])
def test_white_and_black_stay_what_they_are_in_any_channels(dtype: type, present: int, wanted: int):
    full = np.iinfo(dtype).max
    for level in (0, full):
        image = np.full((2, 2, present), level, dtype)
        if present in (2, 4):
            image[:, :, -1] = full
        expected = [level] * (wanted if wanted in (1, 3) else wanted - 1) + [full] * (wanted in (2, 4))
        assert (recolour(image, wanted) == expected).all()


def test_an_unknown_background_is_refused(root: Path):
    save(root / "a.png", noise())
    assert "data.background=nocolour" in refused(load, root, background="nocolour")


# Sizes


def test_images_of_one_size_keep_it(root: Path):
    for name in ("a", "b"):
        save(root / f"{name}.png", noise(5, 7))
    assert load(root).shape == (3, 5, 7)


def test_images_of_several_sizes_become_64(root: Path):
    save(root / "a.png", noise(5, 7))
    save(root / "b.png", noise(90, 30))
    assert load(root).shape == (3, 64, 64)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_image_takes_any_shape_and_a_plain_one_stays_plain(fit: str, channels: int, dtype: type):
    plain = np.full((20, 30, channels), np.iinfo(dtype).max, dtype)
    form = Format(channels, (9, 31), depth=8 * plain.itemsize, fit=fit)
    shaped = form(plain)
    assert shaped.shape == (channels, 9, 31)
    opaque = shaped[:, shaped[-1] > 0]
    assert (opaque == np.iinfo(dtype).max).all()


def test_crop_keeps_the_middle(root: Path):
    pixels = noise(8, 14)
    save(root / "a.png", pixels)
    assert (everything(load(root, resolution=8))[0] == pixels[:, 3:11]).all()


def test_pad_adds_background_on_both_sides(root: Path):
    pixels = noise(8, 4)
    save(root / "a.png", pixels)
    padded = everything(load(root, resolution=8, fit="pad", background="#010203"))[0]
    assert (padded[:, 2:6] == pixels).all()
    assert (padded[:, [0, 1, 6, 7]] == [1, 2, 3]).all()


def test_pad_of_transparent_images_is_transparent(root: Path):
    save(root / "a.png", np.full((8, 4, 4), 255, np.uint8))
    padded = everything(load(root, resolution=8, fit="pad"))[0]
    assert (padded[:, :, 3] == [0, 0, 255, 255, 255, 255, 0, 0]).all()


def test_stretch_uses_the_whole_image(root: Path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, 8:] = 255
    save(root / "a.png", pixels)
    stretched = everything(load(root, resolution=8, fit="stretch"))[0]
    assert (stretched[:, :3] < 60).all()
    assert (stretched[:, 5:] > 195).all()


def test_resizing_is_pillows_lanczos(root: Path):
    pixels = noise(40, 40)
    save(root / "a.png", pixels)
    expected = np.asarray(Image.fromarray(pixels).resize((16, 16), Image.Resampling.LANCZOS))
    assert (everything(load(root, resolution=16))[0] == expected).all()


def test_shrinking_is_antialiased():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))[:, :, None]
    grey = resize(stripes, (8, 8))
    assert abs(grey[2:-2, 2:-2].astype(int) - 127).max() <= 3


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_resized_as_8_bits_are(channels: int):
    pixels = 80 + noise(31, 23, channels).reshape(31, 23, channels) // 3  # far from where 8 bits are cut
    deep = resize(change_depth(pixels, np.dtype(np.uint16)), (10, 12))
    np.testing.assert_allclose(deep / 257, resize(pixels, (10, 12)), atol=3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparent_pixels_do_not_bleed(dtype: type):
    full = np.iinfo(dtype).max
    image = np.zeros((32, 32, 4), dtype)
    image[:, :16] = [0, full, 0, full]  # opaque green on the left
    image[:, 16:] = [full, 0, 0, 0]  # invisible red on the right
    for size in ((11, 11), (50, 50)):
        small = resize(image, size)
        visible = small[small[:, :, 3] > full // 50]
        assert visible[:, 0].max() == 0
        assert visible[:, 1].min() > 0.9 * full


@pytest.mark.parametrize("resolution", [0, -4, [8], [8, 8, 8], "64x64", [8, 0], 7.5])
def test_an_impossible_resolution_is_refused(resolution: Any, root: Path):
    save(root / "a.png", noise())
    assert "data.resolution=" in refused(load, root, resolution=resolution)


@pytest.mark.parametrize(("key", "value"), [("channels", 5), ("fit", "squeeze"), ("on_corrupt", "ignore")])
def test_an_impossible_choice_is_refused(key: str, value: Any, root: Path):
    save(root / "a.png", noise())
    assert f"data.{key}={value}" in refused(load, root, **{key: value})
