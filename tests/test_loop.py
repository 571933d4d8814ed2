"""The training loop against loops written by hand, and what an iteration consists of."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn
from torch.nn.functional import softplus

from gantool.chance import keys, uniform
from gantool.data.module import ImageData, Order, to_range
from gantool.data.synthetic import synthetic
from gantool.fit import quiet
from gantool.gan import GAN, Diverged, average
from gantool.inits import Normal
from gantool.losses.adversarial import NonSaturating, Wasserstein
from gantool.losses.objective import Objective
from gantool.losses.penalties import R1, GradientPenalty
from gantool.losses.term import Term
from gantool.models import dcgan, wgan_gp
from gantool.optim import Recipe
from gantool.priors import Gaussian
from gantool.schedules import Linear, Switch
from gantool.seeds import reseed
from gantool.tasks.generation import Generation

CPU = torch.device("cpu")
BATCH = 8
IMAGES = synthetic(resolution=16, channels=3, classes=10, count=40, seed=0)


def task(norm: str = "batch") -> Generation:
    torch.manual_seed(0)
    G = partial(dcgan.Generator, latent=8, width=4, channels=3, resolution=16)
    D = partial(dcgan.Discriminator, width=4, channels=3, resolution=16, norm=norm)
    made = Generation(G, D, Gaussian(8))
    Normal(0.1)(made)
    return made


def critic_task() -> Generation:
    torch.manual_seed(0)
    G = partial(wgan_gp.Generator, latent=8, width=4, channels=3, resolution=16)
    return Generation(G, partial(wgan_gp.Critic, width=4, channels=3, resolution=16), Gaussian(8))


def adam(**settings: Any) -> dict[Any, Recipe]:
    settings = {"lr": 1e-2, "betas": [0.5, 0.999], **settings}
    return {player: Recipe(partial(torch.optim.Adam, **settings)) for player in "DG"}


def fit(gan: GAN, iterations: int, *callbacks: Callback, precision: Any = "32-true") -> Trainer:
    quiet()
    trainer = Trainer(
        max_steps=iterations,
        accelerator="cpu",
        precision=precision,
        logger=False,
        callbacks=list(callbacks),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(gan, ImageData(IMAGES, BATCH * gan.n_critic, seed=3))
    return trainer


def reals(iteration: int, count: int) -> Tensor:
    order = Order(len(IMAGES), seed=3)
    return to_range(IMAGES[order(iteration * count, count)]["image"], torch.get_default_dtype())


def equal(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def apart(a: nn.Module, b: nn.Module) -> float:
    return max((x - y).abs().max().item() for x, y in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("channels_last", [False, True])
def test_dcgan_with_shared_fakes_equals_a_hand_written_loop_bit_for_bit(channels_last: bool):
    gan = GAN(
        task(), Objective(NonSaturating()), adam(), share_fakes=True, channels_last=channels_last, seed=5
    )
    fit(gan, 6)

    memory = torch.channels_last if channels_last else torch.contiguous_format
    plain = task().to(memory_format=memory)  # pyright: ignore
    G, D = plain.G, plain.D
    for_G = torch.optim.Adam(G.parameters(), 1e-2, (0.5, 0.999))
    for_D = torch.optim.Adam(D.parameters(), 1e-2, (0.5, 0.999))
    for iteration in range(6):
        reseed(CPU, 5, iteration, 0)
        real = reals(iteration, BATCH).contiguous(memory_format=memory)
        fake = G(torch.randn(BATCH, 8))
        for_D.zero_grad()
        (softplus(-D(real)).mean() + softplus(D(fake.detach())).mean()).backward()
        for_D.step()
        for_G.zero_grad()
        softplus(-D(fake)).mean().backward()
        for_G.step()

    assert equal(gan.task, plain)


def test_dcgan_with_fresh_fakes_equals_a_hand_written_loop_bit_for_bit():
    gan = GAN(task(), Objective(NonSaturating()), adam(), seed=5)
    fit(gan, 6)

    plain = task()
    G, D = plain.G, plain.D
    for_G = torch.optim.Adam(G.parameters(), 1e-2, (0.5, 0.999))
    for_D = torch.optim.Adam(D.parameters(), 1e-2, (0.5, 0.999))
    for iteration in range(6):
        reseed(CPU, 5, iteration, 0)
        real = reals(iteration, BATCH)
        fake = G(torch.randn(BATCH, 8)).detach()
        for_D.zero_grad()
        (softplus(-D(real)).mean() + softplus(D(fake)).mean()).backward()
        for_D.step()
        reseed(CPU, 5, iteration, 1)
        for_G.zero_grad()
        softplus(-D(G(torch.randn(BATCH, 8)))).mean().backward()
        for_G.step()

    assert equal(gan.task, plain)


def test_wgan_gp_equals_a_hand_written_loop_bit_for_bit():
    """Three critic steps, a generator batch twice the critic's, double backward, falling learning rates."""
    rate = Linear(1e-2, 0.0, 1000)
    recipes = adam(lr=rate, betas=[0.0, 0.9])
    objective = Objective(Wasserstein(), D={"penalty": GradientPenalty(weight=10.0)})
    gan = GAN(critic_task(), objective, recipes, n_critic=3, generator_batch_size=16, seed=5)
    fit(gan, 4)

    plain = critic_task()
    G, D = plain.G, plain.D
    for_G = torch.optim.Adam(G.parameters(), 1e-2, (0.0, 0.9))
    for_D = torch.optim.Adam(D.parameters(), 1e-2, (0.0, 0.9))
    for iteration in range(4):
        for optimizer in (for_D, for_G):
            optimizer.param_groups[0]["lr"] = rate(iteration * 3 * BATCH)
        for turn, real in enumerate(reals(iteration, 3 * BATCH).split(BATCH)):
            reseed(CPU, 5, iteration, turn)
            fake = G(torch.randn(BATCH, 8)).detach()
            score = D(fake).mean() - D(real).mean()
            t = uniform(keys(BATCH, CPU), "gradient penalty").view(BATCH, 1, 1, 1)
            between = torch.lerp(fake, real, t).requires_grad_()
            (slope,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
            penalty = (slope.square().flatten(1).sum(1).sqrt() - 1).square().mean()
            for_D.zero_grad()
            (score + 10 * penalty).backward()
            for_D.step()
        reseed(CPU, 5, iteration, 3)
        for_G.zero_grad()
        (-D(G(torch.randn(16, 8))).mean()).backward()
        for_G.step()

    assert equal(gan.task, plain)


class Steps(Callback):
    """Counts the optimizer steps of each player."""

    def __init__(self) -> None:
        self.of: list[int] = []

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: Any, optimizer: Any) -> None:
        self.of.append(trainer.optimizers.index(optimizer))


@pytest.mark.parametrize("share_fakes", [False, True])
def test_d_rests_while_g_takes_its_n_generator_steps(share_fakes: bool):
    gan = GAN(task(), Objective(NonSaturating()), adam(), n_generator=3, share_fakes=share_fakes)
    steps = Steps()
    fit(gan, 5, steps)
    assert steps.of == [0, 1, 1, 1, 0, 1, 1]
    assert gan.images == 5 * BATCH


@pytest.mark.parametrize("n_critic", [1, 2, 5])
def test_d_steps_n_critic_times_before_each_step_of_g_and_lightning_counts_iterations(n_critic: int):
    gan, steps = GAN(task(), Objective(NonSaturating()), adam(), n_critic=n_critic), Steps()
    trainer = fit(gan, 3, steps)
    assert steps.of == ([0] * n_critic + [1]) * 3
    assert trainer.global_step == gan.iteration == 3
    assert gan.images == 3 * n_critic * BATCH


@pytest.mark.parametrize("share_fakes", [False, True])
def test_micro_batches_change_nothing_but_memory(share_fakes: bool):
    """In float64 and without batch norm; the last of 8 = 3 + 3 + 2 is smaller."""

    def trained(micro_batch: int | None) -> GAN:
        made = task(norm="none")
        for name, module in list(made.G.named_modules()):
            if isinstance(module, nn.BatchNorm2d):
                made.G.layers[int(name.rpartition(".")[2])] = nn.Identity()  # pyright: ignore
        objective = Objective(NonSaturating(), D={"r1": R1(1.0, every=2)})
        gan = GAN(made, objective, adam(), share_fakes=share_fakes, micro_batch=micro_batch)
        fit(gan, 4, precision="64-true")
        return gan

    assert apart(trained(None).task, trained(3).task) < 1e-12


def test_clipping_limits_the_norm_of_each_players_gradient():
    norms: list[float] = []

    class Norms(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
            for optimizer in trainer.optimizers:
                grads = [p.grad.norm() for group in optimizer.param_groups for p in group["params"]]
                norms.append(torch.stack(grads).norm().item())

    fit(GAN(task(), Objective(NonSaturating()), adam(), clip=1e-3), 2, Norms())
    assert norms == pytest.approx([1e-3] * 4, rel=1e-3)


def test_the_average_moves_halfway_in_one_half_life():
    slow, fast = nn.Linear(3, 3), nn.Linear(3, 3)
    start = slow.weight.detach().clone()
    for _ in range(10):
        average([slow.weight], [fast.weight], images=100, half_life=1000)
    torch.testing.assert_close(slow.weight.detach(), (start + fast.weight.detach()) / 2)


def test_the_averaged_generator_follows_the_generator_whatever_the_batch_size():
    """Ten moves of one image are one move of ten."""
    one, ten, fast = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)
    ten.load_state_dict(one.state_dict())
    for _ in range(10):
        average([one.weight], [fast.weight], images=1, half_life=7)
    average([ten.weight], [fast.weight], images=10, half_life=7)
    torch.testing.assert_close(one.weight, ten.weight)


def test_the_averaged_generator_is_the_average_and_has_the_buffers_of_the_last_moment():
    gan = GAN(task(), Objective(NonSaturating()), adam(), ema=20.0, seed=5)
    expected = [p.detach().clone() for p in gan.task.G.parameters()]

    class Average(Callback):
        def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
            for mean, now in zip(expected, gan.task.G.parameters(), strict=True):
                mean.lerp_(now.detach(), 1 - 0.5 ** (BATCH / 20))

    fit(gan, 5, Average())
    assert gan.G_ema is not None
    for mean, averaged in zip(expected, gan.G_ema.parameters(), strict=True):
        torch.testing.assert_close(mean, averaged)
    for last, copied in zip(gan.task.G.buffers(), gan.G_ema.buffers(), strict=True):
        assert torch.equal(last, copied)


def test_without_averaging_there_is_no_copy_and_with_it_the_copy_is_another():
    plain = GAN(task(), Objective(NonSaturating()), adam())
    assert plain.G_ema is None
    assert plain.generator is plain.task.G
    averaged = GAN(task(), Objective(NonSaturating()), adam(), ema=100.0)
    fit(averaged, 2)
    assert averaged.generator is averaged.G_ema
    assert apart(averaged.generator, averaged.task.G) > 0
    assert not any(p.requires_grad for p in averaged.generator.parameters())


def test_on_one_players_turn_the_other_gets_no_gradient():
    """D's loss does not reach G, and G's turn leaves no gradient in D."""
    grads: list[bool] = []

    class Look(Callback):
        def on_before_optimizer_step(self, trainer: Trainer, pl_module: Any, optimizer: Any) -> None:
            turn = trainer.optimizers.index(optimizer)
            other = trainer.optimizers[1 - turn]
            parameters = [p for group in other.param_groups for p in group["params"]]
            grads.append(any(p.requires_grad for p in parameters))

    fit(GAN(task(), Objective(NonSaturating()), adam()), 2, Look())
    assert grads == [False] * 4


def test_while_d_rests_it_does_not_move_and_g_does():
    """A phase without adversarial loss, such as a super-resolution network's pretraining."""

    class Bright(Term):
        def forward(self, duel: Any) -> Tensor:
            return duel.fake.square().mean()

    gan = GAN(task(), Objective(NonSaturating(Switch(0.0, 1.0, 2 * BATCH)), G={"bright": Bright()}), adam())
    steps = Steps()
    before = task()
    fit(gan, 2, steps)
    assert steps.of == [1, 1]
    assert apart(gan.task.D, before.D) == 0 < apart(gan.task.G, before.G)
    fit(gan, 1, steps)
    assert steps.of == [1, 1, 0, 1]


def test_while_d_rests_g_learns_from_each_of_its_minibatches():
    """Three of an iteration are three iterations of one, in the same order."""

    class Near(Term):
        def forward(self, duel: Any) -> Tensor:
            return (duel.fake - duel.real).square().mean()

    steps = Steps()
    gan = GAN(task(), Objective(NonSaturating(0.0), G={"near": Near()}), adam(), n_critic=3)
    seen: list[Tensor] = []
    real = Near.forward
    Near.forward = lambda self, duel: (seen.append(duel.real.clone()), real(self, duel))[1]  # type: ignore
    fit(gan, 6, steps)
    assert steps.of == [1] * 6
    assert torch.equal(torch.cat(seen), torch.cat([reals(0, 3 * BATCH), reals(1, 3 * BATCH)]))
    assert gan.images == 2 * 3 * BATCH


class Poison(Term):
    """Becomes infinite at the third iteration."""

    def forward(self, duel: Any) -> Tensor:
        return duel.fake.mean() * 0 + (torch.inf if self.weight == 2.0 else 0.0)


def test_an_infinite_loss_stops_training_before_it_reaches_the_weights_and_is_named():
    poison = Poison(1.0)
    gan = GAN(task(), Objective(NonSaturating(), G={"poison": poison}), adam())

    class AtTheThird(Callback):
        def on_train_batch_start(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
            poison.weight = 2.0 if gan.iteration == 2 else 1.0

    with pytest.raises(Diverged, match=r"G/poison = inf at 16 images"):
        fit(gan, 5, AtTheThird())
    assert all(p.isfinite().all() for p in gan.parameters())


@pytest.mark.parametrize("penalty", [R1(), GradientPenalty()])
def test_a_penalty_on_a_discriminator_with_batch_norm_is_refused_with_the_cure(penalty: Term):
    with pytest.raises(ValueError, match=r"loss\.D\.mine .*batch norm .*model\.D\.norm to layer"):
        GAN(task(), Objective(NonSaturating(), D={"mine": penalty}), adam())


@pytest.mark.parametrize("norm", ["layer", "instance", "none"])
def test_a_penalty_with_any_other_norm_is_accepted(norm: str):
    GAN(task(norm), Objective(NonSaturating(), D={"r1": R1()}), adam())


def test_a_callback_that_draws_random_numbers_does_not_change_training():
    class Draws(Callback):
        def on_train_batch_end(self, *args: Any) -> None:
            torch.randn(123)

    quiet_one, disturbed = (GAN(task(), Objective(NonSaturating()), adam(), seed=5) for _ in range(2))
    fit(quiet_one, 3)
    fit(disturbed, 3, Draws())
    assert equal(quiet_one.task, disturbed.task)


def test_bfloat16_trains_and_keeps_the_weights_in_float32(tmp_path: Path):
    gan = GAN(task("none"), Objective(NonSaturating(), D={"r1": R1()}), adam(), share_fakes=True)
    before = [p.detach().clone() for p in gan.task.parameters()]
    fit(gan, 2, precision="bf16-mixed")
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in gan.task.parameters())
    assert any(not torch.equal(p, q) for p, q in zip(gan.task.parameters(), before, strict=True))
