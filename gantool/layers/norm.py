"""Normalisation by name, so that a configuration can choose it."""

from torch import nn

from gantool.layers.pixel_norm import PixelNorm

NORMS = ("batch", "layer", "instance", "plain_instance", "pixel", "none")


def norm(kind: str, channels: int) -> nn.Module:
    """A normalisation of (N, C, H, W) with a gain and a bias per channel, or none.

    batch: Ioffe & Szegedy (2015), arXiv:1502.03167; layer: Ba et al. (2016), arXiv:1607.06450, over C, H, W;
    instance, and plain_instance without gain and bias: Ulyanov et al. (2016), arXiv:1607.08022; pixel,
    without gain and bias: Karras et al. (2018), arXiv:1710.10196.
    """
    match kind:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "layer":
            return nn.GroupNorm(1, channels)
        case "instance":
            return nn.InstanceNorm2d(channels, affine=True)
        case "plain_instance":
            return nn.InstanceNorm2d(channels)
        case "pixel":
            return PixelNorm()
        case "none":
            return nn.Identity()
    raise ValueError(f"norm={kind}: choose one of {', '.join(NORMS)}.")


def biased(kind: str) -> bool:
    """Whether a convolution before this norm needs a bias, because the norm has none."""
    return kind not in ("batch", "layer", "instance")
