"""Path length: what linear generators have in closed form, where paths lead, and what is refused."""

import csv
import json
import re
from math import pi, sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401  # a fixture
from hydra.utils import instantiate
from small import MODELS, OF_IMAGES, composed, small, trained
from torch import Tensor, nn

from gantool.build import build
from gantool.data.synthetic import synthetic
from gantool.layers.styled import Styled
from gantool.measure import Request, measure
from gantool.metrics.lpips import LPIPS
from gantool.metrics.ms_ssim import MSSSIM
from gantool.metrics.pairwise import Distance, OfFeatures, Perceptual
from gantool.metrics.path_length import PathLength, usual
from gantool.metrics.sight import Moments, Paths, Shown, full_floats
from gantool.paths import on_arcs, on_lines
from gantool.priors import Gaussian, Uniform
from gantool.subject import Subject

CPU = torch.device("cpu")
Z, W, SIDE = 6, 5, 4


class Squared(Distance):
    """|x - y|^2, which is exact where a generator is linear."""

    name = "squared"

    def check(self, metric: str, data: Any, height: int, width: int) -> None: ...

    def prepare(self, metric: str, images: Any, device: Any, tell: Any) -> None: ...

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return (x - y).square().flatten(1).sum(1)

    @property
    def protocol(self) -> str:
        return "squared difference"


class Linear(nn.Module):
    """(N, Z) -> (N, 1, 4, 4), A z; plus its label, and noise that is new at every call."""

    def __init__(self, matrix: Tensor, noisy: bool = False):
        super().__init__()
        self.matrix, self.noisy = nn.Parameter(matrix), noisy

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        images = (latent @ self.matrix.T).unflatten(1, (1, SIDE, -1))
        if label is not None:
            images = images + 1000 * label[:, None, None, None]
        return images + torch.randn_like(images) if self.noisy else images


class LinearStyled(Styled):
    """Images A w, w = tanh(B z): linear in w and in nothing else."""

    def __init__(self, matrix: Tensor):
        super().__init__(nn.Sequential(nn.Linear(Z, W), nn.Tanh()), W, layers=2)
        self.matrix = nn.Parameter(matrix)

    def paint(self, styles: Tensor) -> Tensor:
        return (styles[:, 1] @ self.matrix.T).unflatten(1, (1, SIDE, -1))

    def affines(self) -> list[Tensor]:
        return [self.matrix] * 2


def matrix(inputs: int) -> Tensor:
    return torch.randn(SIDE * SIDE, inputs, generator=torch.Generator().manual_seed(0))


def subject_of(G: nn.Module, prior: Any = None, *overrides: str, together: int = 8, seed: int = 0) -> Subject:
    cfg = composed(*small("model=dcgan", "ema=0", *overrides))
    gan = build(cfg)
    task: Any = gan.task
    task.G, task.prior = G, Gaussian(Z) if prior is None else prior
    return Subject(gan, cfg, instantiate(cfg.data.set), seed, together)


def lengths(subject: Subject, count: int = 40, **settings: Any) -> Tensor:
    """Squared differences / epsilon^2 of the first pairs, in float64: (N,)."""
    metric = PathLength(Squared(), count, **{"precision": "double", **settings})
    [seen] = metric.look(metric.sight.show(subject, subject.generator(), range(count))).values()
    return seen


def ends_of(subject: Subject, count: int) -> tuple[Tensor, Tensor]:
    """The latents (N, Z) between which the paths of the first pairs lie."""
    start, end = (subject.drawn(range(count), torch.zeros(count).long(), end)["latent"] for end in (0, 1))
    return start.double(), end.double()


# What linear generators have.


@pytest.mark.parametrize("moments", ["full", "end"])
def test_a_linear_generator_has_the_squared_length_of_a_w1_minus_w0(moments: Moments):
    G = LinearStyled(matrix(W))
    subject = subject_of(G)
    w0, w1 = (G.double().mapping(z) for z in ends_of(subject, 40))
    expected = ((w1 - w0) @ G.matrix.T).square().sum(1)
    torch.testing.assert_close(lengths(subject, moments=moments), expected.detach(), rtol=1e-7, atol=0)
    metric = PathLength(Squared(), 40, moments=moments, precision="double")
    [found] = measure([Request(metric, 40)], subject)
    [value] = found.values.values()
    assert value == pytest.approx(float(usual(expected.detach()).mean()))


def test_straight_lines_between_uniform_latents_have_it_in_z():
    G = Linear(matrix(Z))
    subject = subject_of(G, Uniform(Z))
    z0, z1 = ends_of(subject, 40)
    expected = ((z1 - z0) @ G.double().matrix.T).square().sum(1)
    torch.testing.assert_close(lengths(subject), expected.detach(), rtol=1e-7, atol=0)


def test_arcs_between_gaussian_latents_have_the_squared_angle_times_the_length():
    """A point on the way has the velocity (angle * length, change of length), in polar coordinates."""
    G = Linear(torch.eye(SIDE * SIDE, Z))
    subject = subject_of(G)
    z0, z1 = ends_of(subject, 40)
    lengths_0, lengths_1 = z0.norm(dim=1), z1.norm(dim=1)
    angle = torch.acos((z0 * z1).sum(1) / (lengths_0 * lengths_1))
    here = torch.lerp(lengths_0, lengths_1, subject.shares(range(40)))
    expected = (angle * here) ** 2 + (lengths_1 - lengths_0) ** 2
    torch.testing.assert_close(lengths(subject), expected, rtol=1e-3, atol=0)
    torch.testing.assert_close(lengths(subject, epsilon=1e-7), expected, rtol=1e-6, atol=0)


def test_both_images_have_the_same_noise_and_the_same_label():
    plain, noisy = Linear(matrix(Z)), Linear(matrix(Z), noisy=True)
    expected = lengths(subject_of(plain))
    torch.testing.assert_close(lengths(subject_of(noisy)), expected, rtol=1e-6, atol=0)
    labelled = subject_of(noisy, None, "model=cgan")
    assert len(labelled.labels(range(40)).unique()) > 1
    torch.testing.assert_close(lengths(labelled), expected, rtol=1e-5, atol=0)


def test_a_generator_of_one_image_scores_0():
    assert lengths(subject_of(Linear(torch.zeros(SIDE * SIDE, Z)))).max() == 0


# Numbers that are nearly equal.


class Smooth(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(Z, 32), nn.Tanh(), nn.Linear(32, SIDE * SIDE), nn.Tanh())

    def forward(self, latent: Tensor) -> Tensor:
        return self.layers(latent).unflatten(1, (1, SIDE, SIDE))


def test_of_a_smooth_generator_epsilon_does_not_matter_in_float64():
    subject = subject_of(Smooth())
    coarse, usual_one, fine = (lengths(subject, epsilon=epsilon) for epsilon in (1e-3, 1e-4, 1e-7))
    torch.testing.assert_close(usual_one, fine, rtol=2e-3, atol=0)
    torch.testing.assert_close(coarse, fine, rtol=2e-2, atol=0)


def test_float32_adds_its_rounding_to_every_length():
    subject = subject_of(Smooth())
    exact = lengths(subject, epsilon=1e-6)
    rounded = lengths(subject, epsilon=1e-6, precision="single")
    assert (rounded / exact - 1).abs().median() > 1e-2
    torch.testing.assert_close(lengths(subject, precision="single"), exact, rtol=0.1, atol=0)


def test_tf32_is_left_as_it_was():
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with full_floats():
        assert not torch.backends.cudnn.allow_tf32
    assert before == (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)


# Ways.


def test_an_arc_of_orthogonal_unit_vectors_is_halfway_at_their_normalised_sum():
    a, b = torch.eye(3)[:1].double(), torch.eye(3)[1:2].double()
    half = torch.tensor([0.5]).double()
    torch.testing.assert_close(on_arcs(a, b, half), (a + b) / sqrt(2))
    torch.testing.assert_close(on_arcs(2 * a, 4 * b, half), 3 * (a + b) / sqrt(2))


def test_ways_begin_and_end_where_they_should_and_arcs_turn_evenly():
    a, b = torch.randn(2, 7, Z, generator=torch.Generator().manual_seed(1)).double()
    for way in (on_arcs, on_lines):
        torch.testing.assert_close(way(a, b, torch.zeros(7)), a)
        torch.testing.assert_close(way(a, b, torch.ones(7)), b)
    assert on_lines(a[:, None], b[:, None], torch.full((7,), 0.25))[3, 0] == pytest.approx(
        (0.75 * a + 0.25 * b)[3]
    )
    quarter = on_arcs(a, b, torch.full((7,), 0.25).double())
    angles = [torch.acos(torch.cosine_similarity(x, y)) for x, y in ((a, quarter), (a, b))]
    torch.testing.assert_close(angles[0], angles[1] / 4)
    assert angles[1].max() < pi


def test_images_are_brought_to_256_pixels_and_their_middle_can_be_taken():
    for size in ((28, 28), (24, 40), (255, 300), (512, 640), (1024, 1024)):
        for crop in (False, True):
            paths = Paths(crop=crop)
            assert paths.seen(torch.zeros(1, 1, *size)).shape[2:] == paths.size(*size)
    assert Paths().size(1024, 1024) == (256, 256)
    assert Paths().size(511, 511) == (511, 511)
    assert Paths(crop=True).size(1024, 1024) == (128, 128)
    rows = torch.arange(1024.0)[:, None].expand(1024, 1024)
    seen = Paths(crop=True).seen(rows[None, None])[0, 0]
    assert (seen.min(), seen.max()) == (3 / 8 * 1024 + 1.5, 7 / 8 * 1024 - 2.5)


# Whatever is measured, by whomever.


@pytest.mark.parametrize("model", [model for model in MODELS if model not in OF_IMAGES])
def test_every_generator_of_latents_has_paths(model: str):
    cfg = composed(*small(f"model={model}"))
    subject = Subject(build(cfg), cfg, instantiate(cfg.data.set), 0, 4)
    metric = PathLength(Squared(), 4, precision="double")
    metric.check(subject.gan.task, cfg.data)
    shown = metric.sight.show(subject, subject.generator(), range(4))
    [(x, y)] = shown.images.values()
    assert x.dtype == y.dtype == torch.float64
    assert x.shape == (4, 3, 16, 16)
    [far] = metric.look(shown).values()
    assert far.isfinite().all()
    assert 0 < far.max() < 1e6
    space = "W" if "stylegan" in model else "Z"
    assert f" in {space}, from t" in metric.paths.protocol(subject)
    assert metric.columns(subject.gan.task) == {f"path_length_squared_{space.lower()}": "minimize"}
    assert subject.gan.training
    assert next(subject.gan.parameters()).dtype == torch.float32


def test_neither_the_size_of_a_pass_nor_sharing_changes_anything():
    G = Linear(matrix(Z))
    found = [
        measure([Request(PathLength(Squared(), 21, precision="double"), 21)], subject_of(G, together=size))[
            0
        ].values
        for size in (1, 8, 21)
    ]
    assert found[1:] == [pytest.approx(found[0], rel=1e-9)] * 2
    subject = subject_of(G)
    paths = Paths(precision="double")
    shown = [paths.show(subject, G, numbers).images["z"][1] for numbers in (range(8), range(8, 16))]
    assert torch.equal(torch.cat(shown), paths.show(subject, G, range(16)).images["z"][1])
    other = subject_of(G, seed=1)
    assert not torch.equal(lengths(other), lengths(subject))


def test_lengths_beyond_the_1st_and_99th_percentile_are_left_out():
    values = torch.arange(1000.0).double()
    kept = usual(values[torch.randperm(1000, generator=torch.Generator().manual_seed(0))])
    assert sorted(kept.tolist()) == list(range(9, 991))
    assert usual(torch.ones(7).double()).tolist() == [1] * 7


def test_images_that_are_not_finite_make_no_number(caplog: pytest.LogCaptureFixture):
    metric = PathLength(Squared(), 3)
    broken = torch.zeros(3, 1, 4, 4).double()
    broken[1, 0, 2, 2] = torch.nan
    found = metric.judge(metric.look(Shown({"z": (broken, broken)})))
    assert found.values == {}
    assert found.record["path_length_squared_z"] is None
    assert "path_length_squared_z is undefined: the generator makes images that are not" in caplog.text


# Names and protocols.


def test_only_vggs_lpips_makes_what_is_called_perceptual_and_every_setting_has_a_column():
    task = build(composed(*small("model=dcgan"))).task
    of: list[dict[str, Any]] = [{}, {"moments": "end"}, {"crop": True}]
    names = {
        name
        for measure in (Perceptual("vgg"), Perceptual("alex"), OfFeatures(), Squared())
        for settings in of
        for name in PathLength(measure, **settings).columns(task)
    }
    assert {name for name in names if name.startswith("perceptual")} == {
        "perceptual_path_length_z",
        "perceptual_path_length_z_end",
        "perceptual_path_length_z_crop",
    }
    assert len(names) == 12


def test_presets_are_the_published_protocol_and_an_alternative_that_needs_no_weights():
    metric = instantiate(composed("metrics=perceptual_path_length").metrics)["perceptual_path_length"]
    assert (metric.count, metric.sight) == (50_000, Paths("auto", "full", 1e-4, False, "single"))
    assert metric.measure.name == "lpips_vgg"
    other = instantiate(composed("metrics=path_length_classifier").metrics)["path_length_classifier"]
    assert other.name == "path_length_classifier"
    assert other.sight == metric.sight


def test_the_protocol_tells_all():
    subject = subject_of(LinearStyled(matrix(W)))
    metric = PathLength(Squared(), 50, moments="end", crop=True, precision="double")
    metric.prepare(subject.config.data, subject.images, CPU, lambda _: None, 7)
    said = f"{metric.protocol}; {metric.sight.protocol(subject)}"
    for words in (
        "squared difference, / 0.0001^2, mean without the lowest and the highest percent of 7 pairs (NOT",
        "straight lines in W, from t, 0, to t + 0.0001, of one label and one noise, in float64",
        "cropped to where faces are",
        "at most 256 pixels",
        "fakes of G, seed 0",
    ):
        assert words in said
    assert "arcs in Z, from t, uniform in [0, 1]" in Paths().protocol(subject_of(Linear(matrix(Z))))
    uniform = subject_of(Linear(matrix(Z)), Uniform(Z))
    assert "straight lines in Z" in Paths().protocol(uniform)
    assert "in float32" in Paths().protocol(uniform)


# Distances.


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a VGG that has learnt nothing."""
    import torchvision

    file = tmp_path_factory.mktemp("vgg") / "vgg.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        features = torchvision.models.vgg16(weights=None).features
    torch.save({f"features.{name}": value for name, value in features.state_dict().items()}, file)
    return file


def test_lpips_is_a_squared_length_in_float64_and_says_whose_weights(weights: Path):
    measure = Perceptual("vgg", str(weights))
    measure.prepare("m", synthetic(count=20), CPU, lambda _: None)
    numbers = torch.Generator().manual_seed(0)
    x = torch.rand(2, 1, 16, 16, generator=numbers).double() * 2 - 1
    step = torch.randn(2, 1, 16, 16, generator=numbers).double()
    near, far = measure(x, x + 1e-7 * step), measure(x, x + 2e-7 * step)
    assert near.dtype == torch.float64
    torch.testing.assert_close(far, 4 * near, rtol=1e-4, atol=0)
    assert measure(x, x).tolist() == [0, 0]
    assert "LPIPS 0.1 by vgg, weights " in measure.protocol
    assert "NOT the published ones: compare with nothing published" in measure.protocol


def test_missing_or_foreign_weights_are_named_with_their_key(tmp_path: Path, weights: Path):
    measure = Perceptual("vgg", str(tmp_path / "none.pth"))
    with pytest.raises(ValueError, match=r"none\.pth is no file .*metrics\.m\.measure\.weights=PATH"):
        measure.prepare("m", synthetic(count=20), CPU, lambda _: None)
    measure = Perceptual("alex", str(weights))
    with pytest.raises(ValueError, match=r"holds no weights of torchvision's alex; give metrics\.m\.measure"):
        measure.prepare("m", synthetic(count=20), CPU, lambda _: None)


def test_features_of_a_classifier_are_0_apart_where_images_are_equal_and_about_2_at_random(tmp_path: Path):
    images = synthetic(count=300, resolution=16)
    measure = OfFeatures(2000, str(tmp_path))
    measure.prepare("m", images, CPU, lambda _: None)
    pixels = images[range(300)]["image"].double() / 127.5 - 1
    assert measure(pixels, pixels).max() == 0
    others = pixels[torch.randperm(300, generator=torch.Generator().manual_seed(0))]
    assert float(measure(pixels, others).mean()) == pytest.approx(2, rel=0.2)
    assert measure.protocol.startswith("mean squared difference of 64 features of a classifier of our own")


# The verb, training, and several processes.

TRAINING = ("model=stylegan2", "loss=stylegan2_cifar", "images=32", "evaluate_every=16", "best.metric=null")


def cheap(cache: Path, count: int = 20) -> list[str]:
    key = "metrics.path_length_classifier"
    return [
        "metrics=path_length_classifier",
        f"{key}.count={count}",
        f"{key}.precision=double",  # in which the size of a pass does not show
        f"{key}.measure.learn=512",
        f"{key}.measure.cache={cache}",
    ]


def test_training_logs_what_the_verb_finds(tmp_path: Path, gantool: Gantool):  # noqa: F811
    assert trained(tmp_path / "run", *TRAINING, *cheap(tmp_path / "cache")) == 0
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        logged = [it["metric/path_length_classifier_w"] for it in csv.DictReader(file)]
    logged = [float(value) for value in logged if value]
    assert len(logged) == 2
    answer = gantool("evaluate", f"run={tmp_path / 'run'}", "device=cpu", f"out={tmp_path}", "batch_size=3")
    assert answer.code == 0, answer.err
    found = json.loads((tmp_path / "path_length_classifier-000000032-seed0.json").read_text())
    assert found["path_length_classifier_w"] == pytest.approx(logged[-1], rel=1e-6)
    assert found["pairs"] == 20
    assert re.search(
        r"^path_length_classifier_w +[\d.e+-]+ ± [\d.e+-]+ \(standard error; med", answer.out, re.M
    )
    assert "not comparable with FID, / 0.0001^2, mean without the lowest" in answer.out
    in_z = "metrics.path_length_classifier.space=z"
    again = gantool(
        "evaluate", f"run={tmp_path / 'run'}", "device=cpu", *cheap(tmp_path / "cache"), in_z, "count=5"
    )
    assert again.code == 0, again.err
    assert "path_length_classifier_z" in again.out
    assert "of 5 pairs (NOT the 20 of path_length_classifier); fakes of" in again.out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("model=dcgan", "metrics=perceptual_path_length", "metrics.perceptual_path_length.space=w"),
            "metrics.perceptual_path_length.space=w: dcgan.Generator has no styles; its only space is z",
        ),
        (
            ("model=dcgan", "metrics=perceptual_path_length", "metrics.perceptual_path_length.crop=true"),
            "=perceptual_path_length: LPIPS by vgg needs images of 16 pixels or more, not of 8x8; use",
        ),
        (
            ("model=dcgan", "metrics=perceptual_path_length", "metrics.perceptual_path_length.moments=half"),
            "metrics.perceptual_path_length.moments=half: choose one of full, end",
        ),
        (
            ("model=dcgan", "metrics=perceptual_path_length", "metrics.perceptual_path_length.epsilon=0"),
            "metrics.perceptual_path_length.epsilon=0: give a small share, such as 1e-4",
        ),
        (
            ("model=dcgan", "metrics=path_length_classifier", "metrics.path_length_classifier.count=0"),
            "metrics.path_length_classifier.count=0: give a number of pairs",
        ),
        (
            ("model=dcgan", "metrics=path_length_classifier", "data.classes=0"),
            "there are no classes; use metrics=perceptual_path_length",
        ),
        (
            ("model=pix2pix", "metrics=path_length_classifier"),
            "metrics=path_length_classifier measures models that make images of noise",
        ),
        (("model=mlp", "data=ring", "metrics=path_length_classifier"), "measures images, not points"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_written(
    overrides: tuple[str, ...], message: str, tmp_path: Path
):
    with pytest.raises(Exception, match=re.escape(message)):
        trained(tmp_path, *overrides)
    assert not list(tmp_path.iterdir())


def test_a_likeness_is_no_distance():
    with pytest.raises(ValueError, match=r"path_length_ms_ssim\.measure: ms_ssim is no distance"):
        PathLength(MSSSIM())
    with pytest.raises(ValueError, match="network=squeeze: LPIPS compares by alex or vgg"):
        Perceptual("squeeze")  # pyright: ignore
    assert LPIPS.least["vgg"] == 16
