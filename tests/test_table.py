"""Tables of numbers: read, learnt from, drawn, measured, and made again without the table."""

import csv
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401
from omegaconf import OmegaConf
from small import composed
from torch import Tensor

from gantool import clouds, scatter
from gantool.data.table import table
from gantool.metrics.table_fidelity import TableFidelity, correlation, earth, kolmogorov
from gantool.points import Units

TINY = (
    "experiment=table",
    "data.width=4",
    "images=64",
    "batch_size=8",
    "generator_batch_size=8",
    "samples=4",
    "logger=none",
    "trainer.accelerator=cpu",
    "evaluate_every=32",
)


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.fixture(name="path")
def a_table(tmp_path: Path) -> str:
    """50 rows: b is 3 a + 100, c is noise of a thousandth."""
    random = np.random.default_rng(0)
    a, c = random.normal(5, 2, 50), random.normal(0, 0.001, 50)
    rows = [f"{x!r},{3 * x + 100!r},{y!r}" for x, y in zip(a.tolist(), c.tolist(), strict=True)]
    return written(tmp_path / "table.csv", "\n".join(["a,b,a small one", *rows]) + "\n")


def values_of(path: str) -> Tensor:
    with Path(path).open() as file:
        return torch.tensor([[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]).double()


def everything(images: Any) -> Tensor:
    return images[range(len(images))]["image"]


def test_every_column_has_mean_0_and_deviation_1_and_the_facts_bring_its_values_back(path: str):
    images = table(path)
    made = everything(images)
    assert (images.shape, made.shape, made.dtype) == ((3, 1, 1), (50, 3, 1, 1), torch.float32)
    torch.testing.assert_close(made.flatten(1).mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(made.flatten(1).std(0, correction=0), torch.ones(3), atol=1e-5, rtol=0)
    units = Units.of(OmegaConf.create({"data": images.facts}))
    assert units.columns == ("a", "b", "a small one")
    torch.testing.assert_close(units(made), values_of(path), atol=1e-5, rtol=1e-5)


def test_points_of_the_plane_are_rows_of_x_and_y_times_their_scale():
    units = Units.of(OmegaConf.create({"data": {"scale": 4.5}}))
    assert units.columns == ("x", "y")
    assert units(torch.tensor([[1.0, -2.0]])[:, :, None, None]).tolist() == [[4.5, -9.0]]


def test_chosen_columns_come_in_the_order_in_which_they_are_chosen(path: str):
    some, whole = table(path, ["b", "a"]), table(path)
    assert some.columns == ("b", "a")
    assert torch.equal(everything(some), everything(whole)[:, [1, 0]])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_cells_are_told_apart_whatever_is_between_them(separator: str, tmp_path: Path):
    file = written(tmp_path / "t.csv", "\ufeffa,b\n1,2\n\n3,5\n".replace(",", separator))
    assert table(file).columns == ("a", "b")
    assert table(file, separator=separator).mean.tolist() == [2.0, 3.5]


def test_held_out_rows_are_in_units_of_the_others(path: str):
    seen, unseen = (table(path, hold_out=20, held_out=side) for side in (False, True))
    assert (len(seen), len(unseen)) == (30, 20)
    assert np.array_equal(seen.mean, unseen.mean)
    units = Units.of(OmegaConf.create({"data": seen.facts}))
    both = torch.cat([units(everything(it)) for it in (seen, unseen)])
    torch.testing.assert_close(both.sort(0).values, values_of(path).sort(0).values, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,kind\n1,2\n2,cat\n", r"column kind holds text, cat in row 3; .*'data\.columns=\[a\]'"),
        ("a,b\n1,2\n2,\n", r"column b has nothing instead of a number in row 3; fill it in.*\[a\]"),
        ("a,b\n1,NaN\n2,4\n", r"column b has NaN instead of a number in row 2"),
        ("a,b\n1,inf\n2,4\n", r"column b has inf instead of a number in row 2"),
        ("a,b\n1,2\n2,2\n", r"column b has the same value in every row.*\[a\]"),
        ("a,b\n1,2\n2,3,4\n", r"row 3 has 3 cells, but there are 2 columns"),
        ("1,2\n3,4\n", r"its first row holds numbers \(1, 2 …\)"),
        ("a,a\n1,2\n3,4\n", r"two columns named a"),
        ("a,b\n1,2\n", r"has 1 rows"),
        ("", r"is empty"),
        ("\n\na,b\n1,2\n", r"its first row is blank; begin with the columns' names"),
        ("a,b\n" + "1,0.1\n2,0.1\n3,0.1\n" * 9, r"column b has the same value in every row"),
        ("a,b\n1,1e305\n2,-1e305\n", r"the numbers of column b are too large to be squared.*\[a\]"),
        ("a,b\n1,1_5\n2,3\n", r"column b holds text, 1_5 in row 2"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused_in_one_line_that_says_where(
    text: str, message: str, tmp_path: Path
):
    with pytest.raises(ValueError, match=message) as error:
        table(written(tmp_path / "t.csv", text))
    assert "\n" not in str(error.value)


def test_a_column_may_be_named_alone_and_two_rows_must_stay(path: str):
    assert table(path, "a").columns == ("a",)
    with pytest.raises(ValueError, match="data.hold_out=49 leaves 1 of 50 rows to learn from"):
        table(path, hold_out=49)


def test_what_is_written_tells_apart_what_deviates_from_a_large_mean():
    facts = {"columns": ["time", "share", "id"], "mean": [1.7e9, 0.5, 1e15], "deviation": [3600, 0.01, 25.0]}
    units = Units.of(OmegaConf.create({"data": facts}))
    points = torch.tensor([[1.5, -1.25, 0.1], [1.5000001, 2.0, -0.2]])[:, :, None, None]
    values = units(points)
    rows = [units.written(row) for row in values.tolist()]
    back = torch.tensor([[float(cell) for cell in row] for row in rows], dtype=torch.float64)
    steps = torch.tensor([3600, 0.01, 25.0], dtype=torch.float64) / 1e6
    assert ((back - values).abs() <= steps).all()
    assert rows[0] == ["1700005400.000", "0.48750000", "1000000000000002.50000"]


def test_columns_that_are_not_there_or_named_twice_are_refused(path: str):
    with pytest.raises(ValueError, match=r"has no column weihgt\. .*a small one"):
        table(path, ["a", "weihgt"])
    with pytest.raises(ValueError, match="name each column once"):
        table(path, ["a", "a"])
    with pytest.raises(ValueError, match=r"separator=abc"):
        table(path, separator="abc")
    with pytest.raises(ValueError, match=r"give data\.path=FILE\.csv"):
        table(None)


def test_a_text_column_that_is_not_chosen_does_no_harm(tmp_path: Path):
    assert len(table(written(tmp_path / "t.csv", "a,kind\n1,cat\n2,dog\n"), ["a"])) == 2


def test_g_of_a_table_is_not_bounded(path: str):
    cfg = composed(*TINY, f"data.path={path}", "data.channels=3")
    G = hydra.utils.instantiate(cfg.task, _convert_="all").G.eval()
    assert G(1e4 * torch.randn(64, 128)).abs().max() > 10


def test_a_table_is_learnt_and_sampled_without_it(gantool: Gantool, path: str, tmp_path: Path):  # noqa: F811
    run = tmp_path / "run"
    assert gantool("train", *TINY, f"data.path={path}", f"hydra.run.dir={run}").code == 0
    assert (run / "samples" / "real.png").exists()
    assert "metric/table_ks" in (run / "metrics.csv").read_text().splitlines()[0]
    exported = gantool("export", f"run={run}", f"out={tmp_path / 'g.safetensors'}")
    assert exported.code == 0, exported.err

    Path(path).unlink()
    rows: list[list[list[str]]] = []
    for place, name in ((run, "one"), (tmp_path / "g.safetensors", "other")):
        out = tmp_path / f"{name}.csv"
        answer = gantool("sample", f"run={place}", "count=20", f"out={out}", "device=cpu")
        assert (answer.code, "20 rows of" in answer.out) == (0, True), answer.err
        with out.open() as file:
            rows.append(list(csv.reader(file)))
    assert rows[0] == rows[1]
    assert rows[0][0] == ["a", "b", "a small one"]
    assert len(rows[0]) == 21
    made = torch.tensor([[float(cell) for cell in row] for row in rows[0][1:]])
    assert (made[:, 1] > 50).all()  # b lies around 115, in its own units

    refused = gantool("sample", f"run={run}", "count=20", "device=cpu")
    assert refused.code == 2
    assert "grid=false" in refused.err
    assert gantool("sample", f"run={run}", "count=5", "grid=false", "device=cpu", f"out={tmp_path}").code == 0
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 6


def test_points_of_the_plane_may_be_one_file_too(gantool: Gantool, tmp_path: Path):  # noqa: F811
    tiny = ["model=mlp", "data=ring", "data.count=50", *TINY[1:], f"hydra.run.dir={tmp_path / 'run'}"]
    assert gantool("train", *tiny).code == 0
    out = tmp_path / "points.csv"
    assert gantool("sample", f"run={tmp_path / 'run'}", "count=7", f"out={out}", "device=cpu").code == 0
    assert out.read_text().splitlines()[0] == "x,y"
    assert len(out.read_text().splitlines()) == 8


# Pictures.


def test_a_picture_of_a_table_has_a_panel_for_each_pair_of_the_first_columns():
    real = torch.randn(200, 7, 1, 1)
    three, many = (scatter.matrix(None, real[:, :count], [f"c{i}" for i in range(count)]) for count in (3, 7))
    step = scatter.PANEL + scatter.GAP
    assert many.shape[0] - three.shape[0] == (scatter.COLUMNS - 3) * step
    assert three.dtype == np.uint8


def test_fakes_like_the_reals_cover_them_and_others_do_not():
    real = torch.randn(500, 2, 1, 1, generator=torch.Generator().manual_seed(0))
    blue, orange = (colour.astype(int) for colour in (clouds.REAL, clouds.FAKE))

    def near(picture: np.ndarray, colour: np.ndarray) -> int:
        panel = picture[: scatter.PANEL, -scatter.PANEL - scatter.GAP :].astype(int)  # column 1 against 0
        return int((np.abs(panel - colour).sum(2) < 90).sum())

    alike, apart = (scatter.matrix(real + shift, real, ["a", "b"]) for shift in (0.0, 1.5))
    assert near(apart, blue) > 2 * near(alike, blue)
    assert near(alike, orange) > 0


def test_a_column_that_goes_up_with_another_is_drawn_from_the_lower_left_to_the_upper_right():
    line = torch.linspace(-2, 2, 400)
    picture = scatter.matrix(None, torch.stack([line, line], 1)[:, :, None, None], ["a", "b"])
    panel = picture[1 : scatter.PANEL - 1, -scatter.PANEL - scatter.GAP + 1 : -scatter.GAP - 1].astype(int)
    rows, columns = (np.abs(panel - clouds.REAL).sum(2) < 200).nonzero()
    assert np.corrcoef(rows, columns)[0, 1] < -0.99


# Numbers.


def test_distributions_that_do_not_overlap_are_1_apart_and_a_shift_moves_the_earth_by_itself():
    rows = torch.rand(300, 2).double()
    assert kolmogorov(rows, rows).tolist() == [0, 0]
    assert kolmogorov(rows, rows + 5).tolist() == [1, 1]
    torch.testing.assert_close(earth(rows, rows + 5), torch.full((2,), 5.0).double())
    assert earth(rows, rows.flip(0)).tolist() == [0, 0]


def test_distances_of_a_few_numbers_are_those_by_hand():
    some, others = torch.tensor([[0.0], [1.0]]).double(), torch.tensor([[0.0], [0.0], [3.0]]).double()
    torch.testing.assert_close(kolmogorov(some, others), torch.tensor([1 / 3]).double())
    # |F - G| is 1/6 on [0, 1) and 1/3 on [1, 3)
    torch.testing.assert_close(earth(some, others), torch.tensor([1 / 6 + 2 / 3]).double())


def test_correlations_of_opposite_columns_differ_by_2_and_a_constant_goes_with_nothing():
    x = torch.linspace(0, 1, 50).double()
    up, down, flat = (torch.stack([x, y], 1) for y in (x, -x, torch.ones_like(x)))
    assert correlation(up, down) == pytest.approx(2)
    assert correlation(up, flat) == pytest.approx(1)
    assert correlation(flat, flat) == 0


def test_the_other_half_of_the_reals_scores_what_stands_beside_the_numbers(path: str):
    metric, images = TableFidelity(), table(path)
    asked = metric.prepare(OmegaConf.create(images.facts), images, torch.device("cpu"), print)
    assert asked == 25
    found = metric.judge({"fake": metric.other})
    for name, value in found.values.items():
        assert found.record[f"real_{name}"] == value > 0
    assert set(found.record["columns"]) == {"a", "b", "a small one"}
    assert metric.prepare(OmegaConf.create({}), images, torch.device("cpu"), print, 7) == 7


def test_rows_that_are_not_finite_have_no_number(path: str):
    metric, images = TableFidelity(), table(path)
    metric.prepare(OmegaConf.create(images.facts), images, torch.device("cpu"), print)
    assert metric.judge({"fake": torch.full((5, 3), torch.nan).double()}).values == {}


def test_images_have_no_columns_to_measure():
    data = OmegaConf.create({"resolution": 16, "channels": 3})
    task = hydra.utils.instantiate(composed("model=dcgan", "data=synthetic").task, _convert_="all")
    with pytest.raises(ValueError, match="metrics=table_fidelity measures models of data=table"):
        TableFidelity().check(task, data)
    with pytest.raises(ValueError, match="count=1"):
        TableFidelity(count=1)
