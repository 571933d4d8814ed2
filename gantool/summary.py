"""What is about to be trained, and where everything is afterwards, as tables."""

from pathlib import Path

from omegaconf import DictConfig
from rich.table import Table
from torch import nn

from gantool.callbacks.progress import duration
from gantool.data.image_set import ImageSet
from gantool.gan import GAN


def parameters(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def before(gan: GAN, images: ImageSet, config: DictConfig, folder: Path, device: str) -> Table:
    """Networks, data, length."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for player, network in (("Generator", gan.task.G), ("Discriminator", gan.task.D)):
        name = f"{type(network).__module__.removeprefix('gantool.models.')}.{type(network).__name__}"
        table.add_row(player, f"{name}, {parameters(network):,} parameters")
    channels, height, width = images.shape
    classes = f", {images.classes} classes" if images.classes else ""
    mirrored = ", and mirrored" if config.data.mirror else ""
    table.add_row("Data", f"{len(images):,} images of {channels}x{height}x{width}{classes}{mirrored}")
    epochs = config.images / len(images)
    steps = f"{config.n_critic} of D per G" if config.n_critic > 1 else "D and G in turn"
    table.add_row(
        "Length", f"{config.images:,} images ({epochs:.1f} epochs), batches of {config.batch_size}, {steps}"
    )
    if gan.images:
        table.add_row("Continues", f"at {gan.images:,} images")
    table.add_row("Device", device)
    table.add_row("Run folder", str(folder))
    return table


def after(folder: Path, images: int, seconds: float, curves: str | None) -> Table:
    """Where everything is, how to look at the curves, and what to type next."""
    samples = sorted((folder / "samples").glob("[0-9]*.png"))
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("Trained", f"{images:,} images in {duration(seconds)} ({images / seconds:,.0f} a second)")
    if samples:
        table.add_row("Samples", str(samples[-1]))
    table.add_row("Checkpoint", str(folder / "checkpoints" / "last.ckpt"))
    table.add_row("Numbers", str(folder / "metrics.csv"))
    if curves is not None:
        table.add_row("Curves", curves)
    table.add_row("Next", f"gantool sample run={folder}")
    return table
