"""Sets that come with a name of their own: digits, synthetic, and torchvision's."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import hydra
import numpy as np
import pytest
import torch

from gantool.data.digits import digits
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.synthetic import synthetic
from gantool.data.torchvision_sets import cifar10, fashion_mnist, mnist


def compose(*overrides: str) -> Any:
    with hydra.initialize_config_module("gantool.conf", version_base="1.3"):
        return hydra.compose("data_check", overrides=list(overrides)).data


def everything(images: ImageSet) -> np.ndarray:
    return images[range(len(images))]["image"].numpy()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.fixture
def data() -> Path:
    if "GANTOOL_DATA" not in os.environ:
        pytest.skip("GANTOOL_DATA names no folder with mnist/, cifar10_small.zip and emoji/")
    return Path(os.environ["GANTOOL_DATA"])


@pytest.mark.parametrize("name", ["digits", "synthetic"])
def test_a_set_without_files_is_what_its_configuration_says(name: str):
    cfg = compose(f"data={name}")
    images = hydra.utils.instantiate(cfg.set)
    assert images.shape == (cfg.channels, cfg.resolution, cfg.resolution)
    assert images.classes == cfg.classes == len(set(images.labels.tolist()))
    assert not images.streamed


def test_digits_of_their_own_size_are_the_ink_of_scikit_learn():
    from sklearn.datasets import load_digits

    ink, labels = load_digits(return_X_y=True)
    images = digits(resolution=8)
    np.testing.assert_allclose(everything(images).reshape(-1, 64) / 255 * 16, ink, atol=0.04)
    assert images.labels is not None
    assert images.labels.tolist() == labels.tolist()


def test_enlarged_digits_keep_their_mean_ink():
    small, large = everything(digits(8)) / 255, everything(digits(32)) / 255
    np.testing.assert_allclose(large.mean((1, 2, 3)), small.mean((1, 2, 3)), atol=0.05)


def test_digits_come_in_any_shape():
    assert digits([12, 20], channels=3).shape == (3, 12, 20)
    images = everything(digits(10, channels=4))
    assert (images[:, 0] == images[:, 2]).all()
    assert (images[:, 3] == 255).all()


def test_synthetic_images_depend_on_nothing_but_the_seed():
    first, again, other = (everything(synthetic(count=20, seed=seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_the_nearest_mean_tells_synthetic_classes_apart():
    images = synthetic(resolution=16, channels=3, classes=10, count=200)
    pixels = torch.from_numpy(everything(images)).float().flatten(1)
    assert images.labels is not None
    means = torch.stack([pixels[images.labels == k].mean(0) for k in range(10)])
    guessed = torch.cdist(pixels, means).argmin(1)
    assert (guessed == images.labels).float().mean() > 0.95


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_synthetic_images_have_any_shape(channels: int):
    images = synthetic([5, 9], channels, classes=0, count=3)
    assert images[[0, 2]]["image"].shape == (2, channels, 5, 9)
    assert images.labels is None


def test_synthetic_sets_need_an_image_per_class():
    with pytest.raises(ValueError, match=r"data\.classes=9 and data\.count=4"):
        synthetic(classes=9, count=4)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("name", "folder", "file"),
    [
        ("mnist", "MNIST/raw", "train-images-idx3-ubyte"),
        ("fashion_mnist", "FashionMNIST/raw", "t10k-labels-idx1-ubyte"),
        ("cifar10", "cifar-10-batches-py", "batches.meta"),
    ],
)
def test_a_set_that_cannot_be_downloaded_says_which_folder_to_fill(
    name: str, folder: str, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    cfg = compose(f"data={name}")
    load = {"mnist": mnist, "fashion_mnist": fashion_mnist, "cifar10": cifar10}[name]
    with pytest.raises(ValueError, match="no network") as error:
        load(str(tmp_path), cfg.split, cfg.resolution, cfg.channels)
    message = str(error.value)
    assert str(tmp_path / folder) in message
    assert file in message
    assert "data=digits" in message
    assert "\n" not in message
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_downloads_go_to_the_users_cache(name: str):
    assert compose(f"data={name}").root == "~/.cache/gantool"


def test_an_unknown_split_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"data\.split=valid; use train or test"):
        mnist(str(tmp_path), "valid")


def write_idx(file: Path, values: np.ndarray) -> None:
    header = [8 * 256 + values.ndim, *values.shape]
    file.write_bytes(np.array(header, ">u4").tobytes() + values.tobytes())


def write_mnist(raw: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 28, 28), np.uint8)
    labels = random.integers(0, 10, count).astype(np.uint8)
    for split in ("train", "t10k"):
        write_idx(raw / f"{split}-images-idx3-ubyte", images)
        write_idx(raw / f"{split}-labels-idx1-ubyte", labels)
    return images, labels


@pytest.mark.usefixtures("offline")
def test_mnist_on_the_disk_is_read_bit_for_bit_and_needs_no_network(tmp_path: Path):
    pixels, labels = write_mnist(tmp_path / "MNIST" / "raw", 12)
    images = mnist(str(tmp_path))
    assert (everything(images)[:, 0] == pixels).all()
    assert images.labels is not None
    assert images.labels.tolist() == labels.tolist()
    assert images.names[7] == "7 - seven"
    assert mnist(str(tmp_path), "test", resolution=32, channels=3).shape == (3, 32, 32)


@pytest.mark.usefixtures("offline")
def test_of_a_published_set_training_never_sees_the_other_split(tmp_path: Path):
    write_mnist(tmp_path / "MNIST" / "raw", 12)
    for split, other in (("train", "test"), ("test", "train")):
        data = compose("data=mnist", f"data.root={tmp_path}", f"data.split={split}")
        unseen = hydra.utils.instantiate(data.held_out)
        assert (everything(unseen) == everything(mnist(str(tmp_path), other))).all()


SLOW_DOWNLOAD = """
import sys, time
from pathlib import Path
import numpy as np
from torchvision.datasets import MNIST
from gantool.data.torchvision_sets import mnist

def write(file, values):
    header = [8 * 256 + values.ndim, *values.shape]
    file.write_bytes(np.array(header, ">u4").tobytes() + values.tobytes())

def download(self):
    if self._check_exists():
        return
    raw = Path(self.raw_folder)
    raw.mkdir(parents=True, exist_ok=True)
    with (raw / "log").open("a") as log:
        log.write("begins ")
    for split in ("train", "t10k"):
        write(raw / f"{split}-images-idx3-ubyte", np.zeros((5, 28, 28), np.uint8))
        time.sleep(0.2)
        write(raw / f"{split}-labels-idx1-ubyte", np.arange(5, dtype=np.uint8))
    with (raw / "log").open("a") as log:
        log.write("ends ")

MNIST.download = download
(Path(sys.argv[1]) / sys.argv[2]).touch()  # both are ready before either begins
while len(list(Path(sys.argv[1]).glob("process*"))) < 2:
    time.sleep(0.01)
print(len(mnist(sys.argv[1])))
"""


def test_of_two_processes_one_downloads_and_the_other_waits(tmp_path: Path):
    commands = [[sys.executable, "-c", SLOW_DOWNLOAD, str(tmp_path), f"process{k}"] for k in (0, 1)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    assert [process.communicate()[0] for process in processes] == ["5\n", "5\n"]
    assert (tmp_path / "MNIST/raw/log").read_text() == "begins ends "


@pytest.mark.usefixtures("offline")
def test_truncated_mnist_is_named(tmp_path: Path):
    raw = tmp_path / "MNIST" / "raw"
    write_mnist(raw, 12)
    file = raw / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(ValueError, match="no complete MNIST") as error:
        mnist(str(tmp_path))
    assert str(raw) in str(error.value)


@pytest.mark.usefixtures("offline")
def test_cifar_on_the_disk_is_read_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), np.uint8)
    batch = {"data": pixels.reshape(6, -1), "labels": [5, 4, 3, 2, 1, 0]}
    (folder / "batch").write_bytes(pickle.dumps(batch))
    (folder / "meta").write_bytes(pickle.dumps({"label_names": [f"class {k}" for k in range(10)]}))
    monkeypatch.setattr(CIFAR10, "train_list", [["batch", None]])
    monkeypatch.setattr(CIFAR10, "test_list", [["batch", None]])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "meta", "key": "label_names", "md5": None})

    images = cifar10(str(tmp_path))
    assert (everything(images) == pixels).all()
    assert images[[0, 5]]["label"].tolist() == [5, 0]
    assert images.names[3] == "class 3"


def test_real_mnist_has_60000_digits_of_28_pixels(data: Path):
    cfg = compose("data=mnist", f"data.root={data / 'mnist'}")
    images = hydra.utils.instantiate(cfg.set)
    assert isinstance(images, InMemory)
    assert images.shape == (1, 28, 28)
    assert len(images) == 60_000
    assert images.classes == 10
    assert len(mnist(str(data / "mnist"), "test")) == 10_000
