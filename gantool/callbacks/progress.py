"""A progress bar on a terminal, a line now and then elsewhere."""

import time
from typing import Any, final

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from gantool.callbacks.curves import Curves
from gantool.gan import GAN

REFRESH = 0.5  # seconds between two drawings of the bar
LINE = 30.0  # seconds between two lines where there is no terminal
WARM_UP = 10  # iterations before the first estimate


@final
class Bar(Callback):
    """Images seen, images per second, time left, and the players' last logged losses.

    Args:
        console: to write on.
        curves: knows the losses.
        images: length of training.
    """

    def __init__(self, console: Console, curves: Curves, images: int):
        self.console = console
        self.curves = curves
        self.images = images
        self.every = REFRESH if console.is_terminal else LINE
        self.bar = Progress(
            BarColumn(bar_width=None),
            TextColumn("{task.fields[text]}"),
            console=console,
            auto_refresh=False,
            transient=True,
            expand=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("", total=images, text="")
        self.began = self.drawn = 0.0
        self.first = self.iterations = 0
        self.estimated = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        self.began = self.drawn = time.perf_counter()
        self.first = pl_module.images
        self.bar.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        assert isinstance(pl_module, GAN)
        self.iterations += 1
        now = time.perf_counter()
        if self.iterations == 1:  # does not count: memory is laid out, kernels are chosen
            self.began, self.first = now, pl_module.images
            return
        if not self.estimated and self.iterations > WARM_UP and now - self.began > 1:
            self.estimated = True
            self.console.print(f"Estimated time: {duration(self.left(pl_module, now))}", highlight=False)
        if now - self.drawn >= self.every:
            self.drawn = now
            self.draw(pl_module, now)

    def draw(self, gan: GAN, now: float) -> None:
        text = self.text(gan, now)
        if self.console.is_terminal:
            self.bar.update(self.task, completed=gan.images, text=text, refresh=True)
        else:
            self.console.print(text, highlight=False)

    def speed(self, gan: GAN, now: float) -> float:
        """Images per second since the start."""
        return (gan.images - self.first) / max(now - self.began, 1e-9)

    def left(self, gan: GAN, now: float) -> float:
        return (self.images - gan.images) / max(self.speed(gan, now), 1e-9)

    def text(self, gan: GAN, now: float) -> str:
        parts = [f"{gan.images:,} of {self.images:,} images", f"{self.speed(gan, now):,.0f}/s"]
        parts += [f"{duration(self.left(gan, now))} left"]
        for player in "DG":
            losses = [value for name, value in self.curves.values.items() if name.startswith(f"{player}/")]
            parts += [f"{player} {sum(losses):.3f}"] if losses else []
        return " · ".join(parts)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.bar.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.bar.stop()


def duration(seconds: float) -> str:
    """1:05 for 65 seconds, 2:03:20 for two hours and some."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
