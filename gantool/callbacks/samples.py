"""Pictures of what the generator can do, always of the same latents."""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from gantool import clouds, scatter
from gantool.callbacks.checkpoints import passed
from gantool.captions_below import captioned
from gantool.data.module import is_image
from gantool.gan import GAN
from gantool.images import picture_of, save, table_of, to_uint8
from gantool.layers.synced import alone
from gantool.seeds import reseed
from gantool.standing import needs_standing_statistics, standing_statistics
from gantool.tasks.task import Batch, moved

TOGETHER = 16  # images that a translator makes at once: large ones must not take more memory than training


class PictureLogger(Protocol):
    """What every logger of ours is."""

    look: str  # how to see the curves

    def log_choices(self, choices: dict[str, Any]) -> None: ...

    def log_picture(self, name: str, picture: np.ndarray, images: int) -> None: ...

    def log_film(self, name: str, gif: Path, images: int) -> None: ...


@final
class Samples(Callback):
    """Writes `samples/<images seen>.png`, and `samples/real.png` to compare with.

    Of points of the plane, the picture is a cloud, with the reals and D's level lines behind it; of rows of a
    table, each column against each, with the reals behind. Captions stand below their images.

    Args:
        folder: of the run.
        preview: real images (and labels) that set count and classes of the samples.
        every: images between two pictures; 0 = only at the end.
        logger: also takes the pictures; None = files only.
        seed: of the latents.
        columns: names of a table's; () = these are no rows of a table.
        captions: of the preview; () = it has none.
    """

    def __init__(
        self,
        folder: Path,
        preview: Batch,
        every: int,
        logger: PictureLogger | None,
        seed: int,
        columns: Sequence[str] = (),
        captions: Sequence[str] = (),
    ):
        self.folder = folder / "samples"
        self.preview = preview
        self.every = every
        self.logger = logger
        self.seed = seed
        self.columns = columns
        self.captions = captions
        self.points = "image" in preview and clouds.is_point(preview["image"].shape[1:])
        self.before = 0
        self.written = -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        self.before = pl_module.images
        self.folder.mkdir(exist_ok=True)
        if not (self.folder / "real.png").exists():
            real = [value for value in self.preview.values() if is_image(value)]
            picture = self.drawn(None, real[0], None) if self.points else self.laid_out(real)
            save(picture, self.folder / "real.png")

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        assert isinstance(pl_module, GAN)
        before, self.before = self.before, pl_module.images
        if passed(self.every, before, pl_module.images) or trainer.should_stop:
            self.write(pl_module)

    def drawn(self, fake: torch.Tensor | None, real: torch.Tensor, logits: torch.Tensor | None) -> np.ndarray:
        return scatter.picture(fake, real, logits, self.columns)

    def laid_out(self, columns: list[torch.Tensor]) -> np.ndarray:
        return (
            picture_of(captioned(to_uint8(columns[0]), self.captions)) if self.captions else table_of(columns)
        )

    def path(self, images: int) -> Path:
        return self.folder / f"{images:09d}.png"

    @torch.no_grad()
    def write(self, gan: GAN) -> None:
        """The picture of this moment."""
        if gan.images == self.written:
            return
        self.written, path = gan.images, self.path(gan.images)
        logits = clouds.landscape(gan) if self.points and not self.columns else None
        for name, made in sample(gan, self.preview, self.seed).items():
            if self.points:
                picture = self.drawn(made[0], self.preview["image"], logits)
            else:
                picture = self.laid_out(made)
            save(picture, path if name == "fake" else path.with_stem(f"{path.stem}-{name}"))
            if self.logger is not None:
                self.logger.log_picture(f"samples/{name}", picture, gan.images)


@torch.no_grad()
def sample(gan: GAN, preview: Batch, seed: int) -> dict[str, list[torch.Tensor]]:
    """What the generator makes of latents and noise of `seed` alone; training goes on undisturbed."""
    G = alone(copy.deepcopy(gan.generator))  # the other processes do not take part
    made: dict[str, list[list[torch.Tensor]]] = {}
    with torch.random.fork_rng(devices=[gan.device] if gan.device.type == "cuda" else []):
        reseed(gan.device, seed, "samples")
        drawn = gan.task.draw(preview)
        if needs_standing_statistics(gan):
            standing_statistics(G, gan.task, preview)
        G.eval()
        together = TOGETHER if gan.task.translates else max(map(len, drawn.values()))
        for number, some in enumerate(pieces(drawn, together)):
            batch = {name: gan.in_format(value) for name, value in moved(some, G).items()}
            reseed(gan.device, seed, "samples", number)  # for what layers draw
            for name, columns in gan.task.pictures(G, batch).items():
                made.setdefault(name, []).append(columns)
    return {name: [torch.cat(column) for column in zip(*each, strict=True)] for name, each in made.items()}


def pieces(batch: Batch, most: int) -> Iterator[Batch]:
    """The batch in parts of so many rows at most; entries may differ in length."""
    for start in range(0, max(map(len, batch.values())), most):
        yield {name: value[start : start + most] for name, value in batch.items() if len(value) > start}
