"""Coloured shapes with captions, made up on the spot: what is there, and what is said, is exactly known."""

from collections.abc import Sequence

import numpy as np

from gantool.data.captioned import Captioned, Claims
from gantool.data.colours import recolour
from gantool.data.image_set import InMemory
from gantool.data.vocabulary import Vocabulary
from gantool.layers.resolution import height_and_width

SHAPES = ("circle", "square", "triangle")
COLOURS = {"red": (225, 45, 45), "green": (45, 185, 70), "blue": (60, 95, 235), "yellow": (245, 215, 60)}
SIZES = {"small": 0.14, "large": 0.22}  # radius, in shorter sides of the image
CORNERS = ("top left", "top right", "bottom left", "bottom right")
PLACES = (*CORNERS, "side by side", "one above the other")
CENTRES = (  # of one shape, or of the first and the second, in sides of the image: down, right
    ((0.28, 0.28),),
    ((0.28, 0.72),),
    ((0.72, 0.28),),
    ((0.72, 0.72),),
    ((0.5, 0.27), (0.5, 0.73)),
    ((0.27, 0.5), (0.73, 0.5)),
)
THING = {"shape": SHAPES, "colour": tuple(COLOURS), "size": tuple(SIZES)}
ATTRIBUTES = {  # the first of two is the left or the upper one
    "shapes": ("one", "two"),
    "place": PLACES,
    **{f"{name} of the first": values for name, values in THING.items()},
    **{f"{name} of the second": values for name, values in THING.items()},
}
ONE = (  # captions of one shape; nothing is said of its place in the last
    "a {thing} in the {place} corner",
    "there is a {thing} at the {place}",
    "the {place} corner holds a {thing}",
    "a {thing}",
)
TWO = {  # of two, from the first or from the second
    "side by side": (
        "a {thing} left of a {other}",
        "there is a {other} to the right of a {thing}",
        "a {other} right of a {thing}",
    ),
    "one above the other": (
        "a {thing} above a {other}",
        "there is a {other} below a {thing}",
        "a {other} under a {thing}",
    ),
}
FINER = 3  # times as many pixels, of which the mean is taken
JITTER = 0.02  # standard deviation of a centre, in sides
Sentence = tuple[str, tuple[int, ...]]  # and what it claims


def captioned_shapes(
    resolution: int | Sequence[int] = 16,
    channels: int = 3,
    count: int = 2000,
    captions: int = 5,
    seed: int = 0,
) -> Captioned:
    """One shape in a corner, or two beside or above each other, each of some colour and size, on black.

    The class is colour and shape of the first. A caption says shape and colour of each shape that is there,
    so that "a red circle" is false where another shape is beside it; mostly where, and sometimes how large.
    """
    if channels not in (1, 2, 3, 4) or count < 2 or captions < 1:
        raise ValueError(
            f"data.channels={channels}, data.count={count} and data.captions={captions} make no set; use 1 "
            "to 4 channels, 2 images or more, and at least one caption of each."
        )
    random = np.random.default_rng(seed)
    attributes = np.stack([facts(random) for _ in range(count)])  # (N, A)
    images = np.stack([drawn(row, resolution, channels, random) for row in attributes])
    told = [chosen(row, captions, random) for row in attributes]
    claims = {text: claim for some in told for text, claim in some}  # each text always claims the same
    labels = attributes[:, 3] * len(SHAPES) + attributes[:, 2]
    names = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
    return Captioned(
        InMemory(images, labels, names),
        [[text for text, _ in some] for some in told],
        vocabulary(),
        list(claims),
        Claims(ATTRIBUTES, attributes, np.array([*claims.values()], np.int64)),
    )


def vocabulary() -> Vocabulary:
    """Every word that such captions can have."""
    texts = [text for place in PLACES for text in (*ONE, *TWO.get(place, ()))]
    fixed = " ".join(texts)
    said = " ".join([*SHAPES, *COLOURS, *SIZES, *CORNERS])
    names = {"{thing}", "{other}", "{place}"}
    return Vocabulary.of([" ".join(word for word in fixed.split() if word not in names), said])


def facts(random: np.random.Generator) -> np.ndarray:
    """Of one image: (A,), the number of each value; -1 for those of a second shape that is not there."""
    drawn = [int(random.integers(len(values))) for values in ATTRIBUTES.values()]
    drawn[0] = len(CENTRES[drawn[1]]) - 1
    if drawn[0] == 0:
        drawn[5:] = [-1] * 3
    return np.array(drawn, np.int64)


def drawn(
    attributes: np.ndarray, resolution: int | Sequence[int], channels: int, random: np.random.Generator
) -> np.ndarray:
    """(C, H, W), uint8."""
    height, width = height_and_width(resolution)
    y = (np.arange(height * FINER)[:, None] + 0.5) / FINER / min(height, width)  # in shorter sides
    x = (np.arange(width * FINER) + 0.5) / FINER / min(height, width)
    canvas = np.zeros((height * FINER, width * FINER, 3))
    for number, (down, right) in enumerate(CENTRES[attributes[1]]):
        shape, colour, size = attributes[2 + 3 * number : 5 + 3 * number]
        move = random.normal(0, JITTER, 2).clip(-2 * JITTER, 2 * JITTER)
        down, right = (down + move[0]) * height, (right + move[1]) * width
        radius = [*SIZES.values()][size]
        inside = within(SHAPES[shape], y - down / min(height, width), x - right / min(height, width), radius)
        canvas[inside] = [*COLOURS.values()][colour]
    mean = canvas.reshape(height, FINER, width, FINER, 3).mean((1, 3))
    return recolour(np.rint(mean).astype(np.uint8), channels).transpose(2, 0, 1)


def within(shape: str, y: np.ndarray, x: np.ndarray, radius: float) -> np.ndarray:
    """Which points, at these distances from its centre, a shape covers: (H, W), bool."""
    if shape == "circle":
        return y**2 + x**2 <= radius**2
    if shape == "square":
        return (abs(y) <= 0.9 * radius) & (abs(x) <= 0.9 * radius)
    return (y <= 0.9 * radius) & (2 * abs(x) <= 1.1 * radius + y)  # its tip is up


def chosen(attributes: np.ndarray, count: int, random: np.random.Generator) -> list[Sentence]:
    """So many sentences, all true; some may be equal."""
    templates = TWO.get(PLACES[attributes[1]], ONE)
    picked = random.integers(len(templates), size=count)
    sizes = random.random((count, 2)) < 0.4  # whether the size of the first, and of the second, is said
    return [said(attributes, templates[t], *size) for t, size in zip(picked, sizes.tolist(), strict=True)]


def said(attributes: np.ndarray, template: str, first: bool, second: bool) -> Sentence:
    """A caption and what it claims, (A,); -1 where nothing is said.

    Args:
        attributes: (A,), of an image.
        template: of ONE or TWO.
        first: whether it says how large the first shape is.
        second: likewise.
    """
    claimed, place = attributes.copy(), PLACES[attributes[1]]
    if place in CORNERS and "{place}" not in template:
        claimed[1] = -1
    if not first:
        claimed[4] = -1
    if not second:
        claimed[7] = -1
    thing, other = named(claimed[2:5]), named(claimed[5:8]) if claimed[0] else ""
    return template.format(thing=thing, other=other, place=place), tuple(claimed.tolist())


def named(thing: np.ndarray) -> str:
    """`small red circle`; -1 = its size is not said."""
    shape, colour, size = thing.tolist()
    words = [] if size == -1 else [[*SIZES][size]]
    return " ".join([*words, [*COLOURS][colour], SHAPES[shape]])
