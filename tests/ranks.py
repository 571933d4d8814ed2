"""Trainings that are run twice: in one process by a test, and as `python ranks.py FILE` in several."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast, final

import torch
from pytorch_lightning import Trainer
from torch import Tensor, nn

from gantool.augment.adaptive import Adaptive
from gantool.augment.augment import Chain
from gantool.augment.pipeline import STEPS, Pipeline
from gantool.augment.pseudo import Pseudo
from gantool.data.module import ImageData
from gantool.data.synthetic import synthetic
from gantool.duel import Duel
from gantool.fit import quiet
from gantool.gan import GAN
from gantool.history import History
from gantool.inits import Normal
from gantool.layers.synced import Synced
from gantool.losses.adversarial import Hinge, LeastSquares, NonSaturating, RelativisticPairing, Wasserstein
from gantool.losses.consistency import Consistency, LatentConsistency, LatentDiversity
from gantool.losses.lecam import LeCam
from gantool.losses.matching import Interpolation, Mismatch
from gantool.losses.objective import Objective
from gantool.losses.penalties import R1, R2, GradientPenalty
from gantool.losses.reconstruction import Cycle
from gantool.losses.temporal import Recurrent, Recycle
from gantool.models import cyclegan, dcgan, gan_cls, pix2pix, wgan_gp
from gantool.optim import Recipe
from gantool.priors import Gaussian
from gantool.processes import spare_signals
from gantool.shares import WHOLE, Share
from gantool.strategy import Together
from gantool.tasks.generation import Generation
from gantool.tasks.task import Batch, Task
from gantool.tasks.text import Text
from gantool.tasks.video import Video

BATCH = 8
ITERATIONS = 9
CHANNELS, RESOLUTION, LATENT = 3, 16, 8
SIZES = {"width": 4, "channels": CHANNELS, "resolution": RESOLUTION}


def convolutional(norm: str = "none", dequantize: bool = False) -> Generation:
    G = partial(dcgan.Generator, latent=LATENT, norm=norm, **SIZES)
    D = partial(dcgan.Discriminator, norm=norm, **SIZES)
    return Generation(G, D, Gaussian(LATENT), dequantize=dequantize)


def packed() -> Generation:
    D = partial(dcgan.Discriminator, norm="none", **SIZES)
    return Generation(
        partial(dcgan.Generator, latent=LATENT, norm="none", **SIZES), D, Gaussian(LATENT), pack=2
    )


def residual() -> Generation:
    G = partial(wgan_gp.Generator, latent=LATENT, norm="none", **SIZES)
    return Generation(G, partial(wgan_gp.Critic, **SIZES), Gaussian(LATENT), dequantize=True)


@final
class Translation(Task):
    """Images to mirror images and back: two generators against two discriminators."""

    def __init__(self):
        super().__init__()
        self.G = nn.ModuleDict({side: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for side in "ab"})
        self.D = nn.ModuleDict({side: dcgan.Discriminator(norm="none", **SIZES) for side in "ab"})
        self.history = nn.ModuleDict({side: History(5) for side in "ab"})

    def draw(self, batch: Batch, share: Share = WHOLE) -> Batch:
        return batch

    def duels(self, batch: Batch) -> list[Duel]:
        a, b = batch["image"], batch["image"].flip(3)
        return [self.duel("b", a, b), self.duel("a", b, a)]

    def duel(self, side: str, source: Tensor, real: Tensor) -> Duel:
        fake, history = self.G[side](source).tanh(), cast(History, self.history[side])
        back = self.G["a" if side == "b" else "b"]
        return Duel(self.G[side], self.D[side], source, real, fake, inverse=back, history=history)

    def generate(self, G: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {}


@final
class Films(Task):
    """Recycle-GAN of windows that are made of single images."""

    def __init__(self):
        super().__init__()
        plain: dict[str, Any] = {"width": 2, "resolution": RESOLUTION, "norm": "none"}
        self.video = Video(
            partial(cyclegan.Generator, blocks=1, **plain),
            partial(pix2pix.Generator, dropout=0.0, noise=False, **plain),
            partial(dcgan.Discriminator, norm="none", width=4, resolution=RESOLUTION),
            {"a": CHANNELS, "b": CHANNELS},
            history=5,
        )
        self.G, self.D = self.video.G, self.video.D

    def draw(self, batch: Batch, share: Share = WHOLE) -> Batch:
        return batch

    def duels(self, batch: Batch) -> list[Duel]:
        image = batch["image"]
        a = {f"a{time}": image.roll(time, 2) for time in range(3)}
        b = {f"b{time}": image.flip(3).roll(-time, 3) for time in range(3)}
        return self.video.duels(a | b)

    def generate(self, G: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {}


def captioned() -> Task:
    """GAN-CLS, whose captions are made of labels."""
    reading: dict[str, Any] = {"text": "gru", "words": 12, "embedding": 0, "text_width": 4, "projected": 4}
    G = partial(gan_cls.Generator, latent=LATENT, norm="none", **reading, **SIZES)
    D = partial(gan_cls.Discriminator, norm="none", **reading, **SIZES)

    @final
    class Labelled(Text):
        def draw(self, batch: Batch, share: Share = WHOLE) -> Batch:
            label = batch["label"]
            captions = {"caption": label[:, None] + 1, "mismatch": (label[:, None] + 1) % 10 + 1}
            return super().draw(batch | captions, share)

    return Labelled(G, D, Gaussian(LATENT), words=12, embedding=0)


def gan(task: Callable[[], Task], objective: Objective, lr: float = 1e-2, **settings: Any) -> GAN:
    torch.manual_seed(0)
    made = task()
    Normal(0.1)(made)
    adam = partial(torch.optim.Adam, lr=lr, betas=(0.0, 0.9))
    recipes: dict[Any, Recipe] = {player: Recipe(adam) for player in "DG"}
    return GAN(made, objective, recipes, seed=5, **settings)


def adaptive() -> Adaptive:
    return Adaptive(target=0.1, images=300, every=2, start=0.5)


def penalised() -> Objective:
    return Objective(Wasserstein(), D={"penalty": GradientPenalty(weight=10.0)})


VARIANTS: dict[str, Callable[[], GAN]] = {
    "dcgan without batch norm": lambda: gan(convolutional, Objective(NonSaturating())),
    "shared fakes": lambda: gan(convolutional, Objective(NonSaturating()), share_fakes=True),
    "micro-batches": lambda: gan(convolutional, Objective(NonSaturating()), micro_batch=1),
    "clipped gradients, noise on reals": lambda: gan(
        partial(convolutional, dequantize=True), Objective(NonSaturating()), clip=0.1
    ),
    "averaged generator": lambda: gan(convolutional, Objective(LeastSquares()), ema=50.0),
    "wgan_gp": lambda: gan(residual, penalised(), n_critic=3, generator_batch_size=12),
    "gradient penalty in micro-batches": lambda: gan(convolutional, penalised(), n_critic=3, micro_batch=2),
    "clipped weights": lambda: gan(convolutional, Objective(Wasserstein(clip=0.05)), n_critic=2),
    "lazy R1": lambda: gan(convolutional, Objective(NonSaturating(), D={"r1": R1(weight=5.0, every=4)})),
    "relativistic, R1 and R2, micro-batches": lambda: gan(
        convolutional, Objective(RelativisticPairing(), D={"r1": R1(1.0), "r2": R2(1.0)}), micro_batch=2
    ),
    "four networks, R1": lambda: gan(Translation, Objective(LeastSquares(), D={"r1": R1(1.0, every=2)})),
    "four networks, cycle, shared fakes": lambda: gan(
        Translation, Objective(LeastSquares(), G={"cycle": Cycle(10.0)}), share_fakes=True
    ),
    "ADA and APA": lambda: gan(
        convolutional,
        Objective(NonSaturating()),
        n_critic=2,
        micro_batch=2,
        augment=Chain([Pseudo(adaptive()), Pipeline(adaptive(), dict.fromkeys(STEPS, 1.0), antialias=True)]),
    ),
    "packs, LeCam": lambda: gan(packed, Objective(NonSaturating(), D={"lecam": LeCam(decay=0.5)})),
    "consistency of images and latents": lambda: gan(
        convolutional,
        Objective(
            Hinge(),
            D={"bcr": Consistency(fake=1.0), "zcr": LatentConsistency(radius=0.1)},
            G={"zcr": LatentDiversity(radius=0.1)},
        ),
    ),
    "batch norm over all": lambda: gan(partial(convolutional, "batch"), Objective(NonSaturating())),
}
MATCHING = NonSaturating()
VARIANTS |= {
    "windows of three frames, pool": lambda: gan(
        Films, Objective(LeastSquares(6.0), G={"recurrent": Recurrent(10.0), "recycle": Recycle(10.0)})
    ),
    "captions": lambda: gan(
        captioned,
        Objective(
            MATCHING,
            D={"mismatch": Mismatch(MATCHING)},
            G={"interpolation": Interpolation(MATCHING)},
        ),
    ),
}
OVER_ALL = ("batch norm over all", "captions")  # of which what is read goes through a batch norm
EACH_ITS_OWN = "batch norm, each its own"  # which is another training than that of one process
APART: dict[str, Callable[[], GAN]] = {
    EACH_ITS_OWN: lambda: gan(
        partial(convolutional, "batch"), Objective(NonSaturating()), share_fakes=True, ema=50.0
    ),
}


def fit(gan: GAN, **settings: Any) -> Trainer:
    """ITERATIONS in float64."""
    quiet()
    trainer = Trainer(
        max_steps=ITERATIONS,
        accelerator="cpu",
        precision="64-true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **settings,
    )
    spare_signals(trainer)
    images = synthetic(resolution=RESOLUTION, channels=CHANNELS, classes=10, count=40, seed=0)
    trainer.fit(gan, ImageData(images, BATCH * gan.n_critic, seed=3))
    return trainer


def weights(gan: GAN) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in gan.state_dict().items()}


def main(file: Path) -> None:
    """Write {variant: weights} of every rank to FILE.RANK."""
    world = int(os.environ["WORLD_SIZE"])
    results: dict[str, dict[str, Tensor]] = {}
    for name, variant in (VARIANTS | APART).items():
        torch.set_default_dtype(torch.float64)
        made = variant()
        strategy = cast(Any, Together([]))
        plugins = [Synced()] if name in OVER_ALL else []
        fit(made, strategy=strategy, devices=world, plugins=plugins)
        results[name] = weights(made)
        # What Lightning forgets between two trainings of one process.
        os.environ["WORLD_SIZE"] = str(world)
    torch.save(results, f"{file}.{os.environ['LOCAL_RANK']}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
