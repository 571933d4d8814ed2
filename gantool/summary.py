"""What is about to be trained, and where everything is afterwards: lines of a label and a text."""

from collections import Counter
from pathlib import Path

from omegaconf import DictConfig
from pytorch_lightning import Trainer
from rich.markup import escape
from torch import nn

from gantool.batches import sizes
from gantool.callbacks.progress import duration
from gantool.data.image_set import ImageSet
from gantool.gan import GAN
from gantool.plan import Plan
from gantool.teams import members


def parameters(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def kinds(player: nn.Module) -> str:
    """`dcgan.Generator`, or of a team `lapgan.CoarsestGenerator + 2 lapgan.Generator`."""
    types = [type(network) for network in members(player)]
    names = Counter(f"{it.__module__.removeprefix('gantool.models.')}.{it.__name__}" for it in types)
    return " + ".join(f"{count} {name}" if count > 1 else name for name, count in names.items())


def before(gan: GAN, images: ImageSet, config: DictConfig, plan: Plan, trainer: Trainer) -> str:
    """Networks, data, length, machine."""
    rows: list[tuple[str, str]] = []
    for player, network in (("Generator", gan.task.G), ("Discriminator", gan.task.D)):
        rows.append((player, f"{kinds(network)}, {parameters(network):,} parameters"))
    channels, height, width = images.shape
    classes = f", {images.classes} classes" if images.classes else ""
    mirrored = ", and mirrored" if config.data.mirror else ""
    rows.append(("Data", f"{len(images):,} images of {channels}x{height}x{width}{classes}{mirrored}"))
    epochs = config.images / len(images)
    of_D, of_G = config.n_critic, config.n_generator
    steps = "D and G in turn" if of_D == of_G else f"{of_D} of D per G" if of_D > 1 else f"{of_G} of G per D"
    largest, *smaller = sizes(config, "batch_size")
    batch = f"{largest} to {smaller[-1]}" if smaller else f"{largest}"
    length = f"{config.images:,} images ({epochs:.1f} epochs), batches of {batch}, {steps}"
    rows.append(("Length", length))
    if gan.images:
        rows.append(("Continues", f"at {gan.images:,} images"))
    if gan.images and plan.processes != trainer.world_size:
        rows.append(("", other_number(plan.processes, trainer.world_size)))
    several = f", {trainer.world_size} processes" if trainer.world_size > 1 else ""
    rows.append(("Device", f"{trainer.strategy.root_device}{several}"))
    if not config.dry_run:
        rows.append(("Run folder", plan.folder))
    return lines(rows)


def other_number(before: int, now: int) -> str:
    """What a run keeps and what it loses when it goes on in another number of processes."""
    return (
        f"in {now} instead of {before} processes: with the same images, latents and batches; results "
        "differ by rounding, and batch norm and dropout see other parts of a batch"
    )


def after(folder: Path, images: int, seconds: float, curves: str | None, samples_more: bool) -> str:
    """Where everything is, how to look at the curves, and what to type next.

    Args:
        folder: of the run.
        images: of this training.
        seconds: that it took.
        curves: the command that shows them; None = nothing does.
        samples_more: whether it makes images of latents; otherwise it makes images of images.
    """
    samples = sorted((folder / "samples").glob("[0-9]*.png"))
    rows: list[tuple[str, str]] = []
    rows.append(("Trained", f"{images:,} images in {duration(seconds)} ({images / seconds:,.0f} a second)"))
    if samples:
        rows.append(("Samples", str(samples[-1])))
    rows.append(("Checkpoint", str(folder / "checkpoints" / "last.ckpt")))
    rows.append(("Numbers", str(folder / "metrics.csv")))
    if curves is not None:
        rows.append(("Curves", curves))
    translate = f"gantool translate run={folder} input=DIR out=DIR"
    rows.append(("Next", f"gantool sample run={folder}" if samples_more else translate))
    return lines(rows)


def lines(rows: list[tuple[str, str]]) -> str:
    """Texts below each other; a path is never broken, so that it can be copied."""
    width = max(len(label) for label, _ in rows) + 2
    return "\n".join(f"[bold]{label:{width}}[/]{escape(text)}" for label, text in rows)
