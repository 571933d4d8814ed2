"""gantool translate: files in, files out, from the checkpoint alone."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401, the fixture
from image_files import RANDOM, _clean_slate  # noqa: F401  # a fixture
from omegaconf import OmegaConf
from PIL import Image
from small import OF_IMAGES, composed, small, trained
from torch import Tensor, nn

from gantool.build import build
from gantool.checkpoint import load
from gantool.data.colours import WHITE, recolour
from gantool.data.resize import resize
from gantool.images import to_uint8
from gantool.memory import OutOfMemory
from gantool.summary import after
from gantool.tiles import Tiles
from gantool.translate import main, results_of, write
from gantool.translator import Translator


@pytest.fixture(scope="module")
def pix2pix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pix2pix")
    trained(folder, "model=pix2pix", "images=16")
    return folder


@pytest.fixture(scope="module")
def cyclegan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From grey images to RGB, and back."""
    folder = tmp_path_factory.mktemp("cyclegan")
    trained(folder, "model=cyclegan", "images=16", "data.source_channels=1", "~loss.G.identity")
    return folder


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noise")
    trained(folder, "images=16")
    return folder


def do(run: Path, source: Path, out: Path, *overrides: str) -> None:
    main(composed(f"run={run}", f"input={source}", f"out={out}", "device=cpu", *overrides, name="translate"))


def image(height: int, width: int, channels: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, channels), np.uint8)


def put(path: Path, picture: np.ndarray) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).save(path)
    return picture


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as file:
        return np.array(file).reshape(file.height, file.width, -1)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def made(run: Path, way: str, picture: np.ndarray) -> np.ndarray:
    """What a generator makes of a picture (H, W, C) in the channels that it takes."""
    gan, _ = load(run / "checkpoints" / "last.ckpt")
    source = torch.from_numpy(picture.transpose(2, 0, 1).copy()).float()[None] / 127.5 - 1
    with torch.no_grad():
        return to_uint8(gan.generator[way](source))[0]  # pyright: ignore


class Identity(nn.Module):
    """Also enlarges, by whole pixels."""

    def __init__(self, scale: int = 1):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


def translator(network: nn.Module, channels: int = 3, **changes: Any) -> Translator:
    plain = {
        "trained": 16,
        "background": WHITE,
        "side": None,
        "tiles": Tiles(),
        "transparent": True,
        "seed": 0,
    }
    return Translator(network, channels, **{**plain, **changes})


# Files


def test_folders_are_kept_every_size_is_taken_and_all_results_are_png(cyclegan: Path, tmp_path: Path):
    sizes = {"one.jpg": (16, 16), "sub/two.bmp": (37, 53), "sub/deep/three.webp": (5, 70)}
    for name, size in sizes.items():
        put(tmp_path / "in" / name, image(*size, 3))
    (tmp_path / "in" / "notes.txt").write_text("no image")
    do(cyclegan, tmp_path / "in", tmp_path / "out")
    assert files(tmp_path / "out") == ["one.png", "sub/deep/three.png", "sub/two.png"]
    for name, (height, width) in sizes.items():
        assert pixels((tmp_path / "out" / name).with_suffix(".png")).shape == (height, width, 3)


def test_a_result_is_what_g_makes_of_the_image_as_training_would_see_it(cyclegan: Path, tmp_path: Path):
    grey, rgb = put(tmp_path / "in" / "grey.png", image(20, 24, 1)), image(20, 24, 3)
    put(tmp_path / "in" / "rgb.png", rgb)
    do(cyclegan, tmp_path / "in", tmp_path / "ab")
    assert np.array_equal(pixels(tmp_path / "ab" / "grey.png"), made(cyclegan, "ab", grey))
    assert np.array_equal(pixels(tmp_path / "ab" / "rgb.png"), made(cyclegan, "ab", recolour(rgb, 1)))
    do(cyclegan, tmp_path / "in", tmp_path / "ba", "direction=ba")
    assert np.array_equal(pixels(tmp_path / "ba" / "rgb.png"), made(cyclegan, "ba", rgb))
    assert np.array_equal(pixels(tmp_path / "ba" / "grey.png"), made(cyclegan, "ba", recolour(grey, 3)))


def test_noise_depends_on_the_seed_and_the_image_alone(pix2pix: Path, tmp_path: Path):
    picture = put(tmp_path / "alone" / "a.png", image(16, 16, 3))
    put(tmp_path / "many" / "sub" / "renamed.bmp", picture)
    put(tmp_path / "many" / "0.png", image(16, 16, 3))
    do(pix2pix, tmp_path / "alone", tmp_path / "1")
    do(pix2pix, tmp_path / "alone" / "a.png", tmp_path / "2")
    do(pix2pix, tmp_path / "many", tmp_path / "3")
    do(pix2pix, tmp_path / "alone", tmp_path / "4", "seed=1")
    first = pixels(tmp_path / "1" / "a.png")
    assert np.array_equal(first, pixels(tmp_path / "2" / "a.png"))
    assert np.array_equal(first, pixels(tmp_path / "3" / "sub" / "renamed.png"))
    assert not np.array_equal(first, pixels(tmp_path / "4" / "a.png"))


def test_translating_leaves_other_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    translator(Identity())(image(16, 16, 3))
    assert torch.equal(torch.rand(3), expected)


def test_corrupt_files_are_named_and_left_out_and_the_others_translated(
    gantool: Gantool,  # noqa: F811
    cyclegan: Path,
    tmp_path: Path,
):
    put(tmp_path / "in" / "good.png", image(16, 16, 3))
    (tmp_path / "in" / "sub").mkdir()
    (tmp_path / "in" / "sub" / "broken.png").write_bytes((tmp_path / "in" / "good.png").read_bytes()[:99])
    answer = gantool("translate", f"run={cyclegan}", "input=in", "out=out", "device=cpu")
    assert answer.code == 1
    assert files(tmp_path / "out") == ["good.png"]
    assert "1 of 2 images in in cannot be read" in answer.err
    assert "sub/broken.png: " in answer.err
    assert answer.out.startswith("1 image by ")


def test_by_default_results_go_to_the_run_folder_named_by_moment_direction_and_input(
    cyclegan: Path, tmp_path: Path
):
    put(tmp_path / "horse.png", image(16, 16, 3))
    cfg = composed(f"run={cyclegan}", f"input={tmp_path}/horse.png", "device=cpu", name="translate")
    main(cfg)
    cfg.direction = "ba"
    main(cfg)
    for name in ("translated-000000016-horse", "translated-000000016-ba-horse"):
        assert files(cyclegan / name) == ["horse.png"]


def test_the_images_of_a_zip_are_translated(cyclegan: Path, tmp_path: Path):
    picture = put(tmp_path / "a.png", image(16, 16, 1))
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "sub/a.png")
    do(cyclegan, tmp_path / "some.zip", tmp_path / "out")
    assert np.array_equal(pixels(tmp_path / "out" / "sub" / "a.png"), made(cyclegan, "ab", picture))


def test_a_zip_cannot_write_outside_of_out(cyclegan: Path, tmp_path: Path):
    put(tmp_path / "a.png", image(16, 16, 1))
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.write(tmp_path / "a.png")
        archive.filelist[0].filename = f"{tmp_path}/outside/a.png"
    with pytest.raises(ValueError, match="would be written outside of"):
        do(cyclegan, tmp_path / "bad.zip", tmp_path / "out")
    assert not (tmp_path / "outside").exists()


def test_files_of_one_stem_get_results_of_their_own():
    assert results_of(["a.jpg", "a.PNG", "b/a.jpg", "A.tif"]) == [
        "a.jpg.png",
        "a.PNG.png",
        "b/a.png",
        "A.tif.png",
    ]


def test_strips_show_source_and_result_side_by_side(cyclegan: Path, tmp_path: Path):
    picture = put(tmp_path / "in" / "sub" / "a.png", image(16, 20, 1))
    do(cyclegan, tmp_path / "in", tmp_path / "out", "strips=true")
    assert files(tmp_path / "out") == ["strips/sub/a.png", "sub/a.png"]
    strip = pixels(tmp_path / "out" / "strips" / "sub" / "a.png")
    assert np.array_equal(strip[2:18, 2:22], picture.repeat(3, 2))
    assert np.array_equal(strip[2:18, 24:44], pixels(tmp_path / "out" / "sub" / "a.png"))


# Nothing is lost


def test_results_that_are_there_are_replaced_only_when_asked(cyclegan: Path, tmp_path: Path):
    put(tmp_path / "in" / "a.png", image(16, 16, 3))
    old = put(tmp_path / "out" / "a.png", image(4, 4, 3))
    with pytest.raises(ValueError, match=r"holds 1 of 1 results already, such as a\.png.*overwrite=true"):
        do(cyclegan, tmp_path / "in", tmp_path / "out")
    assert np.array_equal(pixels(tmp_path / "out" / "a.png"), old)
    do(cyclegan, tmp_path / "in", tmp_path / "out", "overwrite=true")
    assert pixels(tmp_path / "out" / "a.png").shape == (16, 16, 3)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file is a file; give a folder"):
        do(cyclegan, tmp_path / "in", tmp_path / "file", "overwrite=true")


@pytest.mark.parametrize("inside", [".", "results"])
def test_results_do_not_join_their_sources(cyclegan: Path, tmp_path: Path, inside: str):
    picture = put(tmp_path / "a.png", image(16, 16, 3))
    with pytest.raises(ValueError, match="lies in input="):
        do(cyclegan, tmp_path, tmp_path / inside, "overwrite=true")
    with pytest.raises(ValueError, match="would replace its source"):
        do(cyclegan, tmp_path / "a.png", tmp_path, "overwrite=true")
    assert np.array_equal(pixels(tmp_path / "a.png"), picture)
    assert files(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.jpg", "a.png", "a.jpg.png"], r"two results would be a\.jpg\.png; rename"),
        (["a.jpg", "a.png", "A.JPG.bmp"], r"two results would be a\.jpg\.png; rename"),
        (["a.jpg", "a.png/b.jpg"], r"a\.png would be a result, and the folder of a\.png/b\.png; rename"),
    ],
)
def test_results_that_would_take_each_others_place_are_refused(
    names: list[str], message: str, cyclegan: Path, tmp_path: Path
):
    for name in names:
        put(tmp_path / "in" / name, image(16, 16, 3))
    with pytest.raises(ValueError, match=message):
        do(cyclegan, tmp_path / "in", tmp_path / "out", "overwrite=true")
    assert not (tmp_path / "out").exists()


def test_a_folder_and_a_file_are_never_replaced_by_each_other(cyclegan: Path, tmp_path: Path):
    put(tmp_path / "in" / "b.png", image(16, 16, 3))
    put(tmp_path / "in" / "sub" / "a.png", image(16, 16, 3))
    (tmp_path / "1" / "sub").mkdir(parents=True)
    (tmp_path / "1" / "b.png").mkdir()
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "sub").touch()
    for out, message in (("1", r"b\.png is a folder there"), ("2", "sub is a file there")):
        with pytest.raises(ValueError, match=message):
            do(cyclegan, tmp_path / "in", tmp_path / out, "overwrite=true")
    assert files(tmp_path / "1") + files(tmp_path / "2") == ["sub"]


def test_results_that_reach_into_the_input_from_above_are_refused(cyclegan: Path, tmp_path: Path):
    inside = tmp_path / "nest" / "sub"
    pictures = {name: put(inside / name, image(16, 16, 3)) for name in ("x.png", "sub/x.png")}
    with pytest.raises(ValueError, match=r"sub/x\.png would join its sources"):
        do(cyclegan, inside, tmp_path / "nest", "overwrite=true")
    assert files(tmp_path / "nest") == ["sub/sub/x.png", "sub/x.png"]
    assert all(np.array_equal(pixels(inside / name), picture) for name, picture in pictures.items())


def test_a_source_that_is_a_link_to_where_its_result_would_be_is_kept(cyclegan: Path, tmp_path: Path):
    picture = put(tmp_path / "out" / "a.png", image(16, 16, 3))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").symlink_to(tmp_path / "out" / "a.png")
    with pytest.raises(ValueError, match="would replace its source"):
        do(cyclegan, tmp_path / "in", tmp_path / "out", "overwrite=true")
    assert np.array_equal(pixels(tmp_path / "out" / "a.png"), picture)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_result_replaces_another_once_it_is_complete(
    dtype: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    old = put(tmp_path / "a.png", image(16, 16, 3))

    def half(self: Image.Image, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(KeyboardInterrupt):
        write(np.zeros((8, 8, 1), dtype), tmp_path / "a.png")
    assert files(tmp_path) == ["a.png"]
    assert np.array_equal(pixels(tmp_path / "a.png"), old)
    monkeypatch.undo()
    write(np.zeros((8, 8, 1), dtype), tmp_path / "a.png")
    assert files(tmp_path) == ["a.png"]
    assert pixels(tmp_path / "a.png").shape == (8, 8, 1)


def test_a_folder_named_strips_is_not_mixed_with_ours(cyclegan: Path, tmp_path: Path):
    put(tmp_path / "in" / "strips" / "a.png", image(16, 16, 3))
    with pytest.raises(ValueError, match="has a folder strips of its own"):
        do(cyclegan, tmp_path / "in", tmp_path / "out", "strips=true")


# Sizes


@pytest.mark.parametrize(
    ("size", "shape"), [("null", (20, 50)), ("trained", (16, 40)), ("32", (32, 80)), ("20", (20, 50))]
)
def test_the_shorter_side_is_as_asked_and_proportions_stay(
    cyclegan: Path, tmp_path: Path, size: str, shape: tuple[int, int]
):
    picture = put(tmp_path / "a.png", image(20, 50, 1))
    do(cyclegan, tmp_path / "a.png", tmp_path / "out", f"size={size}")
    result = pixels(tmp_path / "out" / "a.png")
    assert result.shape == (*shape, 3)
    assert np.array_equal(result, made(cyclegan, "ab", resize(picture, shape)))


def test_images_much_larger_than_those_of_training_are_remarked(
    gantool: Gantool,  # noqa: F811
    cyclegan: Path,
    tmp_path: Path,
):
    put(tmp_path / "in" / "large.png", image(33, 40, 1))
    put(tmp_path / "in" / "usual.png", image(32, 99, 1))
    answer = gantool("translate", f"run={cyclegan}", "input=in", "out=out", "device=cpu")
    assert answer.code == 0
    assert "had 16 pixels in training; those of 1 of 2 images" in answer.out
    answer = gantool("translate", f"run={cyclegan}", "input=in", "out=2", "device=cpu", "size=trained")
    assert "twice" not in answer.out


@pytest.mark.parametrize("model", OF_IMAGES)
@pytest.mark.parametrize("size", [(1, 1), (37, 53)])
def test_every_model_that_translates_takes_any_size(model: str, size: tuple[int, int]):
    cfg = composed(*small(f"model={model}"))
    task = build(OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))).task.eval()  # pyright: ignore
    source, fake, picture = translator(task.translator(task.G, None))(image(*size, 3))
    assert source.shape == (1, 3, *size)
    scale = cfg.data.get("scale", 1)
    assert picture.shape == (scale * size[0], scale * size[1], 3)
    assert np.array_equal(picture, to_uint8(fake)[0])


def test_tiles_of_an_image_are_shown_to_g_one_by_one(cyclegan: Path, tmp_path: Path):
    put(tmp_path / "a.png", image(70, 40, 1))
    do(cyclegan, tmp_path / "a.png", tmp_path / "whole")
    do(cyclegan, tmp_path / "a.png", tmp_path / "tiled", "tile=32", "overlap=8")
    assert pixels(tmp_path / "tiled" / "a.png").shape == pixels(tmp_path / "whole" / "a.png").shape
    assert not np.array_equal(pixels(tmp_path / "tiled" / "a.png"), pixels(tmp_path / "whole" / "a.png"))


@pytest.mark.parametrize(("tile", "cure"), [(None, "tile=80"), (100, "tile=50"), (40, "device=cpu")])
def test_an_image_that_does_not_fit_into_memory_is_named_with_the_cure(tile: int | None, cure: str):
    class Large(Identity):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("CUDA out of memory")

    with pytest.raises(OutOfMemory, match=rf"160 x 90 pixels: out of memory.*{cure}"):
        translator(Large(), tiles=Tiles(tile))(image(90, 160, 3))


# Colours


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("scale", [1, 3])
def test_a_network_that_changes_nothing_gives_back_its_source(channels: int, scale: int):
    """Every pixel, but of those that are nearly transparent, whose colour nobody sees."""
    picture = image(20, 30, channels)
    if channels in (2, 4):
        picture[:, :, -1] = RANDOM.choice([0, 255], (20, 30))
    takes = {1: 1, 2: 1, 3: 3, 4: 3}[channels]
    _, _, result = translator(Identity(scale), takes)(picture)
    assert result.shape == (20 * scale, 30 * scale, channels)
    if scale == 1:
        seen = picture[:, :, -1:] > 0 if channels in (2, 4) else True
        assert np.array_equal(np.where(seen, picture, 0), np.where(seen, result, 0))


def test_before_the_same_background_a_result_with_alpha_is_what_the_network_made():
    picture = image(20, 30, 4)
    picture[:, :, 3] = RANDOM.integers(100, 256, (20, 30))
    _, fake, result = translator(Identity())(picture)
    assert np.array_equal(result[:, :, 3], picture[:, :, 3])
    assert abs(recolour(result, 3).astype(int) - to_uint8(fake)[0]).max() <= 1
    assert abs(result.astype(int) - picture).max() <= 2  # no pale rim where it is half transparent


def test_alpha_is_dropped_when_asked_and_made_by_networks_that_know_it():
    picture = image(20, 30, 4)
    _, fake, result = translator(Identity(), transparent=False)(picture)
    assert np.array_equal(result, recolour(picture, 3))
    _, _, result = translator(Identity(), 4)(picture)
    assert np.array_equal(result[picture[:, :, 3] > 0], picture[picture[:, :, 3] > 0])


def test_grey_of_16_bits_keeps_them(tmp_path: Path):
    picture = RANDOM.integers(0, 65536, (20, 30, 1), np.uint16)
    _, _, result = translator(Identity(), 1)(picture)
    assert result.dtype == np.uint16
    assert np.array_equal(result, picture)
    _, _, rgb = translator(Identity(), 3)(picture)
    assert rgb.dtype == np.uint8


def test_files_of_16_bits_and_turned_ones_are_read_and_written(cyclegan: Path, tmp_path: Path):
    deep = RANDOM.integers(0, 65536, (20, 30), np.uint16)
    (tmp_path / "in").mkdir()
    Image.fromarray(deep).save(tmp_path / "in" / "deep.png")
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(image(16, 24, 3)).save(tmp_path / "in" / "turned.jpg", exif=exif)
    do(cyclegan, tmp_path / "in", tmp_path / "ba", "direction=ba")
    with Image.open(tmp_path / "ba" / "deep.png") as file:
        assert file.mode == "I;16"
        assert file.size == (30, 20)
    assert pixels(tmp_path / "ba" / "turned.png").shape == (24, 16, 1)


# Wrong requests


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["direction=up"], "direction=up: give ab, from a to b, or ba"),
        (["size=0"], "size=0: give the pixels of the shorter side, or trained, or null"),
        (["size=half"], "size=half"),
        (["alpha=white"], "alpha=white: give keep or drop"),
        (["seed=-1"], "seed=-1"),
        (["tile=3"], "tile=3: give a number of pixels"),
        (["input=nowhere"], "input=nowhere is not there; give a folder"),
        (["out=result.png"], r"out=result\.png: give a folder"),
        (["device=nowhere"], "device=nowhere: not available here"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_written(
    overrides: list[str], message: str, cyclegan: Path, tmp_path: Path
):
    put(tmp_path / "a.png", image(16, 16, 3))
    with pytest.raises(ValueError, match=message):
        do(cyclegan, tmp_path / "a.png", tmp_path / "out", *overrides)
    assert files(tmp_path) == ["a.png"]


def test_folders_without_images_and_other_files_are_refused(cyclegan: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no images"):
        do(cyclegan, tmp_path / "empty", tmp_path / "out")
    (tmp_path / "some.zip").write_text("no zip")
    with pytest.raises(ValueError, match="neither a folder, a zip, an image nor a video"):
        do(cyclegan, tmp_path / "some.zip", tmp_path / "out")


def test_a_model_of_pairs_knows_one_direction(pix2pix: Path, tmp_path: Path):
    put(tmp_path / "a.png", image(16, 16, 3))
    with pytest.raises(ValueError, match=r"last\.ckpt: direction=ba: this model knows one way.*leave it out"):
        do(pix2pix, tmp_path / "a.png", tmp_path / "out", "direction=ba")


def test_a_model_of_latents_is_refused_and_gantool_sample_named(noise: Path, tmp_path: Path):
    put(tmp_path / "a.png", image(16, 16, 3))
    with pytest.raises(ValueError, match=r"Generation makes images of latents.*use gantool sample"):
        do(noise, tmp_path / "a.png", tmp_path / "out")


def test_a_model_that_enlarges_has_no_trained_size(tmp_path: Path):
    trained(tmp_path / "run", "model=srresnet", "images=16")
    picture = put(tmp_path / "a.png", image(16, 20, 4))
    with pytest.raises(ValueError, match="size=trained: this model enlarges"):
        do(tmp_path / "run", tmp_path / "a.png", tmp_path / "out", "size=trained")
    do(tmp_path / "run", tmp_path / "a.png", tmp_path / "out")
    result = pixels(tmp_path / "out" / "a.png")
    assert result.shape == (64, 80, 4)
    assert np.array_equal(result[:, :, 3], resize(picture[:, :, 3:], (64, 80))[:, :, 0])


@pytest.mark.parametrize(("verb", "of_latents"), [("sample", True), ("translate", False)])
def test_what_to_do_next_suits_the_model(verb: str, of_latents: bool, tmp_path: Path):
    assert f"gantool {verb} run={tmp_path}" in after(tmp_path, 10, 1.0, None, of_latents)


def test_other_verbs_name_this_one(pix2pix: Path, gantool: Gantool):  # noqa: F811
    answer = gantool("sample", f"run={pix2pix}", "device=cpu")
    assert answer.code == 2
    assert "use gantool translate" in answer.err


def test_shell_completion_offers_its_keys(gantool: Gantool, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    monkeypatch.setenv("COMP_LINE", "gantool translate ti")
    monkeypatch.setenv("COMP_POINT", "20")
    assert gantool("-sc", "query=bash").out.split() == ["tile="]
