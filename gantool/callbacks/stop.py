"""When training ends: enough images, SIGTERM, or Ctrl-C; always between two iterations, never within one."""

import signal
from types import FrameType
from typing import Any, final

from pytorch_lightning import Callback, LightningModule, Trainer

from gantool.gan import GAN

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@final
class Stop(Callback):
    """Ends training after `images`, or politely on a signal.

    Stands before the callbacks that write last things. Differs from Lightning, whose SIGTERM handler exits
    with code 0 and dead-locks when all processes get the signal.
    """

    def __init__(self, images: int):
        self.images = images
        self.received: signal.Signals | None = None
        self.previous: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.previous = {number: signal.signal(number, self.receive) for number in SIGNALS}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        assert isinstance(pl_module, GAN)
        if pl_module.images >= self.images or self.received is not None:
            trainer.should_stop = True

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.release()

    def release(self) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        self.previous = {}

    def receive(self, number: int, frame: FrameType | None) -> None:
        """First time: finish the iteration. Second time: leave at once."""
        if self.received is not None:
            raise SystemExit(128 + number)
        self.received = signal.Signals(number)

    @property
    def exit_code(self) -> int:
        """0, or 128 + the signal's number: 143 for SIGTERM, 130 for Ctrl-C."""
        return 0 if self.received is None else 128 + self.received
