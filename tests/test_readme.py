"""Every command of the README works, shortened."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from command import Gantool, gantool_here  # noqa: F401
from PIL import Image

from gantool.animation import animate

README = (Path(__file__).parent.parent / "README.md").read_text()
SHORT = ["images=32", "batch_size=8", "generator_batch_size=8", "samples=4", "trainer.accelerator=cpu"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[list[str]]:
    """The words of each `gantool …` line."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("gantool ")]


def images(folder: Path) -> Path:
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8)).save(folder / f"{i}.png")
    return folder


def video(path: Path) -> Path:
    """Eight frames of 32 by 32 pixels."""
    random = np.random.default_rng(0)
    animate(random.integers(0, 256, (8, 32, 32, 3), np.uint8), path, fps=8)
    return path


def test_every_command_works(gantool: Gantool, tmp_path: Path):  # noqa: F811
    assert len(commands()) > 10
    folder = images(tmp_path / "images")
    run = tmp_path / "conditional"
    assert gantool("train", "model=cgan", *SHORT, f"hydra.run.dir={run}").code == 0
    width = ["model.G.width=4"]
    other = tmp_path / "other"
    assert gantool("train", "model=dcgan", *SHORT, *width, f"hydra.run.dir={other}").code == 0
    translator = tmp_path / "translator"
    pairs = ["data=synthetic_pairs", "data.width=4"]
    assert gantool("train", "model=pix2pix", *pairs, *SHORT, f"hydra.run.dir={translator}").code == 0
    places = {
        **{f"data.{key}=DIR": f"data.{key}={folder}" for key in ("source", "target", "a", "b")},
        "data.path=DIR": f"data.path={folder}",
        "data.hold_out=50": "data.hold_out=2",  # of so few images
        "image=photo.png": f"image={folder / '0.png'}",
        "input=DIR": f"input={folder}",
        "input=photo.png": f"input={folder / '0.png'}",
        "input=clip.mp4": f"input={video(tmp_path / 'clip.mp4')}",
        "data.a=a.mp4": f"data.a={tmp_path / 'clip.mp4'}",
        "data.b=b.mp4": f"data.b={tmp_path / 'clip.mp4'}",
        "run=RUN": f"run={run}",
        "init_from=RUN": f"init_from={other}",
    }

    for number, command in enumerate(commands()):
        words = [places.get(word, word) for word in command[1:]]
        if words[0] == "explore":  # serves a page until it is told to stop
            continue
        if {"data=mnist", "data.of=mnist"} & set(words):
            if "GANTOOL_DATA" not in os.environ:
                continue
            words.append(f"data.root={os.environ['GANTOOL_DATA']}/mnist")
        if "hydra/sweeper=optuna" in words:
            words = [word for word in words if "n_trials" not in word]
            words += ["hydra.sweeper.n_trials=2", "log_every=1"]
        if words[0] == "train" and not {"--help", "--cfg"} & set(words):
            resumes = any(word.startswith("resume=") for word in words)
            words = [word for word in words if not word.startswith("images=")]
            words += ["images=64"] if resumes else [*SHORT, *width]
        if "data.path=FILE.csv" in words:
            rows = np.random.default_rng(0).normal(size=(40, 3))
            np.savetxt(tmp_path / "table.csv", rows, delimiter=",", header="a,b,c", comments="")
            words = [word.replace("FILE.csv", str(tmp_path / "table.csv")) for word in words]
        if "experiment=few_shot_ada" in words:
            words += ["data.hold_out=2", "metrics.memorisation.count=8"]
        if "data.captions=FILE.csv" in words:
            rows = [f"{i}.png,a picture of {i}" for i in range(12)]
            (tmp_path / "captions.csv").write_text("\n".join(["image,caption", *rows]))
            words = [word.replace("FILE.csv", str(tmp_path / "captions.csv")) for word in words]
        if "model=f_anogan" in words:
            words.append("pretrain=16")
        if words[0] == "detect":
            words = [word.replace(f"run={run}", f"run={other}") for word in words]
            words += ["steps=2", "count=4", "reference=100"]
        if words[0] == "translate" and "run=latest" not in words:
            words = [word for word in words if not word.startswith(("run=", "out="))]
            words += [f"run={translator}", f"out={tmp_path / f'translated-{number}'}"]
        if words[0] == "evaluate":
            learnt = [f"metrics.{name}.features.learn=200" for name in ("fd_classifier", "precision_recall")]
            words += ["count=20", *(learnt if "fd_classifier" in command[3] else [])]
        if words[0] == "project":
            words.append("steps=3")
        answer = gantool(*words)
        assert answer.code == 0, (words, answer.err)


def test_a_class_of_ones_own_is_trained_as_the_readme_says(gantool: Gantool, tmp_path: Path):  # noqa: F811
    [yaml] = blocks("yaml")
    path = tmp_path / yaml.splitlines()[0].removeprefix("# ")
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(yaml.splitlines()[1:]))
    (tmp_path / "my_networks.py").write_text(
        "from torch import nn\n"
        "class SmallDiscriminator(nn.Sequential):\n"
        "    def __init__(self, width, channels, resolution, norm, minibatch):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(channels * resolution**2, 1), nn.Flatten(0))\n"
    )
    answer = gantool("train", "--config-dir", "mine", "model=small", *SHORT, "hydra.run.dir=run")
    assert answer.code == 0, answer.err

    refused = gantool("sample", "run=run", "count=2", "device=cpu")
    assert refused.code == 2
    assert "my_networks.SmallDiscriminator" in refused.err
    assert "trust=true" in refused.err
    assert gantool("sample", "run=run", "count=2", "device=cpu", "trust=true").code == 0


def test_the_set_up_commands_are_on_the_first_screen():
    first = "\n".join(README.splitlines()[:32])
    for line in ("pip install . && gantool train", "pip install -e '.[dev]' && pytest"):
        assert line in first
    assert "gantool train model=dcgan data=mnist" in first


def test_the_table_of_families_is_complete():
    families = README.partition("## Families")[2].partition("###")[0]
    listed = re.findall(r"^\| `(\w+)` \| \[", families, re.MULTILINE)
    files = {path.stem for path in (Path(__file__).parent.parent / "conf" / "model").glob("*.yaml")}
    assert set(listed) == files


def test_files_that_the_readme_names_exist():
    for name in re.findall(r"\]\(([^)h][^)]*)\)", README):
        assert (Path(__file__).parent.parent / name).exists(), name


CONF = Path(__file__).parent.parent / "conf"
NAMED = [
    path
    for group in ("loss", "trick", "augment", "data", "metrics")
    for path in (CONF / group).glob("*.yaml")
]


@pytest.mark.parametrize("path", sorted(NAMED), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_loss_trick_augmentation_data_set_and_metric_is_named(path: Path):
    assert f"`{path.stem}`" in README
