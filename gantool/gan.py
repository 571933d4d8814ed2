"""The training loop: every family trains through this one file."""

import copy
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any, final

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from gantool.augment.augment import Augment
from gantool.averaging import average, averages
from gantool.chance import keys
from gantool.divergence import Diverged, brake, extent, gradients, infinite_gradient, infinite_loss
from gantool.doctor.answers import answers
from gantool.duel import Duel
from gantool.freeze import lowest
from gantool.losses.objective import Objective, total
from gantool.optim import Recipe
from gantool.schedules import Schedule, at
from gantool.seeds import reseed
from gantool.shares import Share
from gantool.tasks.task import Batch, Player, Task

OPPONENT: dict[Player, Player] = {"D": "G", "G": "D"}


@final
class GAN(LightningModule):
    """Two players in alternation: Algorithm 1 of Goodfellow et al. (2014), arXiv:1406.2661.

    One `training_step` is one iteration: `n_critic` updates of D, each on a minibatch of its own, then one
    of G. Time is counted in images: reals shown to D.

    Args:
        task: owns the players.
        objective: what they minimise.
        recipes: an optimizer for each player, by "D" and "G".
        augment: what D sees all images through; None = nothing.
        n_critic: updates of D for one of G.
        n_generator: updates of G for one of D: D rests in all but one of so many iterations.
        generator_batch_size: images of G's update over all processes, at most n_critic minibatches; None =
            one minibatch.
        share_fakes: G's turn judges the fakes that D saw last, through the graph of the same pass.
        ema: half-life of the averaged generator, in images; 0 = no averaging.
        micro_batch: images per backward pass in a process; None = the whole minibatch.
        freeze: layers of each player that stay as they are, from its input on; None = none.
        clip: largest norm of a player's gradient; None = any.
        channels_last: memory format of networks and images.
        seed: of every random number drawn while training.
    """

    def __init__(
        self,
        task: Task,
        objective: Objective,
        recipes: Mapping[Player, Recipe],
        augment: Augment | None = None,
        n_critic: int = 1,
        n_generator: int = 1,
        generator_batch_size: Schedule | None = None,
        share_fakes: bool = False,
        ema: Schedule = 0.0,
        micro_batch: int | None = None,
        freeze: Mapping[Player, int] | None = None,
        clip: float | None = None,
        channels_last: bool = False,
        seed: int = 0,
    ):
        super().__init__()
        self.automatic_optimization = False
        objective.check(task, recipes["D"])
        task.check(augment)
        self.task = task
        self.objective = objective
        self.augment = augment
        self.recipes = recipes
        self.n_critic = n_critic
        self.n_generator = n_generator
        self.generator_batch_size = generator_batch_size
        self.share_fakes = share_fakes
        self.ema = ema
        self.micro_batch = micro_batch
        self.clip = clip
        self.seed = seed
        self.G_ema = copy.deepcopy(task.G).eval().requires_grad_(False) if averages(ema) else None
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.to(memory_format=self.memory_format)  # pyright: ignore[reportCallIssue]
        for player, layers in (freeze or {}).items():
            for parameter in lowest(task.G if player == "G" else task.D, layers) if layers else []:
                parameter.requires_grad_(False)
        self.learning: dict[Player, list[nn.Parameter]] = {
            "D": self.parameters_of("D"),
            "G": self.parameters_of("G"),
        }
        self.iteration = 0
        self.images = 0
        self.latest: dict[str, Tensor] = {}  # the last value of every loss, for whoever watches
        self.averaging: list[list[Tensor]] = []
        self.watched = False  # whether somebody will look at this iteration's logits
        self.careful = False  # whether to look at every loss on an accelerator, too, which costs a wait
        self.rescue: Callable[[Diverged], None] | None = None  # None = an infinite loss ends training
        self.pace = 1.0  # of learning rates, as multiples of their own

    @property
    def generator(self) -> nn.Module:
        """The generator to use: the averaged copy, if there is one."""
        return self.task.G if self.G_ema is None else self.G_ema

    @property
    def share(self) -> Share:
        """What of every batch is this process's."""
        return Share(self.global_rank, self.trainer.world_size)

    def on_train_start(self) -> None:
        """Look the averaged tensors up once: where they lie is settled now."""
        networks: list[nn.Module] = [] if self.G_ema is None else [self.G_ema, self.task.G]
        self.averaging = [[*network.parameters()] for network in networks]
        self.averaging += [[*network.buffers()] for network in networks]
        self.objective.meet(self.optimizers()[0].optimizer)  # pyright: ignore

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One iteration; what a rescue brings back is no step, and does not enter the average."""
        whole, seen = True, size(batch) * self.share.world
        try:
            self.play(batch)
        except Diverged as diverged:
            if self.rescue is None:
                raise
            whole = False
            self.rescue(diverged)
        self.iteration += 1
        self.images += seen
        if whole and self.averaging:
            slow, fast, slow_buffers, fast_buffers = self.averaging
            average(slow, fast, seen, at(self.ema, self.images))
            for old, new in zip(slow_buffers, fast_buffers, strict=True):
                old.copy_(new)

    def play(self, batch: Batch) -> None:
        """D's turns, each on a minibatch of its own, then G's; where D rests, its turns are G's as well."""
        share = self.share
        self.task.advance(self.images)
        if self.augment is not None:
            self.augment.advance(self.images)
        batch = {name: self.in_format(value) for name, value in batch.items()}
        drawn: Batch = {}
        duels = None
        rests = not self.objective.plays("D", self.images)
        for turn, minibatch in enumerate(split(batch, size(batch) // self.n_critic)):
            if rests and turn:
                self.update("G", drawn)
            drawn = self.draw(minibatch, turn, share)
            duels = None if self.iteration % self.n_generator else self.update("D", drawn)
        if not self.share_fakes:
            whole = at(self.generator_batch_size, self.images) or size(drawn) * share.world
            count = int(whole) // share.world
            last = {name: value[-count:] for name, value in batch.items()}
            drawn = self.draw(last, self.n_critic, share)
            duels = None
        self.update("G", drawn, duels)

    def draw(self, minibatch: Batch, turn: int, share: Share) -> Batch:
        """All that is random about a turn, from a seed of its own; then seed what layers draw (dropout).

        The former is the same whatever the number of processes, the latter another for each.
        """
        reseed(self.device, self.seed, self.iteration, turn)
        drawn = self.task.draw(minibatch, share)
        drawn["key"] = keys(size(minibatch), self.device, share)
        reseed(self.device, self.seed, self.iteration, turn, "layers", share.rank)
        return drawn

    def duels(self, batch: Batch) -> list[Duel]:
        """Those of a drawn batch: what is random about a sample follows from its key."""
        duels = self.task.duels(batch)
        for duel in duels:
            duel.key, duel.augment = batch["key"], self.augment
        return duels

    def update(self, player: Player, batch: Batch, duels: list[Duel] | None = None) -> list[Duel] | None:
        """One optimizer step for one player; the only place that steps.

        `duels` are those of the last pass through G, where G's turn shares it. D's turn returns its own for
        that, if they fit into one micro-batch.
        """
        if not self.objective.plays(player, self.images):
            return None
        shares = self.share_fakes and size(batch) <= (self.micro_batch or size(batch))
        self.learn(player, True)
        self.learn(OPPONENT[player], player == "D" and shares)
        optimizer = self.optimizers()["DG".index(player)]  # pyright: ignore
        optimizer.zero_grad()

        sums: dict[str, Tensor] = {}
        played = None
        for chunk in split(batch, self.micro_batch or size(batch)):
            played = duels if duels is not None and shares else self.duels(chunk)
            seen = [duel.for_D() for duel in played] if player == "D" else played
            losses = self.objective(player, seen, self.iteration, self.images)
            share = size(chunk) / size(batch)
            loss = total(list(losses.values()))
            loss = loss * share if share < 1 else loss
            if self.looks and not self.finite(loss):
                raise infinite_loss(player, losses, self.images)
            with torch.autocast(self.device.type, enabled=False):
                self.manual_backward(loss)
            for name, value in losses.items():
                value = value.detach()
                sums[name] = value if share == 1 else sums.get(name, 0) + value * share  # pyright: ignore
            if player == "D":
                self.show(seen)

        if self.looks and not self.finite(extent(gradients(self.learning[player]))):
            raise infinite_gradient(player, self.images)
        self.recipes[player].anneal(optimizer.optimizer, self.images)
        if self.pace != 1:
            brake(optimizer.optimizer, self.recipes[player], self.images, self.pace)
        if player == "G":
            optimizer.step()  # Lightning counts these
        else:
            self.trainer.strategy.optimizer_step(optimizer.optimizer, nothing)
        self.objective.settle(player, self.task)
        if self.augment is not None and player == "D":
            self.augment.settle(size(batch) * self.share.world)
        self.latest |= {f"{player}/{name}": value for name, value in sums.items()}
        if self.watched and player == "D":
            for knows in (self.objective.adversarial, *([] if self.augment is None else [self.augment])):
                self.latest |= {f"health/{name}": value.clone() for name, value in knows.remarks().items()}
        return played if shares else None

    def show(self, duels: list[Duel]) -> None:
        """Let the augmentation, and whoever watches, see what D answered on its turn."""
        if self.augment is not None:
            for duel in duels:
                self.augment.see((duel.real_logits - self.objective.adversarial.boundary(duel)).detach())
        if self.watched:
            self.latest |= answers(duels, self.objective.adversarial)

    def learn(self, player: Player, active: bool) -> None:
        """Whether gradients are wanted for a player's parameters: no graph is built for one that rests."""
        for parameter in self.learning[player]:
            parameter.requires_grad_(active)

    @property
    def looks(self) -> bool:
        """Whether this iteration's numbers are looked at; on an accelerator that costs a wait."""
        return self.device.type == "cpu" or self.watched or self.careful

    def finite(self, number: Tensor) -> bool:
        """Whether a number is one, in all processes that would go on without it."""
        good = isfinite(number.item())
        return good if self.rescue is None else self.trainer.strategy.reduce_boolean_decision(good)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if self.clip is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.clip)

    def configure_optimizers(self) -> list[Optimizer]:
        return [self.recipes[player].optimizer(self.learning[player]) for player in ("D", "G")]

    def parameters_of(self, player: Player) -> list[nn.Parameter]:
        """A player's networks, and the heads that its loss terms learn with it."""
        modules = [self.task.G if player == "G" else self.task.D, self.objective.terms[player]]
        return [p for module in modules for p in module.parameters() if p.requires_grad]

    def in_format(self, value: Tensor) -> Tensor:
        return value.contiguous(memory_format=self.memory_format) if value.ndim == 4 else value

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["clock"] = {"iteration": self.iteration, "images": self.images}
        checkpoint["pace"] = self.pace

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.iteration, self.images = checkpoint["clock"]["iteration"], checkpoint["clock"]["images"]
        self.pace = checkpoint.get("pace", 1.0)  # who only tells the time before a run begins knows no pace


def size(batch: Batch) -> int:
    return len(next(iter(batch.values())))


def split(batch: Batch, step: int) -> Iterator[Batch]:
    """Minibatches of `step` samples; the last may be smaller."""
    if step >= size(batch):
        yield batch
        return
    for start in range(0, size(batch), step):
        yield {name: value[start : start + step] for name, value in batch.items()}


def nothing() -> None:
    """The closure of a step whose gradients are already there."""
