"""The doctor: closed forms of what it measures, when it speaks, and no trace of it in the weights."""

import copy
import csv
import math
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from rich.console import Console
from small import MODELS, composed, small, trained
from test_resume import Killed, kill_at, last, same
from torch import Tensor, nn

from gantool.build import build
from gantool.callbacks.doctor import middle, row
from gantool.data.synthetic import synthetic
from gantool.doctor.answers import answers
from gantool.doctor.cures import in_force, untried
from gantool.doctor.examination import COUNT, Examination, passes_of, some
from gantool.doctor.sign import CALM, WINDOW, Moment, Numbers, Sign
from gantool.doctor.signs import signs
from gantool.doctor.units import Units
from gantool.doctor.variety import coverage, distances, memorised, repeated
from gantool.doctor.variety import small as picture
from gantool.duel import Duel
from gantool.losses import adversarial
from gantool.losses.relativistic_average import RelativisticAverage
from gantool.losses.term import Adversarial
from gantool.train import train

BOUNDED = [
    adversarial.Minimax(),
    adversarial.NonSaturating(),
    adversarial.LeastSquares(),
    adversarial.LeastSquares(-1.0, 1.0, 0.0),
    adversarial.Hinge(),
    adversarial.RelativisticPairing(),
    RelativisticAverage(),
]
LENGTH = ("images=96", "log_every=2", "checkpoint_every=40", "sample_every=0", "health_every=16")


def answered(real: Tensor, fake: Tensor) -> Duel:
    """A duel whose D answered this."""
    image = torch.zeros(len(real), 1, 1, 1)
    duel = Duel(nn.Identity(), nn.Identity(), image, image, image)
    duel.__dict__ |= {"real_verdict": {"logits": real}, "fake_verdict": {"logits": fake}}
    return duel


def health(folder: Path) -> list[dict[str, str]]:
    """Rows of metrics.csv without the speed."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in it.items() if not name.startswith("speed/")} for it in rows]


# What is measured.


@pytest.mark.parametrize("loss", BOUNDED, ids=lambda loss: type(loss).__name__)
def test_undecided_is_the_loss_of_a_D_that_answers_the_boundary_to_everything(loss: Adversarial):
    boundary = loss.boundary(answered(torch.zeros(4), torch.zeros(4)))
    at_boundary = answered(*(boundary.expand(4) for _ in range(2)))
    assert loss.undecided == pytest.approx(loss.discriminator(at_boundary).item())


@pytest.mark.parametrize("loss", BOUNDED, ids=lambda loss: type(loss).__name__)
def test_a_D_that_is_sure_of_everything_comes_to_nothing_of_it(loss: Adversarial):
    if isinstance(loss, adversarial.LeastSquares):
        sure = answered(torch.full((4,), loss.b), torch.full((4,), loss.a))
    else:
        sure = answered(torch.full((4,), 50.0), torch.full((4,), -50.0))
    assert loss.discriminator(sure).item() == pytest.approx(0.0, abs=1e-6)


def test_a_critic_has_no_scale_on_which_it_could_be_too_sure():
    assert adversarial.Wasserstein().undecided is None


def test_D_is_right_about_reals_above_and_fakes_below_the_boundary_of_its_loss():
    duel = answered(torch.tensor([2.0, 0.6, 0.4, -1.0]), torch.tensor([0.6, 0.4, 0.1, 0.0]))
    found = answers([duel], adversarial.LeastSquares())  # between the targets 0 and 1
    assert (found["health/real_accuracy"], found["health/fake_accuracy"]) == (0.5, 0.75)
    assert found["health/real_logits"] == pytest.approx(0.5)
    found = answers([duel], adversarial.NonSaturating())
    assert (found["health/real_accuracy"], found["health/fake_accuracy"]) == (0.75, 0.0)


def test_the_share_of_repeated_pairs_is_one_by_the_number_of_different_images():
    """Birthday: s samples of N equally likely ones have s (s - 1) / 2N pairs on average."""
    torch.manual_seed(0)
    for different in (1, 8, 40):
        kinds = 10 * torch.randn(different, 3)
        samples = kinds[torch.randint(different, (2000,))] + 1e-3 * torch.randn(2000, 3)
        assert repeated(distances(samples), 0.1) == pytest.approx(1 / different, rel=0.1)


def test_the_mean_distance_of_a_Gaussian_is_a_closed_form():
    """Two points of N(0, I) of the plane are sqrt(pi) apart on average."""
    torch.manual_seed(0)
    assert distances(torch.randn(2000, 2)).mean().item() == pytest.approx(math.sqrt(math.pi), rel=0.02)


def test_coverage_is_that_of_two_samples_of_one_distribution_or_of_half_of_its_modes():
    torch.manual_seed(0)
    expected = 1 - math.prod((64 - k) / (128 - k) for k in range(1, 6))
    same_kind = [coverage(torch.randn(64, 3), torch.randn(64, 3)) for _ in range(200)]
    assert sum(same_kind) / 200 == pytest.approx(expected, abs=0.005)
    real = torch.randn(64, 3)
    real[32:] += 100
    assert coverage(real, real[:32] + 1e-4) == 0.5
    assert coverage(real, real + 1000) == 0.0


def test_pictures_are_at_most_32_pixels_a_side_and_keep_their_mean():
    images = torch.randn(3, 2, 96, 64)
    assert picture(images).shape == (3, 2 * 32 * 32)
    assert torch.allclose(picture(images).mean(1), images.mean((1, 2, 3)), atol=1e-6)
    assert torch.equal(picture(images[..., :8, :8]), images[..., :8, :8].flatten(1))


def test_memorised_goes_from_0_where_unseen_images_are_answered_as_seen_ones_to_1_where_as_fakes():
    seen, fake = torch.tensor([3.0, 5.0]), torch.tensor([-3.0, -5.0])
    assert memorised(seen, seen, fake) == pytest.approx(0.0)
    assert memorised(seen, fake, fake) == pytest.approx(1.0)
    assert memorised(seen, torch.tensor([0.0, 0.0]), fake) == pytest.approx(0.5)
    for scale, shift in ((7.0, 0.0), (0.1, 30.0)):
        moved = (scale * it + shift for it in (seen, torch.tensor([2.0, 2.0]), fake))
        assert memorised(*moved) == pytest.approx(0.25, rel=1e-4)


def test_memorised_is_not_told_where_D_tells_nothing():
    noise = torch.tensor([-1.0, 1.0, 0.5, -0.5])
    assert memorised(noise + 0.1, noise, noise) is None
    assert memorised(noise, noise, noise + 9) is None


def test_dead_units_are_counted():
    layer = nn.Linear(1, 4)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0], [-1.0], [0.0], [0.0]]))
        layer.bias.copy_(torch.tensor([0.0, 0.0, -1.0, 1.0]))
    network = nn.Sequential(layer, nn.ReLU(inplace=True))
    units = Units(network)
    assert not units.known
    network(torch.ones(5, 1))
    assert units.dead == 0.5
    network(-torch.ones(5, 1))  # the second one lives, too
    assert units.dead == 0.25
    assert not Units(nn.Sequential(layer, nn.LeakyReLU())).known


@pytest.mark.parametrize(
    ("batch", "pack", "size"), [(64, 1, 64), (96, 3, 48), (8, 1, 8), (1, 1, 1), (256, 2, 64), (97, 1, 64)]
)
def test_passes_are_like_those_of_training_and_not_too_large(batch: int, pack: int, size: int):
    assert passes_of(batch, pack) == size <= COUNT


# An examination.


def examined(*overrides: str, fakes: Tensor | None = None) -> dict[str, float]:
    """Of an untrained DCGAN; or of one that makes these fakes."""
    cfg = composed(*small("data.width=4", *overrides))
    gan = build(cfg)
    if fakes is not None:
        gan.task.G = Table(fakes)
    images = synthetic()
    return Examination(some(images, 0), some(images, 1), 16, 0)(gan, 0)


class Table(nn.Module):
    """A generator of given images, in turn."""

    def __init__(self, images: Tensor):
        super().__init__()
        self.images = nn.Parameter(images)
        self.place = 0

    def forward(self, latent: Tensor) -> Tensor:
        self.place += len(latent)
        return self.images[torch.arange(self.place - len(latent), self.place) % len(self.images)]


def test_the_reals_themselves_are_as_diverse_as_the_reals():
    reals = synthetic()[list(range(128))]["image"] / 127.5 - 1
    found = examined(fakes=reals)
    assert found["diversity"] == pytest.approx(1.0, abs=0.2)
    assert found["repeated"] == pytest.approx(found["real_repeated"], abs=0.01)


def test_one_image_has_no_diversity_and_few_images_are_counted():
    reals = synthetic()[list(range(4))]["image"] / 127.5 - 1
    assert examined(fakes=reals[:1])["diversity"] == pytest.approx(0.0, abs=1e-4)
    assert examined(fakes=reals[:1])["repeated"] == 1.0
    assert examined(fakes=reals)["repeated"] == pytest.approx(15 / 63, abs=0.01)  # 16 of each among 64


def test_an_examination_finds_the_same_again_and_leaves_everything_as_it_is():
    gan = build(composed(*small("data.width=4", "model=sngan", "n_critic=2")))
    before = copy.deepcopy(gan.state_dict())
    state = torch.get_rng_state()
    first, second = (Examination(some(synthetic(), 0), None, 8, 0) for _ in range(2))
    assert first(gan, 3) == second(gan, 3)
    assert "swing" in first(gan, 4)
    assert same(before, gan.state_dict())
    assert torch.equal(state, torch.get_rng_state())


def test_a_mean_fake_that_stays_does_not_swing_and_one_that_jumps_does():
    gan = build(composed(*small("data.width=4")))
    reals = synthetic()[list(range(64))]["image"] / 127.5 - 1
    examination = Examination(some(synthetic(), 0), None, 16, 0)
    swings = []
    for fakes in (reals, reals, -reals):
        gan.task.G = Table(fakes)
        swings.append(examination(gan, 0).get("swing"))
    assert swings[:2] == [None, pytest.approx(0.0, abs=1e-5)]
    unit = distances(picture(examination.training["image"][:64] / 127.5 - 1)).mean()
    assert swings[2] == pytest.approx((2 * picture(reals).mean(0).norm() / unit).item(), rel=1e-3)


# When it speaks.

SOUND: Numbers = {
    "uncertainty": 0.3,
    "real_logits": 2.0,
    "fake_logits": -2.0,
    "D_gradient": 5.0,
    "G_gradient": 5.0,
    "memorised": 0.1,
    "diversity": 0.9,
    "coverage": 0.8,
    "repeated": 0.0,
    "real_repeated": 0.0,
    "swing": 0.13,
    "G_dead": 0.0,
    "D_dead": 0.0,
}
ILL: dict[str, Numbers] = {
    "strong": {"uncertainty": 1e-4, "real_logits": 30.0, "fake_logits": -30.0},
    "vanishing": {"G_gradient": 1e-4},
    "exploding_D": {"D_gradient": 1e5},
    "exploding_G": {"G_gradient": 1e5},
    "memorising": {"memorised": 0.95},
    "collapse": {"diversity": 0.2},
    "dropping": {"coverage": 0.2},
    "swinging": {"swing": 1.1},
    "dead_D": {"D_dead": 0.9},
    "dead_G": {"G_dead": 0.9},
}


def told(history: list[Numbers], iterations: int = 10_000, progress: float = 0.9) -> list[tuple[int, str]]:
    """(examination, sentence) for a run with these examinations, one every 1,000 images."""
    known = signs()
    return [
        (place, sentence)
        for place, numbers in enumerate(history, 1)
        for sign in known.values()
        if (sentence := sign.hear(numbers, Moment(1000 * place, iterations, progress))) is not None
    ]


def test_a_sound_run_hears_nothing():
    assert told([SOUND] * 50) == []
    assert told([{}] * 5) == []


def test_every_sign_has_its_case():
    assert {*ILL, "stuck"} == signs().keys()


@pytest.mark.parametrize("ill", ILL)
def test_every_sign_is_told_once_with_what_since_when_and_what_helps(ill: str):
    bad = SOUND | ILL[ill]
    [(place, sentence)] = told([SOUND] * 5 + [bad] * 6)
    assert place == 5 + signs()[ill].window // 2 + 1  # most of them say so
    assert "since 6,000 images. What usually helps: " in sentence
    assert sentence.count("\n") == 0


@pytest.mark.parametrize("ill", ILL)
def test_one_bad_examination_is_none(ill: str):
    history = [SOUND] * 5 + [SOUND | ILL[ill], SOUND, SOUND] * 4
    assert told(history) == []


NOW = Moment(0, 0, 0.0)


class Level(Sign):
    """Badness as it is given."""

    cures = ("clip=1",)

    def badness(self, numbers: Numbers, now: Moment) -> float | None:
        return numbers.get("level")

    def words(self, numbers: Numbers) -> str:
        return "Bad"


def test_an_episode_ends_well_below_where_it_begins():
    sign = Level()
    levels = [1.2] * 4 + [0.9, 1.1] * 4 + [CALM - 0.1] * WINDOW + [1.5] * WINDOW
    said = [sign.hear({"level": it}, NOW) is not None for it in levels]
    assert [place for place, it in enumerate(said) if it] == [2, 4 + 8 + WINDOW + 1]


def test_what_a_sign_remembers_survives_a_checkpoint():
    history = [{"level": it} for it in (0.2, 1.3, 1.4, 1.5, 0.1, 0.1, 1.2, 1.2)]
    whole = Level()
    said = [whole.hear(numbers, Moment(10 * place, 0, 0.0)) for place, numbers in enumerate(history)]
    for cut in range(len(history)):
        first, second = Level(), Level()
        parts = [
            first.hear(numbers, Moment(10 * place, 0, 0.0)) for place, numbers in enumerate(history[:cut])
        ]
        second.recall(copy.deepcopy(first.state))
        parts += [second.hear(it, Moment(10 * place, 0, 0.0)) for place, it in enumerate(history[cut:], cut)]
        assert parts == said


def test_while_G_learns_its_first_things_low_variety_is_no_collapse():
    low = SOUND | {"diversity": 0.05, "repeated": 0.9}
    assert told([low] * 10, iterations=4_000, progress=0.4) == []
    assert told([SOUND] + [low] * 10, iterations=900) == []
    [(_, sentence)] = told([SOUND] + [low] * 10, iterations=1_100)
    assert "mode collapse" in sentence
    for late in ({"iterations": 6_000, "progress": 0.1}, {"iterations": 300, "progress": 0.9}):
        [(_, sentence)] = told([low] * 10, **late)
        assert "G does not learn: its fakes never had more than 5% of the reals' diversity" in sentence


def test_modes_that_reals_have_too_are_no_collapse():
    few = SOUND | {"repeated": 1 / 6, "real_repeated": 1 / 8}  # six of eight Gaussians
    assert told([few] * 10) == []
    one = SOUND | {"repeated": 1.0, "real_repeated": 1 / 8}
    [(_, sentence)] = told([one] * 10)
    assert "about 1 different ones" in sentence


def test_gradients_that_grow_slowly_are_sound():
    assert told([SOUND | {"D_gradient": 1.4**k, "G_gradient": 1.4**k} for k in range(40)]) == []


def test_what_is_not_measured_is_not_judged():
    silent = {"diversity": 0.9, "repeated": 0.0, "real_repeated": 0.0}  # such as of a critic
    assert told([silent] * 9) == []


def cures() -> list[str]:
    return sorted({cure for sign in signs().values() for cure in sign.cures})


@pytest.mark.parametrize("cure", cures())
def test_what_is_said_to_help_can_be_typed(cure: str):
    key, _, value = re.sub(r" \((smaller|larger)\)", "", cure).partition("=")
    for model in ("dcgan", "sngan", "stylegan2", "r3gan", "wgan_gp"):
        cfg = composed(f"model={model}")
        assert value or OmegaConf.select(cfg, key) is not None, model
    if value:
        assert composed(f"{key}={value}")


@pytest.mark.parametrize("cure", [cure for cure in cures() if "=" in cure])
def test_a_cure_is_in_force_where_to_choose_it_changes_nothing(cure: str):
    plain = composed("model=dcgan", "data=digits")
    chosen = composed("model=dcgan", "data=digits", cure)
    assert in_force(cure, chosen)
    assert in_force(cure, plain) == (chosen == plain)


def test_nobody_is_told_to_do_what_he_does():
    cfg = composed("model=stylegan2", "data=digits", "augment=ada", "trick=lecam", "data.mirror=true")
    assert untried(signs()["memorising"].cures, cfg) == ("augment=diffaug",)
    level = Level()
    level.advise = partial(untried, cfg=composed("clip=1"))
    said = [level.hear({"level": 1.0}, Moment(1000 * place, 0, 0.5)) for place in range(1, 4)]
    assert said[-1] is not None
    assert said[-1].endswith("What usually helps is in force already.")


# In a training.


@pytest.mark.parametrize("model", MODELS)
def test_the_doctor_leaves_no_trace_in_the_weights_of_any_family(model: str, tmp_path: Path):
    overrides = [f"model={model}", "n_critic=1", "n_generator=1", *LENGTH, "images=32", "ema=100"]
    trained(tmp_path / "with", *overrides)
    trained(tmp_path / "without", *overrides, "health_every=0")
    one, other = last(tmp_path / "with"), last(tmp_path / "without")
    for part in ("state_dict", "optimizer_states", "clock"):
        assert same(one[part], other[part]), part
    names = health(tmp_path / "with")[0].keys()
    assert {"health/diversity", "health/repeated", "health/G_gradient"} <= names
    assert "health/diversity" not in health(tmp_path / "without")[0]


def test_examinations_are_rows_of_their_own(tmp_path: Path):
    trained(tmp_path, *LENGTH)
    rows = [it for it in health(tmp_path) if it["health/diversity"]]
    assert [it["images"] for it in rows] == ["16", "32", "48", "64", "80", "96"]
    with_losses = [it for it in health(tmp_path) if it["D/adversarial"]]
    assert all(float(it["health/D_gradient"]) > 0 for it in with_losses)
    for it in with_losses:
        share = float(it["D/adversarial"]) / (2 * math.log(2))
        assert float(it["health/uncertainty"]) == pytest.approx(share, rel=1e-5)


def test_the_logged_gradient_is_the_norm_before_it_is_clipped(tmp_path: Path):
    trained(tmp_path / "plain", "images=8", "log_every=1")
    trained(tmp_path / "clipped", "images=8", "log_every=1", "clip=1e-3")
    [plain], [clipped] = health(tmp_path / "plain"), health(tmp_path / "clipped")
    assert plain["health/D_gradient"] == clipped["health/D_gradient"]
    assert float(plain["health/D_gradient"]) > 1e-3


@pytest.mark.parametrize("moment", [3, 7, 10])
def test_a_killed_run_goes_on_with_the_same_rows_and_memories(
    moment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trained(tmp_path / "whole", *LENGTH)
    with monkeypatch.context() as patched:
        kill_at(moment, patched)
        with pytest.raises(Killed):
            trained(tmp_path / "killed", *LENGTH)
    trained(tmp_path / "killed", *LENGTH, "resume=auto")
    assert health(tmp_path / "whole") == health(tmp_path / "killed")
    assert same(last(tmp_path / "whole")["doctor"], last(tmp_path / "killed")["doctor"])


def test_with_held_out_images_a_training_tells_what_D_knows_by_heart(tmp_path: Path):
    held = ["model=pix2pix", *LENGTH, "images=240", "metrics=[]", "data.count=40", "batch_size=4"]
    held += ["generator_batch_size=4", "optimizer.D.lr=5e-3"]
    trained(tmp_path / "held", *held, "data.hold_out=20")
    assert any(
        float(it["health/memorised"]) for it in health(tmp_path / "held") if it.get("health/memorised")
    )
    trained(tmp_path / "few", *held, "data.hold_out=2")
    assert "health/memorised" not in health(tmp_path / "few")[0]


def test_what_it_says_reaches_console_and_log(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    console = Console(record=True, width=300, file=open("/dev/null", "w"))  # noqa: SIM115
    given = small("optimizer.D.lr=0.01", "optimizer.G.lr=0", "images=1600", "health_every=400", "log_every=5")
    with caplog.at_level("INFO"):
        train(composed(*given), tmp_path, [], console)
    console.file.close()
    sentence = r"D tells reals from fakes too easily: its loss is .* since [\d,]+ images\. What usually helps"
    assert len(re.findall(sentence, console.export_text())) == 1
    assert len(re.findall(sentence, caplog.text)) == 1


@pytest.mark.parametrize("value", ["-1", "often", "1.5"])
def test_a_wrong_interval_is_refused(value: str, tmp_path: Path):
    with pytest.raises(ValueError, match=f"health_every={value}: give a whole number of 0 or more"):
        trained(tmp_path / "run", f"health_every={value}")
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_rows_are_summed_up_by_their_medians_and_infinity_is_not_counted():
    values: list[dict[str, Any]] = [
        {"health/D_gradient": 1.0, "health/uncertainty": 0.5, "D/adversarial": 3.0},
        {"health/D_gradient": 9.0, "health/uncertainty": math.nan},
        {"health/D_gradient": 2.0, "health/G_gradient": math.inf},
    ]
    assert middle([row(it) for it in values]) == {"D_gradient": 2.0, "uncertainty": 0.5}
    assert middle([]) == {}
