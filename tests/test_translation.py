"""Tasks from image to image: their duels, the history of fakes, what must be kept."""

from functools import partial
from typing import Any

import pytest
import torch
from pytorch_lightning import Trainer
from torch import Tensor, nn
from torch.nn.functional import l1_loss, softplus

from gantool.augment.augment import Chain
from gantool.chance import keys, uniform
from gantool.data.image_set import ImageSet
from gantool.data.module import ImageData, in_range
from gantool.data.synthetic import synthetic_pairs, synthetic_piles
from gantool.duel import Duel
from gantool.fit import quiet
from gantool.gan import GAN
from gantool.history import History
from gantool.images import table_of
from gantool.losses.adversarial import LeastSquares, NonSaturating
from gantool.losses.objective import Objective
from gantool.losses.reconstruction import Cycle, Identity, Reconstruction
from gantool.models import cyclegan, patchgan, pix2pix
from gantool.optim import Recipe
from gantool.seeds import reseed
from gantool.tasks.paired import Paired
from gantool.tasks.unpaired import Unpaired

CPU = torch.device("cpu")
BATCH = 2


def conv(source_channels: int = 3, channels: int = 3) -> nn.Module:
    return nn.Conv2d(source_channels, channels, 3, padding=1)


def patches(channels: int = 3) -> nn.Module:
    return nn.Conv2d(channels, 1, 3)


def numbered(first: int, count: int) -> Tensor:
    """Images of (count, 1, 2, 2) that are known by their value."""
    return torch.arange(first, first + count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)


def test_the_first_fakes_are_kept_and_shown_as_they_are():
    history = History(5)
    for start in (0, 3):
        assert torch.equal(history(numbered(start, 3), torch.zeros(3, 2))[:2], numbered(start, 3)[:2])
    assert history.images.flatten(1)[:, 0].tolist() == [
        5,
        1,
        2,
        3,
        4,
    ]  # the sixth took the place of the first


def test_a_full_history_exchanges_or_passes_each_fake_as_the_draw_says():
    history = History(2)
    history(numbered(0, 2), torch.zeros(2, 2))
    draws = torch.tensor([[0.49, 0.99], [0.51, 0.0], [0.0, 0.6], [0.2, 0.1]])
    shown = history(numbered(10, 4), draws)
    assert shown[:, 0, 0, 0].tolist() == [1, 11, 10, 0]
    assert history.images[:, 0, 0, 0].tolist() == [13, 12]


def test_half_of_the_fakes_of_a_full_history_are_new():
    history, size, count = History(50), 50, 4000
    history(numbered(0, size), torch.zeros(size, 2))
    new = numbered(size, count)
    shown = history(new, torch.rand(count, 2))
    fresh = (shown == new).all(3).all(2).all(1).float().mean().item()
    assert abs(fresh - 0.5) < 5 * 0.5 / count**0.5
    assert len(history.images) == size


def test_a_history_of_none_shows_every_fake():
    assert torch.equal(History(0)(numbered(0, 3), torch.zeros(3, 2)), numbered(0, 3))


def test_a_history_comes_back_from_its_checkpoint_and_goes_on_alike():
    one, other = History(4), History(4)
    one(numbered(0, 6), torch.rand(6, 2))
    other.load_state_dict(one.state_dict())
    draws = torch.rand(8, 2)
    assert torch.equal(one(numbered(10, 8), draws), other(numbered(10, 8), draws))
    other.load_state_dict(History(4).state_dict())  # an empty one, too
    assert other.count == 0


def test_what_d_sees_of_the_history_has_no_way_to_g_and_g_sees_its_own_fakes():
    task = Unpaired(conv, patches, {"a": 3, "b": 3}, history=1)
    batch = {"a": torch.randn(2, 3, 6, 6), "b": torch.randn(2, 3, 6, 6)}
    for duel in task.duels(batch):
        duel.key = torch.arange(2)
        assert duel.fake.requires_grad
        assert not duel.for_D().fake.requires_grad


def test_an_unpaired_task_plays_two_duels_each_with_a_way_back():
    task = Unpaired(conv, patches, {"a": 1, "b": 3})
    batch = {"a": torch.randn(2, 1, 6, 6), "b": torch.randn(2, 3, 6, 6)}
    forth, back = task.duels(batch)
    assert forth.fake.shape == back.real.shape[:1] + (3, 6, 6)
    assert back.fake.shape == (2, 1, 6, 6)
    assert forth.inverse is back.generator
    assert back.inverse is forth.generator
    assert forth.discriminator is not back.discriminator
    assert set(task.generate(task.G, {"a": batch["a"]})) == {"ab"}


def test_a_conditional_pair_is_judged_together_with_its_source():
    class Judge(nn.Module):
        def forward(self, target: Tensor, source: Tensor) -> Tensor:
            return (target - source).mean((1, 2, 3))

    batch = {"source": torch.randn(2, 3, 4, 4), "target": torch.randn(2, 3, 4, 4)}
    [duel] = Paired(conv, Judge).duels(batch)
    torch.testing.assert_close(duel.real_logits, (batch["target"] - batch["source"]).mean((1, 2, 3)))
    [blind] = Paired(conv, nn.Flatten, conditional=False).duels(batch)
    assert blind.condition is None


def test_generators_that_undo_each_other_have_no_cycle_loss_and_the_identity_no_identity_loss():
    class Times(nn.Module):
        def __init__(self, factor: float):
            super().__init__()
            self.factor = factor

        def forward(self, x: Tensor) -> Tensor:
            return self.factor * x

    x, y = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    duel = Duel(Times(4.0), nn.Flatten(), x, y, 4 * x, inverse=Times(0.25))
    assert Cycle()(duel).item() == 0
    torch.testing.assert_close(Identity()(duel), 3 * y.abs().mean())
    torch.testing.assert_close(Identity(distance="l2")(duel), 9 * y.square().mean())
    assert Identity()(Duel(nn.Identity(), nn.Flatten(), x, y, x, inverse=nn.Identity())).item() == 0
    torch.testing.assert_close(Reconstruction()(duel), l1_loss(4 * x, y))


def test_terms_that_need_a_way_back_refuse_a_task_without_one():
    task = Paired(conv, patches)
    for term in (Cycle(), Identity()):
        with pytest.raises(ValueError, match=r"loss\.G\.cycle needs a way back"):
            term.check("G.cycle", task)


def test_identity_between_piles_of_different_channels_is_refused_unless_it_counts_nothing():
    task = Unpaired(conv, patches, channels={"a": 1, "b": 3})
    with pytest.raises(ValueError, match=r"loss\.G\.identity shows each G.*'~loss\.G\.identity'"):
        Identity().check("G.identity", task)
    Identity(0.0).check("G.identity", task)
    Cycle().check("G.cycle", task)
    Identity().check("G.identity", Unpaired(conv, patches, channels={"a": 3, "b": 3}))


@pytest.mark.parametrize("size", [2.5, "many", None, True, -1])
def test_a_history_of_no_whole_number_is_refused(size: Any):
    with pytest.raises(ValueError, match=f"task.history={size}: give a whole number"):
        History(size)


def test_identity_between_different_numbers_of_channels_is_refused():
    duel = Duel(conv(), patches(), torch.randn(1, 1, 4, 4), torch.randn(1, 3, 4, 4), torch.randn(1, 3, 4, 4))
    with pytest.raises(ValueError, match=r"takes 1 channels.*of 3"):
        Identity()(duel)


def test_an_unknown_distance_is_refused():
    with pytest.raises(ValueError, match="distance=l3: choose one of l1, l2"):
        Cycle(distance="l3")


def adam() -> dict[Any, Recipe]:
    return {player: Recipe(partial(torch.optim.Adam, lr=1e-2, betas=[0.5, 0.999])) for player in "DG"}


def fit(gan: GAN, images: ImageSet, iterations: int) -> None:
    quiet()
    trainer = Trainer(
        max_steps=iterations,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(gan, ImageData(images, BATCH, seed=3))


def batches(images: ImageSet, iterations: int) -> list[dict[str, Tensor]]:
    walk = images.walk(3)
    return [in_range(images[walk(k * BATCH, BATCH)], torch.float32) for k in range(iterations)]


def optimizers(G: nn.Module, D: nn.Module) -> tuple[torch.optim.Adam, torch.optim.Adam]:
    return tuple(torch.optim.Adam(it.parameters(), 1e-2, (0.5, 0.999)) for it in (G, D))  # pyright: ignore


def equal(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_pix2pix_equals_a_hand_written_loop_bit_for_bit():
    sizes = {"width": 4, "source_channels": 1, "channels": 3, "resolution": 16}

    def task() -> Paired:
        torch.manual_seed(0)
        return Paired(partial(pix2pix.Generator, **sizes), partial(patchgan.Discriminator, **sizes))

    images = synthetic_pairs(resolution=16, source_channels=1, channels=3, count=40, seed=0)
    objective = Objective(NonSaturating(), G={"reconstruction": Reconstruction(100.0)})
    gan = GAN(task(), objective, adam(), share_fakes=True, seed=5)
    fit(gan, images, 6)

    plain = task()
    G, D = plain.G, plain.D
    for_G, for_D = optimizers(G, D)
    for iteration, batch in enumerate(batches(images, 6)):
        source, target = batch["source"], batch["target"]
        reseed(CPU, 5, iteration, 0, "layers", 0)  # for dropout
        fake = G(source)
        for_D.zero_grad()
        (softplus(-D(target, source)).mean() + softplus(D(fake.detach(), source)).mean()).backward()
        for_D.step()
        for_G.zero_grad()
        (softplus(-D(fake, source)).mean() + 100 * (fake - target).abs().mean()).backward()
        for_G.step()

    assert equal(gan.task, plain)


def test_cyclegan_equals_a_hand_written_loop_bit_for_bit():
    def task() -> Unpaired:
        torch.manual_seed(0)
        G = partial(cyclegan.Generator, width=4, source_channels=3, channels=3, resolution=16, blocks=1)
        D = partial(patchgan.Discriminator, width=4, channels=3, resolution=16)
        return Unpaired(G, D, {"a": 3, "b": 3}, history=3)

    images = synthetic_piles(resolution=16, source_channels=3, channels=3, count=40, seed=0)
    terms = {"cycle": Cycle(10.0), "identity": Identity(5.0)}
    gan = GAN(task(), Objective(LeastSquares(weight=2.0), G=terms), adam(), share_fakes=True, seed=5)
    fit(gan, images, 6)

    plain = task()
    ab, ba, judge_a, judge_b = (plain.G["ab"], plain.G["ba"], plain.D["a"], plain.D["b"])  # pyright: ignore
    for_G, for_D = optimizers(plain.G, plain.D)
    pools: dict[str, list[Tensor]] = {"a": [], "b": []}

    def pooled(side: str, fakes: Tensor, draws: Tensor) -> Tensor:
        shown: list[Tensor] = []
        for fake, (whether, which) in zip(fakes.detach(), draws.tolist(), strict=True):
            pool = pools[side]
            if len(pool) < 3:
                pool.append(fake)
                shown.append(fake)
            elif whether < 0.5:
                shown.append(pool[int(3 * which)])
                pool[int(3 * which)] = fake
            else:
                shown.append(fake)
        return torch.stack(shown)

    for iteration, batch in enumerate(batches(images, 6)):
        a, b = batch["a"], batch["b"]
        reseed(CPU, 5, iteration, 0)
        draws = uniform(keys(BATCH, CPU), "history", 2)
        fake_b, fake_a = ab(a), ba(b)
        old_b, old_a = pooled("b", fake_b, draws), pooled("a", fake_a, draws)
        for_D.zero_grad()
        of_b = ((judge_b(b) - 1) ** 2).mean() + (judge_b(old_b) ** 2).mean()
        of_a = ((judge_a(a) - 1) ** 2).mean() + (judge_a(old_a) ** 2).mean()
        (of_b / 2 + of_a / 2).backward()
        for_D.step()
        for_G.zero_grad()
        fool = ((judge_b(fake_b) - 1) ** 2).mean() + ((judge_a(fake_a) - 1) ** 2).mean()
        cycle = (ba(fake_b) - a).abs().mean() + (ab(fake_a) - b).abs().mean()
        identity = (ab(b) - b).abs().mean() + (ba(a) - a).abs().mean()
        (fool + 10 * cycle + 5 * identity).backward()
        for_G.step()

    assert equal(gan.task.G, plain.G)
    assert equal(gan.task.D, plain.D)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_networks_have_the_published_numbers_of_parameters():
    rgb = {"source_channels": 3, "channels": 3}
    with torch.device("meta"):
        assert parameters(pix2pix.Generator(64, **rgb, resolution=256)) == 54_413_955
        assert parameters(pix2pix.Generator(64, **rgb, resolution=256, norm="batch")) == 54_413_955
        assert parameters(pix2pix.Generator(64, **rgb, resolution=256, norm="plain_instance")) == 54_409_603
        assert parameters(pix2pix.Generator(64, **rgb, resolution=128)) == 41_828_995
        assert parameters(cyclegan.Generator(64, **rgb, resolution=256)) == 11_378_179
        assert parameters(cyclegan.Generator(64, **rgb, resolution=128)) == 7_837_699
        assert parameters(patchgan.Discriminator(64, 3, 256, source_channels=3)) == 2_768_705
        assert parameters(patchgan.Discriminator(64, 3, 256, source_channels=3, layers=0)) == 9_024
        assert parameters(patchgan.Discriminator(64, 3, 256, norm="plain_instance")) == 2_764_737


@pytest.mark.parametrize(("layers", "side"), [(1, 126), (2, 62), (3, 30), (4, 14), (5, 6), (0, 256)])
def test_a_patch_discriminator_judges_as_many_patches_as_published(layers: int, side: int):
    with torch.device("meta"):
        D = patchgan.Discriminator(2, 3, 256, layers=layers)
        assert D(torch.zeros(1, 3, 256, 256)).shape == (1, 1, side, side)


def test_a_patch_of_three_layers_is_70_pixels_wide():
    torch.manual_seed(0)
    D = patchgan.Discriminator(2, 1, 256, norm="none").double()
    image = torch.zeros(1, 1, 256, 256, dtype=torch.float64, requires_grad=True)
    D(image)[0, 0, 15, 15].backward()
    seen = image.grad.abs()[0, 0].nonzero()  # pyright: ignore
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [70, 70]


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (33, 19)])
def test_translators_answer_in_the_size_of_their_source(size: tuple[int, int]):
    source = torch.randn(1, 1, *size)
    unet = pix2pix.Generator(2, 1, 3, resolution=16)
    resnet = cyclegan.Generator(2, 1, 3, resolution=16, blocks=1)
    assert unet(source).shape == resnet(source).shape == (1, 3, *size)


def test_detail_passes_a_u_net_by_whose_bottleneck_is_shut():
    G = pix2pix.Generator(4, 1, 1, resolution=16, noise=False).eval()
    for layer in G.downs[1:]:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(8, 8)[None, None]
    assert not torch.allclose(G(checks), G(-checks), atol=1e-3)


def test_dropout_goes_on_in_a_trained_u_net_only_where_it_is_its_noise():
    source = torch.randn(1, 1, 16, 16)
    for noise in (False, True):
        G = pix2pix.Generator(4, 1, 1, resolution=16, noise=noise).eval()
        assert torch.equal(G(source), G(source)) is not noise


def test_depths_and_layers_that_do_not_fit_the_images_are_refused():
    with pytest.raises(ValueError, match=r"model\.G\.depth=6.*give 2 to 5"):
        pix2pix.Generator(2, 1, 1, resolution=32, depth=6)
    with pytest.raises(ValueError, match=r"model\.D\.layers=4.*give 0 to 3"):
        patchgan.Discriminator(2, 1, 32, layers=4)
    with pytest.raises(ValueError, match="16 pixels or more"):
        cyclegan.Generator(2, 1, 1, resolution=8)


def test_a_table_shows_what_belongs_together_side_by_side_whatever_its_channels_and_size():
    small_grey, rgba = torch.full((3, 1, 4, 4), -1.0), torch.ones(3, 4, 8, 8)
    rgba[:, 3] = -1  # invisible
    picture = table_of([small_grey, rgba])
    assert picture.shape == (3 * 10 + 2, 2 * 10 + 2, 4)
    for row in range(3):
        top = 2 + 10 * row
        assert (picture[top : top + 8, 2:10] == [0, 0, 0, 255]).all()  # black and opaque
        assert (picture[top : top + 8, 12:20] == [255, 255, 255, 0]).all()


def test_data_that_a_task_cannot_learn_from_are_refused():
    for task, cure in (
        (Paired(conv, patches), "data=pairs"),
        (Unpaired(conv, patches, {"a": 3, "b": 3}), "two_folders"),
    ):
        with pytest.raises(ValueError, match=rf"holds image: choose.*{cure}"):
            task.suit(("image",))


def test_augmentation_of_a_judge_that_sees_the_source_is_refused():
    with pytest.raises(ValueError, match="beside its source"):
        Paired(conv, patches).check(Chain([]))
    Paired(conv, patches, conditional=False).check(Chain([]))
