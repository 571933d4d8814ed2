"""Anomaly detection: scores and thresholds, GANomaly, f-AnoGAN's two phases, AnoGAN's search."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from rich.console import Console
from small import batch_of, composed, small, trained
from torch import Tensor, nn

from gantool.anomaly import heat
from gantool.anomaly.scores import numbers, scaled, threshold
from gantool.build import build
from gantool.checkpoint import load, read
from gantool.duel import Duel
from gantool.layers.encoded import resting
from gantool.losses.features import FeatureDistance, MatchedFeatures
from gantool.losses.latent import LatentDistance
from gantool.train import train

ONE = ["data=one_class", "data.of=synthetic", "data.normal=3", "data.hold_out=4"]
TINY = [
    *ONE,
    "model.G.width=4",
    "batch_size=8",
    "samples=4",
    "images=16",
    "n_critic=1",
    "logger=none",
    "trainer.accelerator=cpu",
]


def run(folder: Path, *overrides: str) -> int:
    given = [*TINY, *overrides]
    return train(composed(*given), folder, given, Console(quiet=True))


def gan_of(*overrides: str) -> Any:
    cfg = composed(*small(*overrides))
    return build(OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))), cfg  # pyright: ignore


# Scores.


def test_scaled_scores_span_exactly_zero_to_one():
    shares = scaled(torch.randn(50, dtype=torch.float64) * 7 + 3)
    assert (shares.min(), shares.max()) == (0, 1)
    assert scaled(torch.full((4,), 2.5)).tolist() == [0, 0, 0, 0]


def test_auroc_of_separated_scores_is_one_of_reversed_ones_zero_and_of_equal_ones_a_half():
    scores, abnormal = torch.arange(10.0), torch.arange(10) >= 6
    assert numbers(scores, abnormal) == {"auroc": 1.0, "auprc": 1.0}
    assert numbers(-scores, abnormal)["auroc"] == 0
    assert numbers(torch.ones(10), abnormal)["auroc"] == 0.5
    assert numbers(torch.ones(10), abnormal)["auprc"] == pytest.approx(0.4)


def test_auroc_of_identical_distributions_is_about_a_half():
    chance = torch.Generator().manual_seed(0)
    scores = torch.randn(20_000, generator=chance)
    assert numbers(scores, torch.arange(20_000) % 2 == 0)["auroc"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    "rescale", [lambda s: 1e9 * s + 1e12, torch.exp, lambda s: s**3, lambda s: s * 1e-12]
)
def test_auroc_does_not_depend_on_a_monotone_rescaling(rescale: Any):
    scores, abnormal = torch.randn(300, dtype=torch.float64), torch.rand(300) < 0.3
    assert numbers(rescale(scores), abnormal) == numbers(scores, abnormal)


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    scores, abnormal = torch.randn(60).round(decimals=1), torch.rand(60) < 0.4
    pairs = scores[abnormal][:, None] - scores[~abnormal]
    share = (pairs > 0).double().mean() + (pairs == 0).double().mean() / 2
    assert numbers(scores, abnormal)["auroc"] == pytest.approx(share.item(), abs=1e-6)


def test_without_both_kinds_or_with_undefined_scores_there_are_no_numbers():
    assert numbers(torch.arange(3.0), torch.tensor([True] * 3)) == {}
    assert numbers(torch.arange(3.0), torch.tensor([False] * 3)) == {}
    assert numbers(torch.tensor([1.0, float("nan")]), torch.tensor([True, False])) == {}


@pytest.mark.parametrize("false_alarms", [0.0, 0.01, 0.05, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("count", [1, 7, 20, 100])
def test_the_threshold_lets_as_many_normal_images_pass_as_allowed_and_no_more(
    false_alarms: float, count: int
):
    scores = torch.randn(count, dtype=torch.float64)
    limit = threshold(scores, false_alarms)
    assert (scores > limit).sum() <= false_alarms * count + 1e-9
    below = scores[scores < limit]
    if len(below) and false_alarms < 1:  # any lower one would let too many pass
        assert (scores > below.max()).sum() > false_alarms * count - 1e-9


# Heat maps.


def test_where_nothing_differs_the_map_is_black_and_at_the_top_white():
    image = torch.zeros(3, 4, 4)
    made = image.clone()
    made[:, 1, 2] = 0.5
    errors = heat.error(image, made)
    assert errors.shape == (4, 4)
    assert (errors > 0).nonzero().tolist() == [[1, 2]]
    picture = heat.picture(errors, 0.5)
    assert picture[:, 1, 2].tolist() == [1, 1, 1]
    assert picture[:, 0, 0].tolist() == [-1, -1, -1]
    assert heat.picture(torch.zeros(2, 2), 0.0).unique().tolist() == [-1]


def test_colours_grow_with_the_error():
    brightness = heat.picture(torch.linspace(0, 1, 50)[None], 1.0).sum(0)[0]
    assert (brightness.diff() > 0).all()


def test_the_scale_leaves_a_thousandth_of_the_pixels_white():
    errors = torch.rand(10, 100, 100)
    top = heat.scale([errors[:3], errors[3:]])
    assert (errors > top).double().mean() == pytest.approx(0.001, abs=1e-5)


# GANomaly.


def test_both_encoders_of_ganomaly_learn_from_the_latents_alone():
    gan, cfg = gan_of("model=ganomaly")
    [duel] = gan.task.duels(batch_of(cfg, 4))
    LatentDistance()(duel).backward()
    for part in (gan.task.G.encoder, gan.task.G.decoder, gan.task.G.second):
        for parameter in part.parameters():
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0


def test_the_distance_of_latents_is_their_mean_square():
    gan, cfg = gan_of("model=ganomaly")
    gan.eval()
    [duel] = gan.task.duels(batch_of(cfg, 4))
    again = gan.task.G.second(gan.task.G(duel.real))
    torch.testing.assert_close(LatentDistance()(duel), (duel.source - again).square().mean())
    score, made = gan.task.scored(gan.task.G, duel.real)
    torch.testing.assert_close(score, (duel.source - again).square().mean((1, 2, 3)))
    torch.testing.assert_close(made, gan.task.G(duel.real))


def test_ganomaly_weighs_its_terms_1_50_1_and_halves_the_cross_entropy():
    cfg = composed("model=ganomaly")
    weights = cfg.loss.adversarial.weight, cfg.loss.G.contextual.weight, cfg.loss.G.latent.weight
    assert weights == (1, 50, 1)
    assert (cfg.optimizer.lr, list(cfg.optimizer.betas), cfg.batch_size) == (2e-4, [0.5, 0.999], 64)
    gan, cfg = gan_of("model=ganomaly")
    [duel] = gan.task.duels(batch_of(cfg, 4))
    x, g = duel.real_logits, duel.fake_logits
    entropy = nn.functional.binary_cross_entropy_with_logits
    expected = (entropy(x, torch.ones_like(x)) + entropy(g, torch.zeros_like(g))) / 2
    torch.testing.assert_close(MatchedFeatures().discriminator(duel), expected)


def test_matched_features_are_pairs_and_want_no_gradient_for_the_real():
    seen = {}

    class Shows(nn.Module):
        def forward(self, image: Tensor) -> dict[str, Tensor]:
            return {"logits": image.flatten(1).sum(1), "features": image.flatten(1)}

    real, fake = torch.randn(3, 1, 2, 2, requires_grad=True), torch.randn(3, 1, 2, 2, requires_grad=True)
    for loss in (MatchedFeatures().generator, FeatureDistance()):
        duel = Duel(Shows(), Shows(), real, real, fake)
        seen[loss] = loss(duel)
        torch.testing.assert_close(seen[loss], (real - fake).square().mean())
        seen[loss].backward()
    assert real.grad is None
    assert fake.grad is not None


def test_a_d_without_features_is_refused():
    image = torch.randn(1, 1, 1, 1)
    duel = Duel(nn.Identity(), nn.Flatten(0), image, image, image)
    with pytest.raises(ValueError, match='needs a D that shows its "features"'):
        FeatureDistance()(duel)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["model=dcgan", "task=autoencoding"], "task=autoencoding needs a G that encodes"),
        (["model=wgan_gp", "task=encoding"], "task=encoding needs a G with an encoder"),
        (["model=dcgan", "loss=ganomaly"], "loss.G.latent needs a G that encodes images twice"),
        (["model=f_anogan", "pretrain=-1"], "pretrain=-1: give the images"),
    ],
)
def test_parts_that_do_not_fit_are_refused(overrides: list[str], says: str):
    with pytest.raises(Exception, match=says):
        gan_of(*overrides)


def test_ganomaly_has_the_widths_of_the_paper_at_32_pixels():
    cfg = composed("model=ganomaly", "data=cifar10")
    task = instantiate(cfg.task, _convert_="all")
    widths = [layer.out_channels for layer in task.G.encoder if isinstance(layer, nn.Conv2d)]
    assert widths == [64, 128, 256, 100]
    assert task.G.encoder(torch.zeros(2, 3, 32, 32)).shape == (2, 100, 1, 1)


# f-AnoGAN.


def test_the_encoder_learns_alone_and_leaves_generator_and_d_byte_identical(tmp_path: Path):
    given = ["model=f_anogan", "pretrain=8"]
    assert run(tmp_path / "first", *given, "images=8") == 0
    assert run(tmp_path / "both", *given, "images=40") == 0
    before, after = (
        read(tmp_path / name / "checkpoints" / "last.ckpt")["state_dict"] for name in ("first", "both")
    )
    for name, value in after.items():
        same = torch.equal(value, before[name])
        assert same == (".encoder." not in name), name
    start = build(OmegaConf.load(tmp_path / "first" / "config.yaml"))  # pyright: ignore
    for name, value in start.state_dict().items():
        if ".encoder." in name:
            assert torch.equal(value, before[name]), f"{name} moved before its time"


def test_before_its_time_the_encoder_does_not_detect_and_afterwards_it_does(tmp_path: Path):
    assert run(tmp_path, "model=f_anogan", "pretrain=8") == 0
    gan, _ = load(tmp_path / "checkpoints" / "last.ckpt")
    gan.task.advance(8)
    assert not gan.task.detects
    gan.task.advance(9)
    assert gan.task.detects
    assert not gan.task.D.training
    assert (tmp_path / "samples" / "000000016-reconstruction.png").exists()
    assert not (tmp_path / "samples" / "000000008-reconstruction.png").exists()


def test_the_score_of_f_anogan_is_what_its_encoder_minimises():
    gan, cfg = gan_of("model=f_anogan", "kappa=2")
    gan.task.eval().advance(16)
    batch = {**batch_of(cfg, 5), "latent": torch.zeros(5, 128)}
    [duel] = gan.task.duels(batch)
    score, made = gan.task.scored(gan.task.G, duel.real)
    torch.testing.assert_close(made, duel.fake)
    izi_f = nn.functional.mse_loss(duel.fake, duel.real) + 2 * FeatureDistance()(duel)
    torch.testing.assert_close(score.mean(), izi_f)
    losses = gan.objective("G", [duel], 0, 16)
    assert losses.keys() == {"reconstruction", "features"}
    torch.testing.assert_close(sum(losses.values()), izi_f)


def test_the_encoders_latents_are_bounded():
    gan, cfg = gan_of("model=f_anogan")
    assert gan.task.G.encoder(100 * batch_of(cfg, 4)["image"]).abs().max() <= 1


def test_what_rests_passes_gradients_on_and_wakes_up_as_it_was():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    x = torch.randn(1, 2, requires_grad=True)
    with resting(network):
        y = network(x)
    y.sum().backward()
    assert x.grad is not None
    assert all(parameter.grad is None for parameter in network.parameters())
    assert [p.requires_grad for p in network.parameters()] == [False, False, True, True]


def test_f_anogan_has_the_authors_numbers():
    cfg = composed("model=f_anogan")
    rate = instantiate(cfg.optimizer.lr)
    assert (rate(0), rate(cfg.pretrain - 1), rate(cfg.pretrain)) == (1e-4, 1e-4, 5e-5)
    assert (cfg.n_critic, cfg.batch_size, cfg.loss.D.penalty.weight) == (5, 64, 10)
    assert (cfg.model.G.latent, cfg.model.G.width) == (128, 32)  # of digits, which ask for less than 64


# While training.


@pytest.mark.parametrize(("model", "rows"), [("ganomaly", 2), ("f_anogan", 1)])
def test_auroc_is_measured_while_training_once_the_model_can_score(model: str, rows: int, tmp_path: Path):
    more = ["pretrain=8"] if model == "f_anogan" else []
    settings = ["metrics=anomaly", "metrics.anomaly.count=50", "evaluate_every=8"]
    assert run(tmp_path, f"model={model}", *more, *settings) == 0
    with (tmp_path / "metrics.csv").open(newline="") as file:
        found = [row["metric/auroc"] for row in csv.DictReader(file) if row.get("metric/auroc")]
    assert len(found) == rows
    assert all(0 <= float(value) <= 1 for value in found)
    assert (tmp_path / "checkpoints" / "best.ckpt").exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["model=dcgan", *ONE, "model.G.width=4"], "does not learn to tell abnormal images"),
        (["model=ganomaly", "data=synthetic"], "train with data=one_class"),
    ],
)
def test_what_cannot_be_measured_is_refused(given: list[str], says: str, tmp_path: Path):
    words = [*given, "metrics=anomaly", "images=8", "batch_size=8", "logger=none"]
    with pytest.raises(ValueError, match=says):
        train(composed(*words), tmp_path, words, Console(quiet=True))


def test_a_count_that_means_nothing_is_refused(tmp_path: Path):
    with pytest.raises(Exception, match=r"metrics.anomaly.count=1: give 2 or more"):
        run(tmp_path, "model=ganomaly", "metrics=anomaly", "metrics.anomaly.count=1")


def test_phases_that_would_never_begin_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="pretrain=17: .* training ends at images=16; .* such as 11"):
        run(tmp_path, "model=f_anogan", "images=16", "pretrain=17")
    with pytest.raises(ValueError, match="pretrain=1.5: give a whole number of 0 or more"):
        trained(tmp_path, "model=srresnet", "+pretrain=1.5")


def test_without_the_data_of_one_class_f_anogan_trains_as_any_other(tmp_path: Path):
    assert trained(tmp_path, "model=f_anogan", "images=16") == 0
