"""The cures for collapse and overfitting: each in closed form, and each on a trained family."""

from pathlib import Path
from typing import Any

import pytest
import torch
from duels import CPU, Sum, everywhere, of_logits
from small import composed, trained
from torch import Tensor, nn

from gantool.augment.augment import Augment, Chance
from gantool.chance import keys
from gantool.checkpoint import load, read
from gantool.duel import Duel
from gantool.layers.spectral import normalise
from gantool.losses.adversarial import Minimax, NonSaturating
from gantool.losses.consistency import (
    Consistency,
    LatentConsistency,
    LatentDiversity,
    moved_and_mirrored,
)
from gantool.losses.feature_matching import FeatureMatching
from gantool.losses.lecam import LeCam
from gantool.losses.objective import Objective
from gantool.losses.orthogonality import Orthogonality
from gantool.losses.penalties import R1

TRICKS = sorted(path.stem for path in (Path(__file__).parent.parent / "conf" / "trick").glob("*.yaml"))


def test_lecam_is_nothing_for_a_d_no_surer_than_on_average_and_a_squared_distance_beyond():
    term = LeCam()
    term.real_mean.fill_(1.0)
    term.fake_mean.fill_(-1.0)
    assert term(of_logits(torch.tensor([-2.0, -1.0]), torch.tensor([1.0, 3.0]))).item() == 0
    assert term(of_logits(torch.tensor([1.0]), torch.tensor([-1.5]))).item() == pytest.approx(2**2 + 2.5**2)


def test_the_averages_of_lecam_start_with_the_first_means_and_move_by_their_decay():
    term = LeCam(decay=0.9)
    for real, expected in ((4.0, 4.0), (2.0, 0.9 * 4 + 0.1 * 2)):
        loss = term(of_logits(torch.full((4,), real, requires_grad=True), torch.zeros(4, requires_grad=True)))
        assert loss.isfinite()
        term.settle()
        assert term.real_mean.item() == pytest.approx(expected)
    assert not term.real_mean.requires_grad


def test_what_a_loss_observes_is_the_mean_over_its_micro_batches():
    whole, cut = LeCam(), LeCam()
    real, fake = torch.randn(8), torch.randn(8)
    whole(of_logits(real, fake))
    cut(of_logits(real[:2], fake[:2]))
    cut(of_logits(real[2:], fake[2:]))
    for term in (whole, cut):
        term.settle()
    torch.testing.assert_close(whole.real_mean, cut.real_mean)
    torch.testing.assert_close(whole.fake_mean, cut.fake_mean)


def test_consistency_is_nothing_for_a_d_that_does_not_mind_and_something_for_one_that_does():
    images = torch.randn(8, 2, 6, 6)
    at_ease, minds = Sum(), Corner()
    wrapped = Duel(nn.Identity(), at_ease, images, images.mean((2, 3), True).expand_as(images), images)
    assert Consistency(fake=0.0)(wrapped).item() == pytest.approx(0, abs=1e-6)
    assert Consistency()(Duel(nn.Identity(), minds, images, images, images)).item() > 0


class Corner(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0, 0, 0]


def test_balanced_consistency_adds_the_fakes():
    same, other = torch.zeros(8, 1, 6, 6), torch.randn(8, 1, 6, 6)
    duel = Duel(nn.Identity(), Corner(), other, same, other, key=keys(8, CPU))
    assert Consistency(fake=0.0)(duel).item() == 0
    assert Consistency(fake=1.0)(duel).item() > 0
    assert Consistency(fake=2.0)(duel).item() == pytest.approx(2 * Consistency(fake=1.0)(duel).item())


def test_images_are_mirrored_and_shifted_as_drawn():
    image = torch.arange(12.0).view(1, 1, 3, 4)
    stay, mirror = torch.tensor([[0.9, 0.5, 0.5]]), torch.tensor([[0.1, 0.5, 0.5]])
    assert torch.equal(moved_and_mirrored(image, stay, 1), image)
    assert torch.equal(moved_and_mirrored(image, mirror, 1), image.flip(3))
    down = moved_and_mirrored(image, torch.tensor([[0.9, 0.0, 0.99]]), 1)  # rows -1, columns +1
    assert torch.equal(down[0, 0, 1:, :3], image[0, 0, :2, 1:])


def test_latent_consistency_is_nothing_at_radius_zero():
    duel = everywhere(nn.Tanh(), Sum(), torch.randn(8, 3))
    duel.fake = duel.source.tanh()
    assert LatentConsistency(radius=0.0)(duel).item() == 0
    assert LatentDiversity(radius=0.0)(duel).item() == 0
    assert LatentConsistency(radius=0.1)(duel).item() > 0


def test_latent_diversity_of_a_linear_generator_is_its_gain_times_the_radius_squared():
    torch.manual_seed(0)
    source = torch.randn(5_000, 2, dtype=torch.float64)
    gain = 3.0

    class Gain(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return gain * z

    duel = Duel(Gain(), Sum(), source, source, gain * source)
    value = LatentDiversity(radius=0.1)(duel).item()
    assert value == pytest.approx(-((gain * 0.1) ** 2), rel=0.06)


def test_orthogonality_is_nothing_for_orthogonal_filters_of_any_length():
    torch.manual_seed(0)
    network = nn.Linear(5, 3, bias=False).double()
    nn.init.orthogonal_(network.weight)
    duel = everywhere(network, network, torch.zeros(1, 5, dtype=torch.float64))
    with torch.no_grad():
        network.weight *= torch.tensor([[1.0], [7.0], [0.1]])
    assert Orthogonality(of="G")(duel).item() == pytest.approx(0, abs=1e-20)
    with torch.no_grad():
        network.weight.copy_(torch.eye(3, 5))
        network.weight[1] = network.weight[0]
    assert Orthogonality(of="D")(duel).item() == pytest.approx(2.0)


def test_orthogonality_leaves_embeddings_out_and_reads_transposed_convolutions_by_output():
    network = nn.Sequential(nn.Embedding(4, 3), nn.ConvTranspose2d(2, 1, 2, bias=False))
    duel = everywhere(network, network, torch.zeros(1))
    assert Orthogonality(of="G")(duel).item() == 0  # one output: no two rows to overlap


def test_orthogonality_is_that_of_the_weight_before_spectral_norm():
    network = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[2.0, 0.0], [2.0, 0.0]]))
    normalise(network, 1e-12)
    assert Orthogonality(of="G")(everywhere(network, network, torch.zeros(1, 2))).item() == 2 * 4**2


def test_feature_matching_is_nothing_for_identical_batches_and_the_distance_of_means_otherwise():
    D = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    real = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert FeatureMatching()(Duel(nn.Identity(), D, real, real, real.flip(0))).item() == 0
    fake = real + torch.tensor([3.0, 4.0])
    assert FeatureMatching()(Duel(nn.Identity(), D, real, real, fake)).item() == pytest.approx(25)


def test_label_smoothing_moves_the_best_verdict_on_pure_reals_to_its_target():
    """Without fakes the best logit has sigmoid 1 - s."""
    logit = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    fake = torch.zeros(1, dtype=torch.float64)
    for loss in (NonSaturating(smoothing=0.1), Minimax(smoothing=0.1)):
        (slope,) = torch.autograd.grad(loss.discriminator(of_logits(logit, fake)), logit)
        torch.testing.assert_close(slope, logit.detach().sigmoid() - 0.9)


# Augmentation and the loop.


class Shift(Augment):
    """Adds a number of each sample's own."""

    def forward(self, image: Tensor, chance: Chance) -> Tensor:
        return image + chance("shift")[:, None, None, None]


def test_d_sees_reals_and_fakes_through_the_augmentation_and_each_differently():
    images = torch.zeros(4, 1, 2, 2)
    duel = Duel(nn.Identity(), Sum(), images, images, images, augment=Shift(), key=keys(4, CPU))
    assert torch.equal(duel.real_view, images + duel.chance("real shift")[:, None, None, None])
    assert not torch.equal(duel.real_view, duel.fake_view)
    torch.testing.assert_close(duel.fake_logits, 4 * duel.chance("fake shift"))


def test_penalties_differentiate_at_what_d_sees():
    images = torch.zeros(4, 1, 2, 2)
    views = frozenset({"real"})
    duel = Duel(nn.Identity(), Sum(), images, images, images, augment=Shift(), differentiated=views)
    assert duel.real_view.is_leaf
    assert R1()(duel).item() == pytest.approx(4 / 2)


def test_a_verdict_of_several_heads_is_kept_whole():
    class Heads(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"logits": x.flatten(1).sum(1), "class": x.flatten(1)}

    images = torch.ones(2, 1, 1, 3)
    duel = Duel(nn.Identity(), Heads(), images, images, 2 * images)
    assert duel.real_logits.tolist() == [3, 3]
    assert duel.fake_verdict["class"].shape == (2, 3)
    assert duel.judge(images).tolist() == [3, 3]


@pytest.mark.parametrize("trick", TRICKS)
def test_every_trick_trains_and_comes_back_from_its_checkpoint(trick: str, tmp_path: Path):
    model = "gan_cls" if trick == "conditioning_augmentation" else "dcgan"
    settings = [f"model={model}", "model.D.norm=none", f"trick={trick}", "images=24"]
    if trick == "lecam":
        settings.append("loss.D.lecam.weight=0.3")
    assert trained(tmp_path, *settings) == 0
    config: Any = read(tmp_path / "checkpoints" / "last.ckpt")["gantool"]["config"]
    assert config["loss"] != composed("model=dcgan").loss or config["task"]["pack"] == 2
    gan, _ = load(tmp_path / "checkpoints" / "last.ckpt")
    assert all(value.isfinite().all() for value in gan.state_dict().values())


def test_tricks_go_together(tmp_path: Path):
    several = "trick=[r1,r2,balanced_consistency,latent_consistency,pacgan,top_k,unrolled,feature_matching]"
    assert trained(tmp_path, "model=dcgan", "model.D.norm=layer", several, "images=16") == 0


def test_a_trick_that_does_not_suit_the_loss_is_refused(tmp_path: Path):
    with pytest.raises(Exception, match="smoothing"):
        trained(tmp_path, "model=dcgan", "loss=hinge", "trick=label_smoothing")


def test_an_unknown_name_in_an_objective_is_not_ignored():
    with pytest.raises(TypeError):
        Objective(NonSaturating(), lens={})  # pyright: ignore
