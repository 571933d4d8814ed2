"""The verbs that move in a latent space: interpolate, project, mix, directions; samples by their number."""

import csv
import inspect
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401
from hydra.utils import get_object
from omegaconf import DictConfig
from PIL import Image
from rich.console import Console
from small import MODELS, SMALL, TOLD, composed, trained
from torch import Tensor, nn

from gantool import directions, interpolate, mix, project, sample
from gantool.chosen import chosen
from gantool.finished import Finished, drawn, finished, refuse_translation
from gantool.images import picture_of
from gantool.layers.styled import Styled
from gantool.spaces import space_of
from gantool.tasks.paired import Paired
from gantool.train import train

VERBS: dict[str, Any] = {
    "sample": sample,
    "interpolate": interpolate,
    "mix": mix,
    "project": project,
    "directions": directions,
}
SIDE, LAYERS = 16, 6


@final
class Linear(Styled):
    """A generator that is linear in its styles: image = sum over layers l of P_l A_l w_l."""

    def __init__(self, latent: int, channels: int, resolution: int, classes: int = 0):
        super().__init__(Mapping(latent, classes), 5, LAYERS)
        self.shape = (channels, resolution, resolution)
        self.A = nn.Parameter(torch.randn(LAYERS, 4, 5) / 4)
        self.P = nn.Parameter(torch.randn(LAYERS, 4, channels * resolution**2) / 16)

    def paint(self, styles: Tensor) -> Tensor:
        return torch.einsum("nlw,law,lap->np", styles, self.A, self.P).unflatten(1, self.shape)

    def affines(self) -> list[Tensor]:
        return list(self.A)


class Mapping(nn.Module):
    def __init__(self, latent: int, classes: int):
        super().__init__()
        self.linear = nn.Linear(latent, 5)
        self.known = nn.Embedding(classes, 5) if classes else None

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        w = self.linear(latent)
        return w if self.known is None else w + self.known(label)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Batch norm, averaged: its standing statistics have to be the same for all verbs."""
    folder = tmp_path_factory.mktemp("plain")
    trained(folder, "images=64", "ema=100")
    return folder


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    trained(folder, "model=biggan", "images=16")
    return folder


@pytest.fixture(scope="module")
def styled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return of_linear(tmp_path_factory.mktemp("styled"), "model=dcgan")


@pytest.fixture(scope="module")
def styled_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return of_linear(tmp_path_factory.mktemp("styled_classes"), "model=cgan", classes=10)


def of_linear(folder: Path, *overrides: str, classes: int = 0) -> Path:
    """A run whose generator is Linear."""
    cfg = composed(*SMALL, "images=16", "model.D.width=4" if not classes else "init=default", *overrides)
    cfg.init.G = {"_target_": "gantool.inits.Default"}
    cfg.model.G = {
        "_target_": f"{__name__}.Linear",
        "_partial_": True,
        "latent": 7,
        "channels": "${data.channels}",
        "resolution": "${data.resolution}",
        "classes": classes,
    }
    assert train(cfg, folder, [], Console(quiet=True)) == 0
    return folder


def do(verb: str, run: Path, out: Path, *overrides: str) -> Path:
    words = [f"run={run}", f"out={out}", "device=cpu", "trust=true", *overrides]
    VERBS[verb].main(composed(*words, name=verb))
    return out


def request(run: Path, *overrides: str) -> DictConfig:
    return composed(f"run={run}", "device=cpu", "trust=true", *overrides, name="sample")


def opened(run: Path, *overrides: str) -> Finished:
    return finished(request(run, *overrides))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def tiles(path: Path, side: int = SIDE, gap: int = 2) -> np.ndarray:
    """A picture as (rows, columns, H, W, C)."""
    picture = pixels(path)[gap:, gap:]
    rows, columns = (length // (side + gap) for length in picture.shape[:2])
    return picture.reshape(rows, side + gap, columns, side + gap, -1).swapaxes(1, 2)[:, :, :side, :side]


def same(images: np.ndarray, others: np.ndarray) -> bool:
    """Up to the rounding of a pixel, which may differ with the batch that an image is made in."""
    return images.shape == others.shape and bool(abs(images.astype(int) - others.astype(int)).max() <= 1)


def singles(run: Path, out: Path, *overrides: str) -> np.ndarray:
    """What `gantool sample` writes one by one."""
    do("sample", run, out, "grid=false", *overrides)
    return np.stack([pixels(path) for path in sorted(out.glob("[0-9]*.png"))])


# Images by their number


def test_a_latent_depends_on_its_number_and_the_seed_alone(plain: Path):
    task, labels = opened(plain).gan.task, torch.zeros(5, dtype=torch.long)
    five = drawn(task, range(5), labels, seed=3)["latent"]
    assert torch.equal(drawn(task, [3, 1], labels[:2], seed=3)["latent"], five[[3, 1]])
    assert not torch.equal(drawn(task, range(5), labels, seed=4)["latent"], five)
    assert len(five.unique(dim=0)) == 5


def test_a_model_that_translates_images_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="Paired makes images of images, not of latents"):
        refuse_translation(Paired(nn.Identity, nn.Identity), tmp_path)


def test_drawing_leaves_other_random_numbers_alone(plain: Path):
    run = opened(plain)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn(run.gan.task, range(2), torch.zeros(2, dtype=torch.long), 0)
    assert torch.equal(torch.rand(3), expected)


def test_the_first_images_are_the_same_however_many_are_made(plain: Path, tmp_path: Path):
    few = singles(plain, tmp_path / "few", "count=3")
    assert same(few, singles(plain, tmp_path / "many", "count=7")[:3])


def test_an_image_of_a_class_does_not_depend_on_the_classes_beside_it(classes: Path, tmp_path: Path):
    every = singles(classes, tmp_path / "every", "count=4")
    assert same(every[3:], singles(classes, tmp_path / "one", "count=4", "label=3")[3:])


# Truncation of styles


def test_styles_are_truncated_to_their_mean_in_the_layers_that_are_asked_for(styled: Path):
    run = opened(styled)
    latent = torch.randn(4, 7)
    mean = run.G.mean_style.value  # pyright: ignore
    whole = run.G.styles(latent)  # pyright: ignore
    half = finished(request(styled), 0.5).G.styles(latent)  # pyright: ignore
    torch.testing.assert_close(half, mean + (whole - mean) / 2)
    coarse = finished(request(styled), 0, 2).G.styles(latent)  # pyright: ignore
    torch.testing.assert_close(coarse[:, :2], mean.expand(4, 2, -1))
    assert torch.equal(coarse[:, 2:], whole[:, 2:])


def test_a_truncation_of_0_makes_one_image_and_of_1_changes_none(styled: Path, tmp_path: Path):
    none = singles(styled, tmp_path / "none", "count=3")
    assert np.array_equal(none, singles(styled, tmp_path / "1", "count=3", "truncation=1"))
    mean = singles(styled, tmp_path / "0", "count=3", "truncation=0")
    assert np.array_equal(mean, mean[:1].repeat(3, 0))


def test_the_folder_says_how_styles_were_truncated(styled: Path):
    cfg = composed(
        f"run={styled}", "count=1", "device=cpu", "trust=true", "truncation=-0.5", "truncation_layers=2",
        name="sample",
    )  # fmt: skip
    sample.main(cfg)
    assert (styled / "samples-000000016-seed0-truncation-0.5-layers2" / "grid.png").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["truncation=word"], "truncation=word: give a number; 1 is none"),
        (["truncation=true"], "truncation=True: give a number; 1 is none"),
        (["truncation=inf"], "truncation=inf: give a number; 1 is none"),
        (["truncation=0.7", "truncation_layers=7"], "this generator has 6 layers; give 1 to 6"),
        (["truncation_layers=2"], "truncation_layers=2 of what[?] Add truncation=0.7"),
        (["standing=perhaps"], "standing=perhaps: give true, false or auto"),
        (["seed=-1"], "seed=-1: give a whole number"),
        (["latents=nowhere.npz"], "latents=nowhere.npz is not there"),
    ],
)
def test_what_cannot_be_sampled_is_refused(overrides: list[str], message: str, styled: Path, tmp_path: Path):
    with pytest.raises(ValueError, match=message):
        do("sample", styled, tmp_path, *overrides)


def test_layers_of_a_generator_without_styles_are_refused(plain: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="truncation_layers=2: this generator has no styles; leave it out"):
        do("sample", plain, tmp_path, "truncation=0.7", "truncation_layers=2")


# gantool interpolate


@pytest.mark.parametrize("run", ["plain", "styled", "styled_classes"])
@pytest.mark.parametrize("space", ["z", "auto"])
def test_a_walk_goes_from_sample_to_sample(
    run: str, space: str, request: pytest.FixtureRequest, tmp_path: Path
):
    folder = request.getfixturevalue(run)
    label = ["label=2"] if run == "styled_classes" and space == "z" else []
    samples = singles(folder, tmp_path / "samples", "count=4", *label)
    do("interpolate", folder, tmp_path, "points=4", "steps=5", f"space={space}", *label)
    walk = tiles(tmp_path / "walk.png")
    assert walk.shape[:2] == (3, 5)
    assert same(walk[:, 0], samples[:-1])
    assert same(walk[:, -1], samples[1:])


def test_points_are_the_latents_of_the_samples_bit_for_bit(plain: Path):
    run = opened(plain)
    space = space_of(run, "auto")
    points = chosen(run, space, "points", composed("+points=[3,1]").points, None, seed=0)
    latents = drawn(run.gan.task, range(4), torch.zeros(4, dtype=torch.long), 0)["latent"]
    assert torch.equal(points.points, latents[[3, 1]])


def test_a_walk_in_w_of_a_linear_generator_is_a_cross_fade(styled: Path, tmp_path: Path):
    do("interpolate", styled, tmp_path, "points=2", "steps=3")
    [[start, middle, end]] = tiles(tmp_path / "walk.png").astype(float)
    assert abs(middle - (start + end) / 2).max() <= 1


@pytest.mark.parametrize("video", ["gif", "webp"])
def test_an_animation_comes_back_to_where_it_began(video: str, plain: Path, tmp_path: Path):
    words = ["points=3", "frames=4", "steps=5", f"video={video}", "singles=true", "fps=10"]
    do("interpolate", plain, tmp_path, *words)
    frames = [pixels(path) for path in sorted(tmp_path.glob("0*.png"))]
    assert len(frames) == 3 * 4
    walk = tiles(tmp_path / "walk.png")
    assert same(np.stack(frames[:8]), walk[:, :4].reshape(8, SIDE, SIDE, 3))
    with Image.open(tmp_path / f"walk.{video}") as animation:
        animation.load()
        assert animation.n_frames == 12  # pyright: ignore
        assert animation.info["loop"] == 0
        assert animation.info["duration"] == 100
    do("interpolate", plain, tmp_path / "back", "points=[2,0]", "steps=5")
    assert same(np.stack(frames[8:]), tiles(tmp_path / "back" / "walk.png")[0, :4])


@pytest.mark.parametrize("suffix", ["gif", "webp"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_channels_are_animated(channels: int, suffix: str, tmp_path: Path):
    frames = np.random.default_rng(0).integers(0, 256, (3, 8, 10, channels), np.uint8)
    interpolate.animate(frames, tmp_path / f"walk.{suffix}", fps=20)
    with Image.open(tmp_path / f"walk.{suffix}") as animation:
        assert animation.n_frames == 3  # pyright: ignore
        assert animation.size == (10, 8)
        if channels == 3 and suffix == "webp":  # a GIF has 256 colours
            for number, frame in enumerate(frames):
                animation.seek(number)
                assert np.array_equal(np.array(animation.convert("RGB")), frame)


def test_without_styles_a_walk_stays_in_the_class_of_its_first_point(classes: Path, tmp_path: Path):
    do("interpolate", classes, tmp_path / "from_4", "points=[4,5]", "steps=3")
    do("interpolate", classes, tmp_path / "class_4", "points=[4,5]", "steps=3", "label=4")
    assert np.array_equal(pixels(tmp_path / "from_4/walk.png"), pixels(tmp_path / "class_4/walk.png"))


def test_with_styles_a_walk_may_go_from_class_to_class(styled_classes: Path, tmp_path: Path):
    do("interpolate", styled_classes, tmp_path, "points=[0,0]", "label=[3,8]", "steps=4")
    [walk] = tiles(tmp_path / "walk.png")
    for label, image in ((3, walk[0]), (8, walk[-1])):
        out = tmp_path / str(label)
        assert same(singles(styled_classes, out, "count=1", f"label={label}")[0], image)


@pytest.mark.parametrize(
    ("run", "overrides", "message"),
    [
        ("plain", ["points=1"], "points=1: 1 is too few; give 2 or more"),
        ("plain", ["points=[5]"], "1 is too few; give 2 or more"),
        ("plain", ["points=[a]"], r"say how many, or \[3,17\]"),
        ("plain", ["points=0"], r"say how many, or \[3,17\]"),
        ("plain", ["points=2.5"], r"say how many, or \[3,17\]"),
        ("plain", ["steps=1"], "steps=1: give a whole number of 2 or more"),
        ("plain", ["fps=0"], "fps=0: give a whole number of 1 or more"),
        ("plain", ["space=x"], "space=x: choose one of auto, z, w"),
        ("plain", ["space=w"], "space=w: dcgan.Generator has no styles; its only space is z"),
        ("plain", ["video=avi"], "video=avi: choose one of gif, webp, mp4"),
        ("plain", ["label=3"], "label=3: this model is not conditional"),
    ],
)
def test_a_walk_that_cannot_be_is_refused(
    run: str, overrides: list[str], message: str, request: pytest.FixtureRequest, tmp_path: Path
):
    with pytest.raises(ValueError, match=message):
        do("interpolate", request.getfixturevalue(run), tmp_path, *overrides)


# gantool mix


def test_a_table_shows_its_sources_and_the_images_mixed_of_them(styled: Path, tmp_path: Path):
    samples = singles(styled, tmp_path / "samples", "count=5")
    do("mix", styled, tmp_path, "rows=2", "columns=3", "layers=0-1")
    table = tiles(tmp_path / "mix.png")
    assert table.shape[:2] == (3, 4)
    assert table[0, 0].max() == 0
    assert same(table[1:, 0], samples[:2])
    assert same(table[0, 1:], samples[2:])
    G: Any = opened(styled).G
    rows, columns = (G.styles(latent) for latent in latents(styled, 5).split([2, 3]))
    styles = torch.cat([rows[1, :2], columns[2, 2:]])
    assert same(table[2, 3], bytes_of(G.paint(styles[None]))[0])


def latents(run: Path, count: int) -> Tensor:
    return drawn(opened(run).gan.task, range(count), torch.zeros(count, dtype=torch.long), 0)["latent"]


def bytes_of(images: Tensor) -> np.ndarray:
    from gantool.images import to_uint8

    return to_uint8(images)


def test_with_all_layers_every_image_is_its_row(styled: Path, tmp_path: Path):
    do("mix", styled, tmp_path, "rows=[4,0]", "columns=[1]", "layers=null")
    table = tiles(tmp_path / "mix.png")
    assert same(table[1:, 0], table[1:, 1])


@pytest.mark.parametrize(
    ("run", "overrides", "message"),
    [
        ("plain", [], "dcgan.Generator has no styles to mix"),
        ("styled", ["layers=fine"], "layers=fine: this generator has the layers 0 to 5"),
        ("styled", ["rows=none"], "rows=none is not there"),
        ("styled", ["columns=0"], r"columns=0: say how many, or \[3,17\]"),
    ],
)
def test_a_table_that_cannot_be_is_refused(
    run: str, overrides: list[str], message: str, request: pytest.FixtureRequest, tmp_path: Path
):
    with pytest.raises(ValueError, match=message):
        do("mix", request.getfixturevalue(run), tmp_path, *overrides)


# gantool project


def losses(path: Path) -> np.ndarray:
    """(steps + 1, images) of a loss.csv."""
    with (path / "loss.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header[0] == "step"
    assert [int(row[0]) for row in rows] == list(range(len(rows)))
    return np.array([[float(value) for value in row[1:]] for row in rows])


@pytest.mark.parametrize("space", ["w", "w_plus"])
def test_images_of_a_linear_generator_are_found_again(space: str, styled: Path, tmp_path: Path):
    singles(styled, tmp_path / "samples", "count=2")
    do("project", styled, tmp_path, f"image={tmp_path / 'samples'}", "steps=300", f"space={space}")
    curve = losses(tmp_path)
    assert curve.shape == (301, 2)
    assert (curve[-1] < 1e-4).all()  # the target has 8 bits
    assert (curve[0] > 100 * curve[-1]).all()
    pairs = tiles(tmp_path / "projected.png")
    assert pairs.shape[:2] == (2, 2)
    assert abs(pairs[:, 0].astype(int) - pairs[:, 1]).max() <= 3
    if space == "w":
        found = torch.from_numpy(np.load(tmp_path / "latents.npz")["w"])
        G: Any = opened(styled).G
        torch.testing.assert_close(found, G.styles(latents(styled, 2)), atol=0.05, rtol=0)


def test_what_was_found_can_be_shown_and_walked_to(styled: Path, tmp_path: Path):
    singles(styled, tmp_path / "samples", "count=2")
    do("project", styled, tmp_path, f"image={tmp_path / 'samples'}", "steps=20")
    file, results = tmp_path / "latents.npz", tiles(tmp_path / "projected.png")[:, 1]
    assert same(singles(styled, tmp_path / "shown", f"latents={file}"), results)
    do("interpolate", styled, tmp_path, f"points={file}", "steps=3")
    assert same(tiles(tmp_path / "walk.png")[0, [0, -1]], results)
    do("directions", styled, tmp_path, f"samples={file}", "count=1", "steps=3")
    assert same(tiles(tmp_path / "00.png")[:, 1], results)


def test_a_latent_of_any_generator_is_searched_for_where_latents_lie(plain: Path, tmp_path: Path):
    singles(plain, tmp_path / "samples", "count=1", "seed=9")
    image = tmp_path / "samples" / "000000.png"
    for name in ("first", "again"):
        do("project", plain, tmp_path / name, f"image={image}", "steps=60")
    curve = losses(tmp_path / "first")
    assert curve[-1] < curve[0]
    first, again = (np.load(tmp_path / name / "latents.npz")["z"] for name in ("first", "again"))
    assert first.shape == (1, 100)
    assert np.array_equal(first, again)
    assert abs(np.linalg.norm(first) - 10) < 4  # of 100 normal numbers
    do("project", plain, tmp_path / "other", f"image={image}", "steps=60", "seed=1")
    assert not np.array_equal(first, np.load(tmp_path / "other" / "latents.npz")["z"])


def test_an_image_of_any_size_and_kind_is_brought_to_the_shape_of_the_run(plain: Path, tmp_path: Path):
    image = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)).save(image)
    do("project", plain, tmp_path, f"image={image}", "steps=1")
    assert tiles(tmp_path / "projected.png").shape == (1, 2, SIDE, SIDE, 3)


def test_labels_are_kept_with_latents(classes: Path, tmp_path: Path):
    singles(classes, tmp_path / "samples", "count=1", "label=7")
    image = tmp_path / "samples" / "000000.png"
    do("project", classes, tmp_path, f"image={image}", "label=7", "steps=2")
    file = tmp_path / "latents.npz"
    assert np.load(file)["label"].tolist() == [7]
    shown = singles(classes, tmp_path / "shown", f"latents={file}")
    assert same(shown, tiles(tmp_path / "projected.png")[0, 1:])
    other = singles(classes, tmp_path / "other", f"latents={file}", "label=1")
    assert not same(shown, other)


@pytest.mark.parametrize(
    ("run", "overrides", "message"),
    [
        ("plain", ["image=nowhere.png"], "image=nowhere.png is not there"),
        ("plain", ["image={folder}"], "holds no images"),
        ("plain", ["image={text}"], "cannot be read .*; give a PNG, JPEG or WebP file"),
        ("plain", ["image={half}"], "cannot be read"),
        ("plain", ["image={good}", "steps=0"], "steps=0: give a whole number of 1 or more"),
        ("plain", ["image={good}", "space=w_plus"], "space=w_plus: dcgan.Generator has no styles"),
        ("plain", ["image={good}", "label=1"], "label=1: this model is not conditional"),
        ("classes", ["image={good}"], "label=None: say of which one class the images are"),
        ("classes", ["image={good}", "label=[1,2]"], "say of which one class the images are"),
    ],
)
def test_an_image_that_cannot_be_projected_is_refused(
    run: str, overrides: list[str], message: str, request: pytest.FixtureRequest, tmp_path: Path
):
    files = {name: tmp_path / f"{name}.png" for name in ("good", "text", "half")}
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(files["good"])
    files["text"].write_text("no image")
    files["half"].write_bytes(files["good"].read_bytes()[:2000])
    files["folder"] = tmp_path / "empty"
    files["folder"].mkdir()
    words = [word.format(**files) for word in overrides]
    with pytest.raises(ValueError, match=message):
        do("project", request.getfixturevalue(run), tmp_path / "out", *words)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"w": np.zeros((2, 3, 5))}, r"holds w of \[3, 5\], but this generator takes \[6, 5\]"),
        ({"z": np.zeros((2, 8))}, r"holds z of \[8\], but this generator takes \[7\]"),
        ({"z": np.zeros((0, 7))}, "holds no latents"),
        ({"z": np.array(["a"])}, "holds no latents"),
        ({"other": np.zeros(3)}, "holds no latents, called w or z"),
        ({"z": np.array([{}], object)}, "holds no latents"),
    ],
)
def test_a_file_that_holds_no_latents_of_the_run_is_refused(
    arrays: dict[str, Any], message: str, styled: Path, tmp_path: Path
):
    file = tmp_path / "file.npz"
    np.savez(file, **arrays)
    with pytest.raises(ValueError, match=message):
        do("interpolate", styled, tmp_path, f"points={file}")
    file.write_text("something else")
    with pytest.raises(ValueError, match="holds no latents"):
        do("interpolate", styled, tmp_path, f"points={file}")


def test_styles_are_of_no_use_in_the_space_of_latents(styled: Path, tmp_path: Path):
    np.savez(tmp_path / "file.npz", w=np.zeros((2, 6, 5), np.float32))
    with pytest.raises(ValueError, match="holds w, styles"):
        do("interpolate", styled, tmp_path, f"points={tmp_path / 'file.npz'}", "space=z")


# gantool directions


def test_directions_of_styles_are_those_of_the_stacked_affine_maps(styled: Path, tmp_path: Path):
    do("directions", styled, tmp_path, "count=3", "layers=[0,4]", "samples=2", "steps=5", "strength=2")
    file = np.load(tmp_path / "directions.npz")
    G: Any = opened(styled).G
    right = torch.linalg.svd(torch.cat([G.A[0], G.A[4]]).detach().double()).Vh[:3]
    torch.testing.assert_close((torch.from_numpy(file["directions"]) * right).sum(1).abs(), ones(3))
    assert file["layers"].tolist() == [0, 4]

    styles = G.styles(latents(styled, 2)).repeat_interleave(5, 0)
    deviation = G.styles(latents(styled, 1000))[:, 0].var(0, correction=0).mean().sqrt()
    amounts = torch.tensor([-2.0, -1, 0, 1, 2]).repeat(2) * deviation
    direction = torch.from_numpy(file["directions"][1]).float()
    styles = styles.clone()
    for layer in (0, 4):
        styles[:, layer] += amounts[:, None] * direction
    expected = picture_of(bytes_of(G.paint(styles)), 5)
    assert same(pixels(tmp_path / "01.png"), expected)


def test_the_steps_along_a_direction_are_as_long_as_latents_differ(plain: Path, styled: Path):
    run = opened(plain)
    assert directions.unit(run, space_of(run, "auto")) == pytest.approx(1, abs=0.02)  # Gaussian latents
    run = opened(styled)
    before = directions.unit(run, space_of(run, "auto"))
    with torch.no_grad():
        run.G.mapping.linear.weight.mul_(10)  # pyright: ignore
    assert directions.unit(run, space_of(run, "auto")) == pytest.approx(10 * before)


def ones(count: int) -> Tensor:
    return torch.ones(count, dtype=torch.float64)


def test_in_the_middle_of_a_row_is_the_sample_itself(plain: Path, tmp_path: Path):
    samples = singles(plain, tmp_path / "samples", "count=4")
    do("directions", plain, tmp_path, "count=2", "samples=[3,1]", "steps=3")
    assert sorted(path.name for path in tmp_path.glob("0*")) == ["00.png", "01.png"]
    assert same(tiles(tmp_path / "01.png")[:, 1], samples[[3, 1]])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["count=101"], "count=101: there are 100 directions; give as many or fewer"),
        (["count=0"], "count=0: give a whole number of 1 or more"),
        (["steps=1"], "steps=1: give a whole number of 2 or more"),
        (["strength=0"], "strength=0: give how far to go along a direction, a number above 0"),
        (["strength=far"], "strength=far: give how far to go"),
        (["layers=coarse"], "layers=coarse: this generator has no styles in its layers; leave it out"),
    ],
)
def test_directions_that_cannot_be_are_refused(
    overrides: list[str], message: str, plain: Path, tmp_path: Path
):
    with pytest.raises(ValueError, match=message):
        do("directions", plain, tmp_path, *overrides)


# Whatever generator there is


def is_styled(model: str) -> bool:
    kind = get_object(composed(f"model={model}").model.G["_target_"])
    return inspect.isclass(kind) and issubclass(kind, Styled)


@pytest.mark.parametrize("model", [model for model in MODELS if is_styled(model)])
def test_every_verb_works_with_every_published_generator_with_styles(
    model: str, gantool: Gantool, tmp_path: Path
):
    run = tmp_path / "run"
    trained(run, f"model={model}", "images=16", "n_critic=1", "batch_size=8")
    assert gantool("sample", f"run={run}", "count=1", "out=samples", "truncation=0.7").code == 0
    assert gantool("interpolate", f"run={run}", "points=2", "out=walk").code == 0
    assert gantool("mix", f"run={run}", "rows=2", "columns=2", "layers=0-1", "out=mix").code == 0
    image = "image=samples/000000.png"
    caption = ["prompt='a red circle'"] if model in TOLD else []
    assert gantool("project", f"run={run}", image, *caption, "steps=3", "out=projection").code == 0
    assert gantool("directions", f"run={run}", "samples=projection/latents.npz", "count=2").code == 0


def test_points_of_the_plane_are_no_images_to_walk_between(gantool: Gantool, tmp_path: Path):
    run = tmp_path / "points"
    trained(run, "model=mlp", "data=ring", "images=16")
    refused = gantool("interpolate", f"run={run}")
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert "makes points, not images: gantool sample shows them" in refused.err


def test_every_key_of_these_verbs_is_read_by_somebody():
    root = Path(__file__).parent.parent
    shared = "".join((root / "gantool" / f"{name}.py").read_text() for name in ("finished",))
    for name, verb in VERBS.items():
        code = shared + Path(verb.__file__).read_text()
        code += (root / "gantool" / "prompts.py").read_text() if "wanted(cfg, " in code else ""
        for key in composed(name=name):
            assert f"cfg.{key}" in code or f'whole(cfg, "{key}"' in code, f"nobody reads {key} of {name}"


def test_a_folder_by_default_holds_one_request(tmp_path: Path):
    run = tmp_path / "run"
    assert trained(run, "images=8") == 0
    sample.main(composed(f"run={run}", "count=5", "device=cpu", name="sample"))
    [folder] = {path.parent for path in run.glob("samples-*/000004.png")}
    sample.main(composed(f"run={run}", "count=2", "device=cpu", name="sample"))
    assert sorted(path.name for path in folder.glob("0*.png")) == ["000000.png", "000001.png"]


@pytest.mark.parametrize(
    ("asked", "named"), [("balanced", "balanced"), ([0, "a b"], "0-a-b"), ("x" * 90, "x" * 40)]
)
def test_what_is_asked_for_is_part_of_the_folders_name(asked: object, named: str):
    assert sample.slug(asked) == named
