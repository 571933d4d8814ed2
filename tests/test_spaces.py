"""Latent spaces: paths, layers, the search for a latent, and directions, where the answer is known."""

from math import cos, pi, sin
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from small import SMALL, composed
from torch import Tensor, nn

from gantool.directions import factorised
from gantool.first_layer import first_matrix
from gantool.interpolate import path
from gantool.layers.pixel_norm import PixelNorm
from gantool.mix import mixed
from gantool.project import distance, noise_share, rate
from gantool.spaces import Latents, evenly, layers_of, lerp, slerp


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def space(G: nn.Module | None = None, curved: bool = True) -> Latents:
    return Latents(G or nn.Identity(), conditional=False, curved=curved)


# Paths


@pytest.mark.parametrize("way", [lerp, slerp])
def test_a_path_begins_and_ends_exactly_at_its_points(way: Any):
    for start, end in torch.randn(20, 2, 100):
        found = way(start, end, evenly(8))
        assert found.shape == (8, 100)
        assert torch.equal(found[0], start)
        assert torch.equal(found[-1], end)


def test_a_line_is_the_weighted_mean_of_its_ends():
    start, end, t = torch.randn(3, 4), torch.randn(3, 4), evenly(5)
    expected = torch.stack([(1 - share) * start + share * end for share in t.float()])
    torch.testing.assert_close(lerp(start, end, t), expected)


def test_an_arc_keeps_the_length_of_equally_long_ends_and_turns_evenly():
    start, end = torch.randn(2, 50, dtype=torch.float64)
    start, end = start / start.norm() * 3, end / end.norm() * 3
    arc = slerp(start, end, evenly(9))
    torch.testing.assert_close(arc.norm(dim=1), torch.full((9,), 3.0, dtype=torch.float64))
    cosines = (arc[1:] * arc[:-1]).sum(1) / 9
    torch.testing.assert_close(cosines, cosines[:1].expand(8))


def test_an_arc_of_a_right_angle_is_made_of_sine_and_cosine():
    start, end = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    arc = slerp(start, end, evenly(7))
    expected = [[2 * cos(k / 6 * pi / 2), 2 * sin(k / 6 * pi / 2)] for k in range(7)]
    torch.testing.assert_close(arc, torch.tensor(expected))


def test_an_arc_between_the_same_points_stays_there():
    point = torch.randn(64)
    torch.testing.assert_close(slerp(point, point, evenly(5)), point.expand(5, -1))
    almost = point * (1 + 1e-7)
    torch.testing.assert_close(slerp(point, almost, evenly(5)), point.expand(5, -1))


def test_an_arc_turned_round_is_the_same_arc():
    start, end = torch.randn(2, 30)
    torch.testing.assert_close(slerp(start, end, evenly(6)), slerp(end, start, evenly(6)).flip(0))


def test_between_opposite_points_where_there_is_no_one_arc_the_path_is_the_line():
    point = torch.randn(10)
    torch.testing.assert_close(slerp(point, -point, evenly(5)), lerp(point, -point, evenly(5)))


def test_latents_that_are_not_gaussian_go_straight():
    start, end = torch.rand(2, 10)
    torch.testing.assert_close(
        space(curved=False).between(start, end, evenly(3))[1], (start + end) / 2, atol=1e-6, rtol=0
    )


def test_a_walk_goes_from_each_point_to_the_next():
    points = torch.randn(4, 10)
    legs = path(space(), points, evenly(6))
    assert legs.shape == (3, 6, 10)
    assert torch.equal(legs[:, 0], points[:-1])
    assert torch.equal(legs[:, -1], points[1:])


# Layers and styles


@pytest.mark.parametrize(
    ("value", "layers"),
    [
        (None, None),
        (3, [3]),
        ("0-3", [0, 1, 2, 3]),
        ("coarse", [0, 1, 2, 3]),
        ("middle", [4, 5, 6, 7]),
        ("fine", [8, 9]),
        ([1, "4-5", "fine"], [1, 4, 5, 8, 9]),
    ],
)
def test_layers_are_named_by_number_range_and_size(value: Any, layers: list[int] | None):
    assert layers_of(OmegaConf.create({"layers": value}).layers, 10) == layers


@pytest.mark.parametrize("value", [10, "3-10", "3-2", "rough", "", "-1", -1, 1.5, [], True, "fine"])
def test_layers_that_are_not_there_are_refused(value: Any):
    total = 8 if value == "fine" else 10
    with pytest.raises(ValueError, match=rf"this generator has the layers 0 to {total - 1}; give"):
        layers_of(OmegaConf.create({"layers": value}).layers, total)


def test_a_mixed_image_takes_the_chosen_layers_from_its_row():
    rows, columns = torch.randn(2, 6, 3), torch.randn(4, 6, 3)
    table = mixed(rows, columns, [0, 2])
    assert table.shape == (2, 4, 6, 3)
    for r in range(2):
        for c in range(4):
            assert torch.equal(table[r, c, [0, 2]], rows[r, [0, 2]])
            assert torch.equal(table[r, c, [1, 3, 4, 5]], columns[c, [1, 3, 4, 5]])
    assert torch.equal(mixed(rows, columns, None), rows[:, None].expand(-1, 4, -1, -1))


# The search


def test_the_distance_of_a_constant_difference_is_its_square():
    images = torch.zeros(2, 3, 28, 20)
    torch.testing.assert_close(distance(images + 0.5, images), torch.full((2,), 0.25))


def test_a_checkerboard_is_far_only_for_the_full_size():
    board = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1  # (16, 16); halvings are 0
    found = distance(board[None, None], torch.zeros(1, 1, 16, 16))
    torch.testing.assert_close(found, torch.tensor([1 / 5]))  # of 16, 8, 4, 2, 1 pixels


def test_the_learning_rate_rises_on_a_line_and_falls_on_a_cosine():
    assert [rate(done) for done in (0, 0.025, 0.05, 0.5, 0.75)] == pytest.approx([0, 0.5, 1, 1, 1])
    assert rate(0.875) == pytest.approx(0.5)
    assert rate(1) == pytest.approx(0)


def test_the_noise_fades_out_in_three_quarters_of_the_steps():
    assert [noise_share(done) for done in (0, 0.375, 0.75, 1)] == pytest.approx([0.05, 0.0125, 0, 0])


def test_a_search_stays_where_latents_lie_and_leaves_those_alone_that_are_there():
    draws = torch.randn(2000, 20)
    kept = space().region(draws)
    torch.testing.assert_close(kept(draws), draws)
    far = kept(torch.randn(50, 20) * 9)
    assert far.norm(dim=1).max() <= draws.norm(dim=1).max() * (1 + 1e-6)
    assert (far.abs() <= draws.abs().amax(0) + draws.abs().max()).all()
    near = kept(torch.randn(50, 20) / 9)
    assert near.norm(dim=1).min() >= draws.norm(dim=1).min() * (1 - 1e-6)


# Directions


def test_directions_are_the_right_singular_vectors_of_a_known_matrix_in_order():
    left, right = (torch.linalg.qr(torch.randn(n, n, dtype=torch.float64))[0] for n in (8, 5))
    gains = torch.tensor([1.0, 9.0, 2.0, 0.5, 4.0], dtype=torch.float64)
    matrix = left[:, :5] @ gains.diag() @ right.T
    directions, found = factorised(matrix)
    torch.testing.assert_close(found, gains.sort(descending=True).values)
    for direction, column in zip(directions, right.T[gains.argsort(descending=True)], strict=True):
        assert abs(float(direction @ column)) == pytest.approx(1)


def test_directions_are_orthonormal_and_their_gains_are_what_they_do():
    matrix = torch.randn(30, 12)
    directions, gains = factorised(matrix)
    torch.testing.assert_close(directions @ directions.T, torch.eye(12, dtype=torch.float64))
    torch.testing.assert_close((matrix.double() @ directions.T).norm(dim=0), gains)
    assert (gains.diff() <= 0).all()


def test_a_direction_and_its_opposite_are_one_whose_largest_coordinate_is_positive():
    matrix = torch.randn(30, 12)
    directions, _ = factorised(matrix)
    assert (directions.amax(1) == directions.abs().amax(1)).all()
    torch.testing.assert_close(factorised(-matrix)[0], directions)
    torch.testing.assert_close(factorised(matrix.flip(0))[0], directions)


def test_fewer_rows_than_coordinates_leave_directions_without_gain():
    directions, gains = factorised(torch.randn(3, 6))
    assert directions.shape == (6, 6)
    assert gains[3:].max() < 1e-6


@pytest.mark.parametrize(
    "before", [[], [PixelNorm()], [nn.Unflatten(1, (9, 1))]], ids=["plain", "normalised", "image"]
)
@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_the_first_matrix_is_that_of_the_layer_that_sees_the_latent(before: list[nn.Module], batch_size: int):
    shape = [nn.Flatten()]
    linear, other = nn.Linear(9, 13), nn.Linear(13, 4)
    G = nn.Sequential(*before, *shape, linear, nn.Tanh(), other)
    matrix = first_matrix(G, 9, None, batch_size)
    torch.testing.assert_close(matrix, linear.weight.detach().double(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "model", ["dcgan", "cgan", "sngan", "biggan", "r3gan", "infogan", "acgan", "transgan"]
)
def test_the_way_of_the_latent_into_a_published_generator_is_found(model: str):
    cfg = composed(f"model={model}", *SMALL)
    task = instantiate(cfg.task, _convert_="all")
    latent = cfg.model.G.latent
    matrix = first_matrix(
        task.G.eval(), latent, torch.zeros(1, dtype=torch.long) if task.conditional else None, 50
    )
    assert matrix.shape[1] == latent
    assert matrix.abs().amax() > 0
    if model == "dcgan":
        weight = task.G.layers[0].weight.detach().flatten(1).T.double()  # (A, Z)
        torch.testing.assert_close(matrix, weight, atol=1e-6, rtol=1e-4)


class Bent(nn.Module):
    """Its first layer sees the square of the latent."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, z: Tensor) -> Tensor:
        return self.linear(z**2 + z)


def test_a_generator_whose_first_layer_is_not_linear_in_the_latent_has_no_directions():
    with pytest.raises(ValueError, match="not linear in the latent"):
        first_matrix(Bent(), 6, None, 8)
    with pytest.raises(ValueError, match="No linear layer of this generator sees its latent"):
        first_matrix(nn.Sequential(nn.PReLU()), 6, None, 8)


def test_moving_along_a_direction_adds_it():
    point, direction = torch.randn(6), torch.randn(6)
    moved = space().near(point, direction, torch.tensor([-2.0, 0.0, 2.0]), None)
    torch.testing.assert_close(moved, torch.stack([point - 2 * direction, point, point + 2 * direction]))
