"""BEGAN, InfoGAN, AC-GAN and DRAGAN: published parameter counts, what D answers, what a recipe chooses."""

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from small import composed
from torch import Tensor, nn

from gantool.gan import GAN
from gantool.models import acgan, began, dcgan, infogan
from gantool.optim import Recipe
from gantool.summary import parameters
from gantool.tasks.generation import Generation


@pytest.mark.parametrize(
    ("overrides", "of_G", "of_D"),
    [
        # carpedm20/BEGAN-tensorflow, models.py
        (["model=began", "data.resolution=64", "data.channels=3"], 1_716_611, 13_405_379),
        (["model=began", "data.resolution=64", "data.channels=3", "+data.width=64"], 563_395, 4_011_651),
        (["model=began", "data.resolution=32", "data.channels=3"], 1_421_443, 7_128_643),
        (["model=began", "data.resolution=128", "data.channels=3"], 2_011_779, 23_221_443),
        # openai/InfoGAN, models/regularized_gan.py: trunk, D's head, Q's head
        (["model=infogan"], 6_652_481, 6_558_144 + 1_025 + 133_262),
        # Odena et al. (2017), table 2, from 4x4x384
        (["model=acgan", "data.resolution=32", "data.channels=3"], 2_994_051, 1_664_875),
        # DCGAN's, less the batch norm of D
        (["model=dragan", "data.resolution=64", "data.channels=3"], 3_576_704, 2_765_568 - 2 * 896),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, list) else "",
)
def test_parameter_counts_are_the_published_ones(overrides: list[str], of_G: int, of_D: int):
    task = built(composed("data=mnist", *overrides))
    assert parameters(task.G) == of_G
    assert parameters(task.D) == of_D


def built(cfg: DictConfig) -> Generation:
    return instantiate(cfg.task, _convert_="all")


def test_infogans_d_and_q_share_one_trunk():
    D = infogan.Discriminator(width=64, categorical=[10], continuous=2, channels=1, resolution=28)
    assert [parameters(part) for part in (D.trunk, D.verdict, D.code)] == [6_558_144, 1_025, 133_262]
    D(torch.zeros(2, 1, 28, 28))["code"].sum().backward()
    assert D.trunk[0].weight.grad is not None
    assert D.verdict.weight.grad is None


def test_began_judges_an_image_by_how_badly_it_reconstructs_it():
    D = began.Discriminator(hidden=8, width=4, channels=3, resolution=[16, 24])
    image = torch.rand(5, 3, 16, 24)
    answer = D(image)
    assert answer["reconstruction"].shape == image.shape
    expected = torch.stack(
        [nn.functional.l1_loss(a, b) for a, b in zip(image, answer["reconstruction"], strict=True)]
    )
    torch.testing.assert_close(answer["logits"], -expected)


def test_a_perfect_autoencoder_gives_began_its_highest_logit():
    D = began.Discriminator(hidden=8, width=4, channels=3, resolution=16)
    reconstruction = D(torch.zeros(1, 3, 16, 16))["reconstruction"]
    D.encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 8))
    nn.init.zeros_(D.encoder[1].weight)  # whatever the image, the same code, so the same reconstruction
    with torch.no_grad():
        fixed = D(torch.zeros(1, 3, 16, 16))["reconstruction"]
        assert D(fixed)["logits"].item() == 0.0
        assert D(fixed + 0.5)["logits"].item() == pytest.approx(-0.5)
    assert reconstruction.shape == fixed.shape


def test_the_decoder_of_began_is_a_generator():
    D = began.Discriminator(hidden=8, width=4, channels=3, resolution=32)
    assert isinstance(D.decoder, began.Generator)


def test_began_has_a_scale_more_at_each_doubling_of_the_size():
    for resolution, scales in ((16, 2), (32, 3), (64, 4), (28, 2)):
        assert len(began.Generator(4, 2, 1, resolution).scales) == scales


def test_acgan_s_discriminator_ignores_the_label_and_its_generator_does_not():
    D = acgan.Discriminator(classes=10, width=2, channels=3, resolution=32).eval()
    G = acgan.Generator(8, classes=10, width=2, channels=3, resolution=32).eval()
    image, z = torch.randn(1, 3, 32, 32), torch.randn(1, 8)
    three, seven = torch.tensor([3]), torch.tensor([7])
    assert torch.equal(D(image, three)["class"], D(image, seven)["class"])
    assert torch.equal(D(image, three)["logits"], D(image, seven)["logits"])
    assert not torch.equal(G(z, three), G(z, seven))


def test_acgan_s_widths_stop_at_the_papers():
    D = acgan.Discriminator(classes=10, width=16, channels=3, resolution=128)
    widths = [layer.out_channels for layer in D.trunk if isinstance(layer, nn.Conv2d)]
    assert widths == [16, 32, 64, 128, 256, 512, 512, 512, 512, 512]


def test_the_numbers_of_the_papers_are_the_defaults():
    dragan, beg, info, ac = (composed(f"model={m}") for m in ("dragan", "began", "infogan", "acgan"))
    assert (dragan.optimizer.lr, dragan.batch_size, dragan.loss.D.penalty.weight) == (1e-4, 128, 10.0)
    assert dragan.prior._target_.endswith("Uniform")
    assert (beg.batch_size, beg.model.G.latent, beg.model.D.hidden) == (16, 64, 64)
    assert (beg.loss.adversarial.gamma, beg.loss.adversarial.rate) == (0.5, 1e-3)
    assert (info.optimizer.D.lr, info.optimizer.G.lr, info.batch_size) == (2e-4, 1e-3, 128)
    assert (ac.optimizer.lr, list(ac.optimizer.betas), ac.batch_size) == (2e-4, [0.5, 0.999], 100)
    assert ac.task.conditional


def test_began_s_learning_rate_halves_every_100_000_batches_of_16_down_to_a_quarter():
    rate = instantiate(composed("model=began").optimizer.lr)
    assert [rate(images) for images in (0, 1_600_000, 3_200_000, 8_000_000)] == [8e-5, 4e-5, 2e-5, 2e-5]


def test_infogan_s_discriminator_and_term_follow_the_codes_of_its_prior():
    cfg = composed("model=infogan", "prior.categorical=[3,4]", "prior.continuous=1", "data=mnist")
    task, objective = built(cfg), instantiate(cfg.loss, _convert_="all")
    assert task.D(torch.zeros(2, 1, 28, 28))["code"].shape == (2, 3 + 4 + 2)
    assert objective.terms_of("D")["information"].sizes == [3, 4, 1]
    assert objective.terms_of("G")["information"].sizes == [3, 4, 1]


@pytest.mark.parametrize("minibatch", ["stddev", "discrimination"])
@pytest.mark.parametrize("model", ["dcgan", "lsgan", "wgan"])
def test_dcgan_s_discriminator_can_compare_the_samples_of_a_batch(model: str, minibatch: str):
    cfg = composed(f"model={model}", "data=synthetic", "data.width=4", f"model.D.minibatch={minibatch}")
    D = built(composed("data=synthetic", "data.width=4", f"model={model}")).D.eval()
    comparing = built(cfg).D.eval()
    images = torch.randn(4, 3, 16, 16)
    assert mixes(comparing, images)
    assert not mixes(D, images)


def mixes(D: nn.Module, images: Tensor) -> bool:
    return not torch.allclose(D(images), torch.cat([D(image[None]) for image in images]), atol=1e-6)


def test_an_unknown_comparison_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="minibatch=std: choose one of none, stddev, discrimination"):
        dcgan.Discriminator(4, 3, 16, minibatch="std")


def test_dragan_refuses_batch_norm():
    cfg = composed("model=dragan", "model.D.norm=batch", "data=synthetic")
    with pytest.raises(ValueError, match=r"loss.D.penalty .* batch norm .* model.D.norm"):
        assembled(cfg)


def test_infogan_s_term_refuses_a_prior_without_codes():
    with pytest.raises(ValueError, match=r"loss.D.information .* prior=codes"):
        assembled(
            composed(
                "loss=infogan",
                *(f"loss.D.information.{codes}" for codes in ("categorical=[10]", "continuous=2")),
            )
        )


def test_infogan_s_term_refuses_other_codes_than_the_prior_s():
    with pytest.raises(ValueError, match=r"loss.D.information has codes \[5, 2\]"):
        assembled(composed("model=infogan", "loss.D.information.categorical=[5]", "data=synthetic"))


def test_an_auxiliary_classifier_refuses_a_task_without_labels():
    with pytest.raises(ValueError, match=r"loss.D.classification .* task.conditional=true"):
        assembled(composed("loss=auxiliary_classifier", "data=synthetic"))


def assembled(cfg: DictConfig) -> GAN:
    recipes = {player: Recipe(instantiate(cfg.optimizer[player], _convert_="all")) for player in "DG"}
    return GAN(built(cfg), instantiate(cfg.loss, _convert_="all"), recipes)  # pyright: ignore
