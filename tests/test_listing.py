"""`gantool list`: what conf/ offers, from the comments at the head of its files."""

from pathlib import Path

import pytest
from command import Gantool, gantool_here  # noqa: F401, the fixtures

from gantool import catalogue, listing


def test_without_a_group_all_groups_are_counted(gantool: Gantool) -> None:
    lines = {line.split()[0]: line.split()[1:] for line in gantool("list").out.splitlines()[1:]}
    groups = catalogue.groups()
    assert set(lines) >= set(groups)
    assert all(lines[group][0] == str(len(options)) for group, options in groups.items())
    assert "hydra" not in lines


@pytest.mark.parametrize("word", ["model", "models"])
def test_models_are_listed_with_their_papers(gantool: Gantool, word: str) -> None:
    result = gantool("list", word)
    assert result.code == 0
    assert all(f"\n{name} " in result.out for name in catalogue.groups()["model"])
    assert "Radford, Metz & Chintala (2016), arXiv:1511.06434" in result.out
    assert "Strided convolutions" in result.out


@pytest.mark.parametrize("group", catalogue.groups())
def test_every_option_has_a_line(gantool: Gantool, group: str) -> None:
    for name, file in catalogue.groups()[group].items():
        assert listing.describe(name, catalogue.header(file)).summary, f"{file} begins with no comment"
    assert gantool("list", group).code == 0


def test_singular_and_plural_name_the_same_group() -> None:
    groups = ["data", "loss", "metrics", "model"]
    named = {"losses": "loss", "loss": "loss", "metric": "metrics", "metrics": "metrics", "data": "data"}
    assert {word: listing.resolve(word, groups) for word in named} == named


def test_a_users_own_yaml_stands_beside_ours_and_replaces_one_of_the_same_name(gantool: Gantool) -> None:
    Path("mine/model").mkdir(parents=True)
    Path("mine/kernel").mkdir()
    Path("mine/model/tiny.yaml").write_text(
        "# Tiny: Somebody (2026), arXiv:2601.00001\n# Three layers. Fast.\n"
    )
    Path("mine/model/dcgan.yaml").write_text("# A DCGAN of my own.\n")
    Path("mine/kernel/gaussian.yaml").write_text("width: 1\n")
    models = gantool("list", "models", "--config-dir", "mine").out
    assert "Somebody (2026), arXiv:2601.00001" in models
    assert "Three layers" in models
    assert "Fast" not in models
    assert "A DCGAN of my own" in models
    assert "Radford" not in models.partition("\ndcgan")[2].partition("\n")[0]
    assert "kernel" in gantool("list", "--config-dir=mine").out


@pytest.mark.parametrize(
    ("header", "paper", "summary"),
    [
        (
            ["DCGAN: Radford et al. (2016), arXiv:1.2.", "Strided. Best."],
            "Radford et al. (2016), arXiv:1.2",
            "Strided",
        ),
        (["Folder: your own images", "Zips too."], "", "Folder: your own images"),
        (["A sentence of", "two lines."], "", "A sentence of"),
        ([], "", ""),
    ],
)
def test_a_header_is_read_as_paper_and_summary(header: list[str], paper: str, summary: str) -> None:
    assert listing.describe("name", header) == ("name", paper, summary)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("modls", "No group modls. Nearest: model. All: "),
        ("--foo", "unrecognized arguments: --foo. Usage: gantool list"),
        ("--config-dir nowhere", "There is no folder nowhere, the value of --config-dir."),
    ],
)
def test_a_wrong_list_is_told_in_one_line(gantool: Gantool, command: str, sentence: str) -> None:
    result = gantool("list", *command.split())
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert sentence in result.err


def test_keys_are_read_with_their_values_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text(
        "# @package _global_\n# A title\n\n# A description\ndefaults:\n"
        "  - data: digits # why\n  - optional experiment: null\n"
        "  - _self_\n  - override hydra/job_logging: none\n\na: 1 # one # of two\nb:\n  c: [1, 2]\n"
        "  d: {e: 1} # inline\n  # no key: here\nf: ??? # needed\nhydra:\n  job: {name: train}\n"
    )
    assert list(catalogue.keys(file)) == [
        ("a", "1", "one # of two"),
        ("b", "", ""),
        ("b.c", "[1, 2]", ""),
        ("b.d", "{e: 1}", "inline"),
        ("f", "???", "needed"),
    ]
    assert catalogue.defaults(file) == {"data": "digits", "experiment": "null"}
    assert catalogue.header(file) == ["A title", "A description"]
