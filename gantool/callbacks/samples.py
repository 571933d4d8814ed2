"""Pictures of what the generator can do, always of the same latents."""

import copy
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from gantool import clouds
from gantool.callbacks.checkpoints import passed
from gantool.data.module import is_image
from gantool.gan import GAN
from gantool.images import save, table_of
from gantool.layers.synced import alone
from gantool.seeds import mix
from gantool.standing import needs_standing_statistics, standing_statistics
from gantool.tasks.task import Batch, moved


class PictureLogger(Protocol):
    """What every logger of ours is."""

    look: str  # how to see the curves

    def log_choices(self, choices: dict[str, Any]) -> None: ...

    def log_picture(self, name: str, picture: np.ndarray, images: int) -> None: ...


@final
class Samples(Callback):
    """Writes `samples/<images seen>.png`, and `samples/real.png` to compare with.

    Of points of the plane, the picture is a cloud, with the reals and D's level lines behind it.

    Args:
        folder: of the run.
        preview: real images (and labels) that set count and classes of the samples.
        every: images between two pictures; 0 = only at the end.
        logger: also takes the pictures; None = files only.
        seed: of the latents.
    """

    def __init__(self, folder: Path, preview: Batch, every: int, logger: PictureLogger | None, seed: int):
        self.folder = folder / "samples"
        self.preview = preview
        self.every = every
        self.logger = logger
        self.seed = seed
        self.points = "image" in preview and clouds.is_point(preview["image"].shape[1:])
        self.before = 0
        self.written = -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        self.before = pl_module.images
        self.folder.mkdir(exist_ok=True)
        if not (self.folder / "real.png").exists():
            real = [value for value in self.preview.values() if is_image(value)]
            picture = clouds.cloud(None, real[0]) if self.points else table_of(real)
            save(picture, self.folder / "real.png")

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        assert isinstance(pl_module, GAN)
        before, self.before = self.before, pl_module.images
        if passed(self.every, before, pl_module.images) or trainer.should_stop:
            self.write(pl_module)

    def path(self, images: int) -> Path:
        return self.folder / f"{images:09d}.png"

    @torch.no_grad()
    def write(self, gan: GAN) -> None:
        """The picture of this moment."""
        if gan.images == self.written:
            return
        self.written, path = gan.images, self.path(gan.images)
        logits = clouds.landscape(gan) if self.points else None
        for name, made in sample(gan, self.preview, self.seed).items():
            if self.points:
                picture = clouds.cloud(made[0], self.preview["image"], logits)
            else:
                picture = table_of(made)
            save(picture, path if name == "fake" else path.with_stem(f"{path.stem}-{name}"))
            if self.logger is not None:
                self.logger.log_picture(f"samples/{name}", picture, gan.images)


@torch.no_grad()
def sample(gan: GAN, preview: Batch, seed: int) -> dict[str, list[torch.Tensor]]:
    """What the generator makes of latents that depend on `seed` alone; training goes on undisturbed."""
    G = alone(copy.deepcopy(gan.generator))  # the other processes do not take part
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, "samples"))
        drawn = gan.task.draw(preview)
        if needs_standing_statistics(gan):
            standing_statistics(G, gan.task, preview)
    batch = {name: gan.in_format(value) for name, value in moved(drawn, G).items()}
    return gan.task.pictures(G.eval(), batch)
