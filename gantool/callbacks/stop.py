"""When training ends: enough images, or a signal; always between two iterations, never within one."""

import signal
import threading
import time
from types import FrameType
from typing import Any, final

from pytorch_lightning import Callback, LightningModule, Trainer

from gantool.gan import GAN
from gantool.processes import Vote

# A scheduler's "go away" (SLURM, Kubernetes), its warning before (sbatch --signal=USR1@120), Ctrl-C.
SIGNALS = [one for one in signal.Signals if one.name in ("SIGTERM", "SIGUSR1", "SIGINT")]  # Windows lacks one
ECHO = 2.0  # seconds in which one wish may reach a process twice: from the terminal and from its launcher


@final
class Stop(Callback):
    """Ends training after `images`, or politely on a signal, which any of the processes may get.

    Stands before the callbacks that write last things. Differs from Lightning, whose SIGTERM handler exits
    with code 0 and dead-locks when all processes get the signal.
    """

    def __init__(self, images: int):
        self.images = images
        self.heard: signal.Signals | None = None  # by this process
        self.heard_at = 0.0
        self.received: signal.Signals | None = None  # by any process, agreed upon by all
        self.previous: dict[signal.Signals, Any] = {}
        self.vote: Vote | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if threading.current_thread() is threading.main_thread():  # Python allows no handlers elsewhere
            self.previous = {number: signal.signal(number, self.receive) for number in SIGNALS}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.vote = Vote() if trainer.world_size > 1 else None

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        assert isinstance(pl_module, GAN)
        number = int(self.heard or 0)
        if self.vote is not None:
            number = self.vote(number)
        if number:
            self.received = signal.Signals(number)
        if number or pl_module.images >= self.images:
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.vote is not None:
            self.vote.result()

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
        if self.heard is not None and time.monotonic() - self.heard_at > ECHO:
            raise SystemExit(128 + number)
        if self.heard is None:
            self.heard, self.heard_at = signal.Signals(number), time.monotonic()

    @property
    def exit_code(self) -> int:
        """0, or 128 + the signal's number: 143 for SIGTERM, 138 for SIGUSR1, 130 for Ctrl-C."""
        return 0 if self.received is None else 128 + self.received
