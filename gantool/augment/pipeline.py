"""The augmentation pipeline of ADA: Karras et al. (2020), arXiv:2006.06676, appendix B."""

from collections.abc import Mapping
from math import pi, sqrt, tau
from typing import ClassVar, final

import torch
from torch import Tensor

from gantool.augment.adaptive import Adaptive
from gantool.augment.antialias import antialiased
from gantool.augment.augment import Chance
from gantool.augment.draws import colours, normal, whole
from gantool.augment.occasional import Occasional
from gantool.augment.warp import matrix, product, warp
from gantool.schedules import Schedule

GEOMETRY = ("flip", "rotate90", "shift", "scale", "rotate", "stretch", "move")
COLOUR = ("brightness", "contrast", "luma_flip", "hue", "saturation")
STEPS = (*GEOMETRY, *COLOUR, "cutout")


@final
class Pipeline(Occasional):
    """Flips, moves, turns and recolours; each step happens to a sample with probability p times its weight.

    Appendix B. As long as p is well below 1, the distribution of augmented images determines that of the
    plain ones, so that no augmentation leaks into what G makes (section 2.2).

    Colour and cutout cost the same whether they happen or not; `gantool.augment.antialias` tells how geometry
    differs from the authors'.

    Args:
        p: probability of each step, or how it moves. A constant one is kept in the buffer `p`, where whoever
            controls it may change it.
        weights: of steps by name, 0 if not given. flip, rotate90, shift (whole pixels); scale, rotate,
            stretch (one axis against the other), move; brightness, contrast, luma_flip, hue, saturation;
            cutout.
        antialias: sample geometry as published, between a doubling and a halving by a wavelet's filter;
            otherwise bilinearly, which blurs what is turned or moved by parts of a pixel.
    """

    name: ClassVar[str] = "ada"

    def __init__(self, p: Schedule | Adaptive, weights: Mapping[str, float], antialias: bool = False):
        super().__init__(p)
        for step, weight in weights.items():
            if step not in STEPS:
                raise ValueError(f"augment: weights.{step}: no such step; choose from {', '.join(STEPS)}.")
            if not 0 <= weight <= 1:
                raise ValueError(f"augment: weights.{step}={weight} multiplies a probability; give 0 to 1.")
        self.weights = {step: float(weight) for step, weight in weights.items() if weight}
        self.seen_through = antialiased if antialias else warp

    def forward(self, image: Tensor, chance: Chance) -> Tensor:
        if any(step in self.weights for step in GEOMETRY):
            image = self.seen_through(image, self.geometry(image, chance)[:, :2])
        if any(step in self.weights for step in COLOUR):
            image = self.recoloured(image, chance)
        return self.cut(image, chance) if "cutout" in self.weights else image

    def happens(self, step: str, chance: Chance) -> Tensor:
        """Whether a step happens to each sample: (N,)."""
        return chance(f"{step} happens") < self.p * self.weights.get(step, 0.0)

    def geometry(self, image: Tensor, chance: Chance) -> Tensor:
        """Inverse maps of the plane, (N, 3, 3), in pixels from the centre: the first step stands leftmost."""
        height, width = image.shape[2:]

        def drawn(step: str, value: Tensor, otherwise: float = 0.0) -> Tensor:
            return torch.where(self.happens(step, chance), value, otherwise)

        flipped = 1 - 2 * drawn("flip", whole(chance, "flip", 2))
        quarters = drawn("rotate90", whole(chance, "rotate90", 4))
        shift_x, shift_y = (
            drawn("shift", (((2 * chance(f"shift {axis}") - 1) * side / 8).round()))
            for axis, side in (("x", width), ("y", height))
        )
        smaller = drawn("scale", (-0.2 * normal(chance, "scale")).exp2(), 1.0)
        narrower = drawn("stretch", (-0.2 * normal(chance, "stretch")).exp2(), 1.0)
        move_x, move_y = (
            drawn("move", normal(chance, f"move {axis}") * side / 8)
            for axis, side in (("x", width), ("y", height))
        )
        # a turn before the stretch and one after: together they happen with probability p
        often = 1 - (1 - self.p * self.weights.get("rotate", 0.0)).sqrt()
        first, second = (
            torch.where(
                chance(f"rotate {turn} happens") < often, pi * (2 * chance(f"rotate {turn}") - 1), 0.0
            )
            for turn in ("first", "second")
        )

        result = scaling(flipped, torch.ones_like(flipped))
        for step in (
            quarter_turn(quarters),
            translation(-shift_x, -shift_y),
            scaling(smaller, smaller),
            turn(-first),
            scaling(narrower, 1 / narrower),
            turn(-second),
            translation(-move_x, -move_y),
        ):
            result = product(result, step)
        return result

    def recoloured(self, image: Tensor, chance: Chance) -> Tensor:
        """Each pixel's colour through an affine map of its sample; grey is a colour space of one axis."""
        count = colours(image.shape[1])
        colour, opacity = image[:, :count], image[:, count:]
        brighter = torch.where(
            self.happens("brightness", chance), 0.2 * normal(chance, "brightness"), 0.0
        )  # (N,)
        contrast = torch.where(
            self.happens("contrast", chance), (0.5 * normal(chance, "contrast")).exp2(), 1.0
        )
        flipped = torch.where(self.happens("luma_flip", chance), whole(chance, "luma_flip", 2), 0.0)
        angle = torch.where(self.happens("hue", chance), pi * (2 * chance("hue") - 1), 0.0)
        saturation = torch.where(self.happens("saturation", chance), normal(chance, "saturation").exp2(), 1.0)

        one = torch.eye(count, dtype=angle.dtype, device=angle.device)
        luma = torch.full_like(one, 1 / count)  # onto the grey axis
        chroma = one - luma
        cross = [[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]] if count == 3 else [[0.0]]
        turned = torch.tensor(cross, dtype=angle.dtype, device=angle.device) / sqrt(3)

        def per_sample(value: Tensor) -> Tensor:
            return value[:, None, None]

        linear = one * per_sample(contrast)  # (N, 3, 3)
        linear = product(one - 2 * luma * per_sample(flipped), linear)
        hue = one + chroma * per_sample(angle.cos() - 1) + turned * per_sample(angle.sin())
        linear = product(one + chroma * per_sample(saturation - 1), product(hue, linear))
        shifted = colour + brighter[:, None, None, None]
        colour = (linear[:, :, :, None, None] * shifted[:, None]).sum(2)  # (N, 3, H, W)
        return torch.cat([colour, opacity], 1) if opacity.shape[1] else colour

    def cut(self, image: Tensor, chance: Chance) -> Tensor:
        """A rectangle of half of each side is zero, its centre anywhere."""
        inside = []
        for axis, side in zip("yx", image.shape[2:], strict=True):
            place = (torch.arange(side, device=image.device) + 0.5) / side
            inside.append((place - chance(f"cutout {axis}")[:, None]).abs() < 0.25)  # (N, side)
        gone = inside[0][:, None, :, None] & inside[1][:, None, None, :]  # (N, 1, H, W)
        return image * ~(gone & self.happens("cutout", chance)[:, None, None, None])


def scaling(x: Tensor, y: Tensor) -> Tensor:
    return matrix([[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, 1.0]], like=x)


def translation(x: Tensor, y: Tensor) -> Tensor:
    return matrix([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]], like=x)


def turn(angle: Tensor) -> Tensor:
    return rotation(angle.cos(), angle.sin())


def quarter_turn(quarters: Tensor) -> Tensor:
    """By whole quarters, whose cosines are exactly 0, 1 or -1."""
    angle = quarters * (tau / 4)
    return rotation(angle.cos().round(), angle.sin().round())


def rotation(cosine: Tensor, sine: Tensor) -> Tensor:
    return matrix([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]], like=cosine)
