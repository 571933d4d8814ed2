"""SNGAN, cGAN-PD, SAGAN, BigGAN, BigGAN-deep: the published networks and what sets them apart."""

from math import log
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from small import composed
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrize import is_parametrized

from gantool.layers import spectral
from gantool.layers.attention import SelfAttention
from gantool.layers.residual import DownBlock, FirstDownBlock
from gantool.models import biggan_deep, sndcgan, spectral_resnet
from gantool.schedules import at
from gantool.standing import standing_statistics
from gantool.summary import parameters
from gantool.tasks.task import Task

IMAGENET = ("data.path=anywhere", "data.classes=1000")


@pytest.mark.parametrize(
    ("overrides", "of_G", "of_D"),
    [
        # pfnet-research/sngan_projection, w86763777/pytorch-gan-collections
        (["model=sngan", "data=cifar10"], 4_276_739, 1_053_824),
        (["model=sngan", "data=cifar10", "model.D.bias=true"], 4_276_739, 1_053_825),
        (["experiment=sngan_cifar10"], 4_276_739, 1_053_824),
        (["model=sndcgan", "data=cifar10"], 3_813_379, 2_935_873),
        # kwotsin/mimicry, POSTECH-CVLab/PyTorch-StudioGAN
        (["model=projection", "data=cifar10"], 4_304_387, 1_055_105),
        (["experiment=projection_cifar10"], 4_304_387, 1_055_105),
        (["model=sagan", "data=cifar10"], 4_386_308, 1_075_586),
        (["experiment=sagan_cifar10"], 4_386_308, 1_075_586),
        # ajbrock/BigGAN-PyTorch, launch_cifar_ema.sh
        (["model=biggan", "data=cifar10"], 4_304_387, 4_207_361),
        # POSTECH-CVLab/PyTorch-StudioGAN
        (["experiment=biggan_cifar10"], 9_416_196, 2_415_170),
        (["model=biggan_deep", "data=cifar10"], 7_762_948, 2_908_930),
        (["experiment=biggan_deep_cifar10"], 7_762_948, 2_908_930),
        # ajbrock/BigGAN-PyTorch, launch_SNGAN.sh, launch_SAGAN.sh
        (["experiment=projection_imagenet128", *IMAGENET], 41_996_931, 30_005_013),
        (["experiment=sagan_imagenet128", *IMAGENET], 42_078_852, 30_025_494),
        (["experiment=sagan_imagenet128", *IMAGENET, "model.G.attention=64"], 42_017_412, 30_010_134),
        (["experiment=sagan_imagenet128", *IMAGENET, "model.D.wide=true"], 42_078_852, 39_463_618),
        # ajbrock/BigGAN-PyTorch, launch_BigGAN_bs256x8.sh, launch_BigGAN_deep.sh
        (["experiment=biggan_imagenet128", *IMAGENET], 70_433_988, 87_982_370),
        (["experiment=biggan_deep_imagenet128", *IMAGENET], 50_244_484, 34_590_210),
    ],
    ids=lambda value: "-".join(value[:1] + value[3:]) if isinstance(value, list) else "",
)
def test_parameter_counts_are_the_published_ones(
    overrides: list[str], of_G: int, of_D: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(spectral, "spectral_norm", unchanged)  # it adds no parameters: see below
    cfg = composed(*overrides)
    with torch.device("meta"):
        task = instantiate(cfg.task, _convert_="all")
    assert parameters(task.G) == of_G
    assert parameters(task.D) == of_D


def unchanged(module: nn.Module, eps: float) -> nn.Module:
    return module


def test_spectral_norm_adds_no_parameters():
    plain, normed = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3)
    spectral.normalise(normed, 1e-6)
    assert parameters(plain) == parameters(normed)


def networks(model: str, *overrides: str) -> Task:
    cfg = composed(f"model={model}", "data=synthetic", "data.width=4", *overrides)
    task = instantiate(cfg.task, _convert_="all")
    for player in ("D", "G"):
        instantiate(cfg.init[player])(getattr(task, player))
    return task


def listen(module: nn.Module, outputs: list[torch.Tensor]) -> None:
    """Let a module write down what it answers."""

    def write(module: nn.Module, arguments: Any, output: torch.Tensor) -> None:
        outputs.append(output)

    module.register_forward_hook(write)


def layers(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]


@pytest.mark.parametrize(
    ("model", "in_G"),
    [("sngan", False), ("sndcgan", False), ("projection", False), ("sagan", True), ("biggan", True)],
)
def test_spectral_norm_is_in_every_layer_of_d_and_of_g_where_the_paper_has_it(model: str, in_G: bool):
    task = networks(model)
    assert all(is_parametrized(layer, "weight") for layer in layers(task.D))
    assert all(is_parametrized(layer, "weight") == in_G for layer in layers(task.G))


def test_the_shared_embedding_of_classes_is_free_of_spectral_norm():
    for G in (
        networks("biggan", "model.G.shared=5").G,
        networks("biggan_deep", "model.G.shared=5").G,
    ):
        assert not is_parametrized(G.embedding, "weight")  # pyright: ignore
        assert all(is_parametrized(layer, "weight") for layer in layers(G))


def test_the_epsilon_of_biggan_is_a_millionth():
    for model in ("biggan", "biggan_deep"):
        cfg = composed(f"model={model}")
        assert cfg.model.G.spectral_epsilon == cfg.model.D.spectral_epsilon == 1e-6
        assert cfg.optimizer.G.eps == cfg.optimizer.D.eps == 1e-6


@pytest.mark.parametrize("model", ["sngan", "sndcgan", "projection", "sagan", "biggan", "biggan_deep"])
def test_judging_is_scale_free_in_every_weight_of_d(model: str):
    """Each layer divides by its own norm, so no weight but a bias has a scale."""
    task = networks(model)
    image, label = torch.randn(3, 3, 16, 16), torch.tensor([0, 1, 9])
    condition = (label,) if task.conditional else ()  # pyright: ignore
    task.D.eval()
    before = task.D(image, *condition)
    with torch.no_grad():
        for layer in layers(task.D):
            spectral.learnt(layer).mul_(10)
    torch.testing.assert_close(task.D(image, *condition), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", ["sngan", "projection", "biggan"])
def test_d_sums_over_pixels(model: str):
    """Not a mean: the hinge margin would be H W times as wide."""
    D: Any = networks(model).D.eval()
    seen: list[torch.Tensor] = []
    D.head.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    image = torch.randn(2, 3, 16, 16)
    label = None if model == "sngan" else torch.tensor([0, 1])
    features: list[torch.Tensor] = []
    listen(D.blocks[-1], features)
    D(image, label)
    torch.testing.assert_close(seen[0], features[0].relu().sum((2, 3)))


def test_the_label_moves_ds_logit_by_the_projection_alone():
    D: Any = networks("projection").D.eval()
    image, y, other = torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 3]), torch.tensor([5, 6, 7, 8])
    seen: list[torch.Tensor] = []
    D.head.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    difference = D(image, y) - D(image, other)
    expected = ((D.head.V.weight[y] - D.head.V.weight[other]) * seen[0]).sum(1)
    torch.testing.assert_close(difference, expected, rtol=1e-4, atol=1e-4)


def test_networks_with_classes_refuse_to_work_without_labels_and_vice_versa():
    z, label = torch.randn(2, 128), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="model.G.classes=10.*without labels"):
        networks("projection").G(z)
    with pytest.raises(ValueError, match="model.G.classes=10.*without labels"):
        networks("biggan_deep").G(z)
    with pytest.raises(ValueError, match="model.G.classes=null.*with labels"):
        networks("sngan").G(z, label)


def test_without_conditions_and_spectral_norm_g_is_that_of_wgan_gp():
    """The same layers in the same order: with the same weights, the same images."""
    G = networks("sngan", "data.resolution=32").G
    other = networks("wgan_gp", "data.resolution=32").G
    other.load_state_dict(dict(zip(other.state_dict(), G.state_dict().values(), strict=True)))
    z = torch.randn(2, 128)
    torch.testing.assert_close(G(z), other(z))


def test_thin_blocks_have_the_width_before_and_wide_ones_the_width_after():
    def hidden(wide: bool) -> list[int]:
        multipliers = [1, 2, 4, 4]
        D = spectral_resnet.Discriminator(4, 3, 32, None, multipliers, wide)
        blocks = [block for block in D.blocks if isinstance(block, FirstDownBlock | DownBlock)]
        return [block.conv1.out_channels for block in blocks]

    assert hidden(True) == [4, 8, 16, 16]
    assert hidden(False) == [3, 4, 8, 16]


def test_attention_is_where_the_feature_map_has_its_size():
    task = networks("sagan", "data.resolution=32")
    maps: list[torch.Tensor] = []
    for network in (task.G, task.D):
        [attention] = [m for m in network.modules() if isinstance(m, SelfAttention)]
        listen(attention, maps)
    label = torch.tensor([0, 1])
    task.D(task.G(torch.randn(2, 128), label), label)
    assert [tuple(h.shape[-2:]) for h in maps] == [(16, 16), (16, 16)]


def test_the_imagenet_biggan_cuts_its_latent_into_six_chunks_of_twenty(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spectral, "spectral_norm", unchanged)
    cfg = composed("experiment=biggan_imagenet128", *IMAGENET)
    with torch.device("meta"):
        G = instantiate(cfg.model.G)()
    assert (G.chunk, G.linear.in_features, len(G.blocks)) == (20, 20, 5)
    for block in G.blocks:
        assert block.norm1.gain.in_features == 128 + 20
    assert isinstance(G.norm, nn.BatchNorm2d)  # the last one is unconditional


def test_a_chunk_of_the_latent_reaches_its_own_block_and_those_after_it():
    G = spectral_resnet.Generator(12, 4, 3, 16, classes=3, shared=5, hierarchical=True, spectral_epsilon=1e-6)
    G.eval()
    outputs: list[torch.Tensor] = []
    for block in G.blocks:
        listen(block, outputs)
    z, label = torch.randn(1, 12), torch.tensor([1])
    G(z, label)
    first, second = outputs
    outputs.clear()
    changed = z.clone()
    changed[:, 8:] += 1  # the third chunk: the second block's
    G(changed, label)
    assert torch.equal(outputs[0], first)
    assert not torch.equal(outputs[1], second)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent": 10, "shared": 5, "hierarchical": True}, "latent=10 cannot be cut into 3 .* give 9"),
        ({"latent": 9, "hierarchical": True}, "hierarchical=true needs .* model.G.shared=128"),
        ({"latent": 9, "shared": 5, "classes": None}, "model.G.shared=5 embeds classes"),
        ({"latent": 9, "multipliers": [2, 1]}, "asks for 3 of them"),
    ],
)
def test_generators_that_cannot_be_are_refused(arguments: dict[str, Any], message: str):
    settings = {"width": 4, "channels": 3, "resolution": 16, "classes": 3, **arguments}
    with pytest.raises(ValueError, match=message):
        spectral_resnet.Generator(**settings)


def test_blocks_of_biggan_deep_keep_the_first_channels_and_add_the_missing_ones():
    up = biggan_deep.UpBlock(8, 4, lambda channels: Ignoring(), double=True)
    down = biggan_deep.DownBlock(4, 8, halve=True)
    for block in (up, down):
        nn.init.zeros_(block.conv4.weight)
        nn.init.zeros_(block.conv4.bias)  # pyright: ignore
    x, y = torch.randn(2, 8, 4, 4), torch.randn(2, 4, 4, 4)
    torch.testing.assert_close(up(x, torch.zeros(2)), nn.functional.interpolate(x[:, :4], scale_factor=2))
    torch.testing.assert_close(down(y)[:, :4], nn.functional.avg_pool2d(y, 2))
    with pytest.raises(ValueError, match="let them fall"):
        biggan_deep.UpBlock(4, 8, lambda channels: Ignoring(), double=True)
    with pytest.raises(ValueError, match="let them rise"):
        biggan_deep.DownBlock(8, 4, halve=True)


class Ignoring(nn.Module):
    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        return x


def test_sndcgan_alternates_convolutions_that_keep_and_halve_the_size():
    D = sndcgan.Discriminator(64, 3, 32)
    convolutions = [layer for layer in D.layers if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 64, 128, 128, 256, 256, 512]
    assert [layer.stride[0] for layer in convolutions] == [1, 2, 1, 2, 1, 2, 1]
    assert not any(isinstance(module, _BatchNorm) for module in D.modules())


@pytest.mark.parametrize("model", ["sngan", "projection", "biggan", "biggan_deep"])
def test_standing_statistics_change_the_images_and_always_in_the_same_way(model: str):
    task = networks(model)
    task.G.eval()
    batch = {"label": torch.arange(8), "latent": torch.randn(8, 128)}

    def images() -> torch.Tensor:
        return task.generate(task.G, batch)["fake"].detach()

    before = images()
    answers = []
    for _ in range(2):
        torch.manual_seed(3)
        standing_statistics(task.G, task, {"label": batch["label"]}, batches=2)
        answers.append(images())
    assert not torch.allclose(before, answers[0])
    assert torch.equal(*answers)
    assert not any(module.training for module in task.G.modules())


def test_the_published_hyper_parameters_are_the_defaults():
    for model in ("sngan", "projection"):
        cfg = composed(f"model={model}")
        assert (cfg.n_critic, cfg.batch_size, cfg.generator_batch_size) == (5, 64, 128)
        assert list(cfg.optimizer.betas) == [0.0, 0.9]
        lr = instantiate(cfg.optimizer.lr)
        assert (at(lr, 0), at(lr, cfg.images)) == (2e-4, 0.0)
        assert cfg.loss.adversarial._target_.endswith("Hinge")
    sagan, biggan = composed("model=sagan"), composed("model=biggan")
    assert (sagan.optimizer.G.lr, sagan.optimizer.D.lr, sagan.n_critic) == (1e-4, 4e-4, 1)
    assert (biggan.n_critic, biggan.batch_size, list(biggan.optimizer.betas)) == (4, 50, [0.0, 0.999])
    assert biggan.init.G.std == 0.02
    assert composed("model=biggan", "data=cifar10").images == 500 * 50_000


@pytest.mark.parametrize(
    "choice",
    [
        ("model=biggan",),
        ("model=biggan_deep",),
        ("experiment=biggan_cifar10",),
        ("experiment=biggan_imagenet128", *IMAGENET),
        ("experiment=biggan_deep_imagenet128", *IMAGENET),
    ],
    ids=lambda choice: choice[0],
)
def test_the_averaged_generator_keeps_0_9999_of_itself_in_an_iteration(choice: tuple[str, ...]):
    cfg = composed(*choice)
    iteration = cfg.n_critic * cfg.batch_size
    ema = instantiate(cfg.ema)
    assert 0.5 ** (iteration / at(ema, ema.images)) == pytest.approx(0.9999, abs=1e-9)
    assert at(ema, ema.images - 1) == 0
    assert ema.images / iteration in (1_000, 20_000)
    assert at(ema, ema.images) == pytest.approx(iteration * log(0.5) / log(0.9999), abs=1)
