"""Tiles of large images: what they cover, how they are blended, and that together they are the whole."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from gantool.tiles import GRID, Tiles, weights

CUTS = [(100, 64, 0), (257, 64, 16), (1000, 96, 48), (97, 64, 33), (130, 128, 112), (65, 64, 48)]


@pytest.mark.parametrize(("length", "side", "overlap"), CUTS)
def test_tiles_cover_everything_begin_on_the_grid_and_overlap_as_asked(length: int, side: int, overlap: int):
    spans = Tiles(side, overlap).spans(length)
    assert spans[0][0] == 0
    assert spans[-1][1] == length
    assert all(start % GRID == 0 and 0 < stop - start <= side for start, stop in spans)
    assert all(before[1] - after[0] >= overlap for before, after in pairwise(spans))
    assert all(before[0] < after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize(("length", "side", "overlap"), CUTS)
@pytest.mark.parametrize("scale", [1, 4])
def test_weights_add_up_to_one_and_are_zero_in_the_outer_third_of_an_overlap(
    length: int, side: int, overlap: int, scale: int
):
    spans = Tiles(side, overlap).spans(length)
    total, third = torch.zeros(scale * length, dtype=torch.float64), scale * overlap // 3
    for number, ((start, stop), weight) in enumerate(
        zip(spans, weights(spans, scale, overlap / 3), strict=True)
    ):
        assert len(weight) == scale * (stop - start)
        assert weight.min() >= 0
        assert weight.max() <= 1
        if number > 0:
            assert not weight[:third].any()
        if number < len(spans) - 1:
            assert not weight[len(weight) - third :].any()
        total[scale * start : scale * stop] += weight
    assert (total - 1).abs().max() < 1e-12


def test_two_tiles_fade_along_a_line_in_the_middle_third():
    [left, right] = weights([(0, 64), (16, 80)], 1, 16)  # 48 pixels in common, from 16 to 64
    assert not right[:16].any()
    torch.testing.assert_close(right[16:32], (torch.arange(16, dtype=torch.float64) + 0.5) / 16)
    assert (right[32:] == 1).all()
    torch.testing.assert_close(left[16:], 1 - right[:48])


def convolutions(reach: int, channels: int = 4) -> nn.Module:
    """A network whose pixels depend on those up to `reach` pixels away."""
    layers = [nn.Conv2d(2, channels, 1)]
    for _ in range(reach):
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.Tanh()]
    return nn.Sequential(*layers)


@pytest.mark.parametrize("size", [(150, 70), (64, 200), (40, 257)])
@torch.no_grad()
def test_tiles_are_the_whole_where_a_third_of_the_overlap_holds_what_a_pixel_depends_on(
    size: tuple[int, int],
):
    torch.manual_seed(0)
    network, source = convolutions(8).double(), torch.randn(1, 2, *size, dtype=torch.float64)
    tiled = Tiles(64, 24)(lambda tile, number: network(tile), source)
    torch.testing.assert_close(tiled, network(source))
    apart = Tiles(64, 0)(lambda tile, number: network(tile), source)
    assert (apart - network(source)).abs().max() > 1e-3


@torch.no_grad()
def test_tiles_of_a_network_that_halves_and_doubles_are_the_whole_too():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 4, 4, 2, 1), nn.Tanh(), nn.Conv2d(4, 4, 4, 2, 1), nn.Tanh(), nn.Upsample(scale_factor=4)
    ).double()
    source = torch.randn(1, 2, 100, 160, dtype=torch.float64)
    tiled = Tiles(64, 36)(lambda tile, number: network(tile), source)
    torch.testing.assert_close(tiled, network(source))


@torch.no_grad()
def test_tiles_of_an_enlarging_network_are_the_whole_too():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 27, 5, padding=2), nn.PixelShuffle(3)).double()
    source = torch.randn(1, 2, 100, 70, dtype=torch.float64)
    tiled = Tiles(32, 6)(lambda tile, number: network(tile), source)
    assert tiled.shape == (1, 3, 300, 210)
    torch.testing.assert_close(tiled, network(source))


def test_tiles_of_different_brightness_join_without_a_step():
    """Tile n is of brightness n: between neighbours it rises by 1, along a third of the overlap."""
    made = Tiles(64, 48)(lambda tile, number: torch.full_like(tile, number), torch.zeros(1, 1, 20, 400))
    steps = made.diff(dim=3)
    assert steps.min() >= 0
    assert steps.max() <= 1 / 16 + 1e-6
    assert made[..., 0].max() == 0
    assert made[..., -1].min() == len(Tiles(64, 48).spans(400)) - 1


def test_an_image_that_fits_is_not_cut_and_tiles_are_numbered():
    seen: list[tuple[int, ...]] = []

    def make(tile: Tensor, number: int) -> Tensor:
        seen.append((number, *tile.shape[2:]))
        return tile

    for tiles in (Tiles(), Tiles(64)):
        image = torch.randn(1, 3, 64, 50)
        assert torch.equal(tiles(make, image), image)
    Tiles(64, 16)(make, torch.randn(1, 3, 90, 80))
    assert seen[:2] == [(0, 64, 50)] * 2
    assert [number for number, *_ in seen[2:]] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("side", "overlap", "message"),
    [
        (31, None, "tile=31: give a number of pixels, 32 or more, or null"),
        ("many", None, "tile=many"),
        (True, None, "tile=True"),
        (64, -1, "overlap=-1: give a number of pixels, 0 or more"),
        (64, 49, "overlap=49 leaves too little of tile=64; give up to 48"),
        (None, 8, "overlap=8 of what"),
    ],
)
def test_tiles_that_cannot_be_are_refused(side: int, overlap: int, message: str):
    with pytest.raises(ValueError, match=message):
        Tiles(side, overlap)
