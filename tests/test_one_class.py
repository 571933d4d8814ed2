"""data=one_class: what is normal, what is held out, and what a model is judged by."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401  # the fixture that tests ask for as `gantool`
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image
from small import composed

from gantool.data.digits import digits
from gantool.data.image_set import InMemory
from gantool.data.one_class import Chosen, one_class

DIGITS = digits()


def parts(*overrides: str) -> tuple[Any, Any, Any]:
    """What training sees, what it never sees of the same kind, and what a model is judged by."""
    cfg = composed("data=one_class", *overrides)
    data = OmegaConf.to_container(cfg, resolve=True)["data"]  # pyright: ignore
    return tuple(instantiate(data[key]) for key in ("set", "held_out", "test"))  # pyright: ignore


def as_rows(images: Any) -> set[bytes]:
    return {row.tobytes() for row in images[range(len(images))]["image"].numpy()}


def of_class(*classes: int) -> set[bytes]:
    assert DIGITS.labels is not None
    chosen = np.isin(DIGITS.labels.numpy(), classes)
    return {row.tobytes() for row in DIGITS.images[chosen]}


def test_training_sees_one_class_alone_and_no_labels():
    training, held_out, _ = parts("data.normal=3")
    assert training.labels is None
    assert training.classes == 0
    assert isinstance(training, InMemory)  # so that it can lie on a device
    assert as_rows(training) | as_rows(held_out) == of_class(3)
    assert not as_rows(training) & as_rows(held_out)
    assert len(training) + len(held_out) == 183
    assert len(held_out) == 183 // 5


def test_all_but_one_class_may_be_normal():
    training, held_out, test = parts("data.abnormal=3")
    assert as_rows(training) | as_rows(held_out) == of_class(0, 1, 2, 4, 5, 6, 7, 8, 9)
    assert as_rows(test) == as_rows(held_out) | of_class(3)


@pytest.mark.parametrize("normal", ["[1,7]", "['1','7']"])
def test_several_classes_may_be_normal(normal: str):
    training, held_out, _ = parts(f"data.normal={normal}")
    assert as_rows(training) | as_rows(held_out) == of_class(1, 7)


def test_the_test_set_tells_unseen_normal_images_from_all_abnormal_ones():
    training, held_out, test = parts("data.normal=3", "data.hold_out=20")
    assert len(held_out) == 20
    assert test.names == ("normal", "abnormal")
    whole = test[range(len(test))]
    assert torch.equal(whole["label"], test.labels)
    normal = {row.tobytes() for row in whole["image"][whole["label"] == 0].numpy()}
    abnormal = {row.tobytes() for row in whole["image"][whole["label"] == 1].numpy()}
    assert normal == as_rows(held_out)
    assert abnormal == of_class(0, 1, 2, 4, 5, 6, 7, 8, 9)
    assert not as_rows(test) & as_rows(training)


def test_what_is_held_out_is_always_the_same():
    first, second = (one_class("digits", normal=3, show="held_out") for _ in range(2))
    assert torch.equal(first[range(len(first))]["image"], second[range(len(second))]["image"])


def test_a_folder_with_a_folder_for_each_class_will_do(tmp_path: Path):
    for kind, grey in (("good", 40), ("scratch", 200)):
        (tmp_path / kind).mkdir()
        for number in range(10):
            Image.new("L", (20 + number, 16), grey + number).save(tmp_path / kind / f"{number}.png")
    given = ["data.of=folder", f"data.path={tmp_path}", "data.normal=good", "data.resolution=16"]
    training, held_out, test = parts(*given, "data.fit=stretch")
    assert (len(training), len(held_out), len(test)) == (8, 2, 12)
    assert training.shape == (1, 16, 16)
    assert training[range(8)]["image"].max() < 60
    assert test.labels.sum() == 10


def test_a_set_that_is_read_from_files_stays_so(tmp_path: Path):
    for kind in ("a", "b"):
        (tmp_path / kind).mkdir()
        for number in range(6):
            Image.new("L", (8, 8), number + 100 * (kind == "b")).save(tmp_path / kind / f"{number}.png")
    described = {"path": str(tmp_path), "in_memory": False}  # a key that only Python may give
    streamed = one_class("folder", described, normal="b")
    assert isinstance(streamed, Chosen)
    assert streamed.streamed
    assert streamed[[0, 1]].keys() == {"image"}
    held = one_class("folder", {"path": str(tmp_path)}, normal="b")
    assert torch.equal(streamed[range(5)]["image"], held[range(5)]["image"])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["data.of=mnistt", "data.normal=3"], "data.of=mnistt: there is no such data set. Nearest: mnist"),
        (["data.of=ring", "data.normal=3"], "data.of=ring holds no classes"),
        ([], "data.normal=None data.abnormal=None: give one of them"),
        (["data.normal=3", "data.abnormal=4"], "data.normal=3 data.abnormal=4: give one of them"),
        (["data.normal=10"], "data.normal=10: the classes are 0 to 9"),
        (["data.normal=[]"], r"data.normal=\[\]: name some of the 10 classes"),
        (["data.normal=[0,1,2,3,4,5,6,7,8,9]"], "and not all"),
        (
            ["data.normal=3", "data.path=x"],
            "data.path=x: data.of=digits has no path; of such keys it takes resolution",
        ),
        (["data.normal=3", "data.fit=pad"], "data.fit=pad: data.of=digits has no fit"),
        (["data.normal=3", "data.hold_out=500"], "data.hold_out=500: of 183 images, give 0 to 182"),
        (["data.of=folder", "data.normal=a"], "data=folder needs images"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_in_one_line(given: list[str], says: str, gantool: Gantool):  # noqa: F811
    answer = gantool("train", "model=ganomaly", "data=one_class", *given)
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert re.search(says, answer.err), answer.err


def test_the_data_can_be_checked_as_any_other(gantool: Gantool):  # noqa: F811
    answer = gantool("data", "check", "data=one_class", "data.normal=3")
    assert answer.code == 0
    assert "147" in answer.out
