"""The published sets of image-to-image translation."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from image_files import _clean_slate, composed, everything, fill, noise, of_file, refused, root_here, save  # noqa: F401  # fixtures
from PIL import Image

from gantool.data.named_translation import cyclegan, pix2pix

PAIRS = ("facades", "maps", "cityscapes", "edges2shoes", "edges2handbags", "night2day")
PILES = (
    "horse2zebra",
    "apple2orange",
    "summer2winter_yosemite",
    "monet2photo",
    "cezanne2photo",
    "ukiyoe2photo",
    "vangogh2photo",
)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", [*PAIRS, *PILES])
def test_a_set_that_cannot_be_downloaded_says_which_folder_to_fill(name: str, tmp_path: Path):
    cfg = composed(f"data={name}", f"data.root={tmp_path}").data
    with pytest.raises(InstantiationException, match="no network") as error:
        instantiate(cfg.set)
    message = str(error.value.__cause__)
    family, suffix = ("pix2pix", "tar.gz") if name in PAIRS else ("cyclegan", "zip")
    assert str(tmp_path / family / name / "train") in message
    assert f"/{family}/datasets/{name}.{suffix}" in message
    assert "data=synthetic_" in message
    assert "\n" not in message


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", PAIRS)
def test_a_set_of_pairs_that_is_there_is_read_and_needs_no_network(name: str, tmp_path: Path):
    cfg = composed(f"data={name}", f"data.root={tmp_path}", "data.resolution=8", "data.jitter=0").data
    folder = tmp_path / "pix2pix" / name
    fill(folder / "train", "1.jpg", "2.jpg", "3.jpg", size=(8, 16))
    fill(folder / cfg.test, "1.jpg", size=(8, 16))
    images = instantiate(cfg.set)
    assert (len(images), images.shape, images.source_shape) == (3, (3, 8, 8), (3, 8, 8))
    left, right = ("source", "target") if cfg.direction == "ab" else ("target", "source")
    sheet = of_file(folder / "train" / "2.jpg")
    assert (everything(images, left)[1] == sheet[:, :8]).all()
    assert (everything(images, right)[1] == sheet[:, 8:]).all()
    assert len(instantiate(cfg.held_out)) == 1


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", PILES)
def test_two_piles_that_are_there_are_read_and_need_no_network(name: str, tmp_path: Path):
    folder = tmp_path / "cyclegan" / name
    fill(folder / "trainA", "1.jpg", "2.jpg", channels=1)  # a grey photograph among others
    fill(folder / "trainB", "1.jpg", "2.jpg", "3.jpg")
    fill(folder / "testA", "1.jpg")
    fill(folder / "testB", "1.jpg")
    cfg = composed(f"data={name}", f"data.root={tmp_path}", "data.resolution=8").data
    images = instantiate(cfg.set)
    assert (len(images), images.shape, images.source_shape) == (3, (3, 8, 8), (3, 8, 8))
    assert images.a.ways > 1
    assert len(instantiate(cfg.held_out)) == 1


def tar_of(entries: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("facades/train/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return content.getvalue()


def zip_of(entries: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return content.getvalue()


def png(height: int = 8, width: int = 16) -> bytes:
    file = io.BytesIO()
    Image.fromarray(noise(height, width)).save(file, "PNG")
    return file.getvalue()


class Answer(io.BytesIO):
    """What a server sends, and how much it says it will."""

    def __init__(self, content: bytes, size: int | None = None):
        super().__init__(content)
        self.headers = {"Content-Length": str(len(content) if size is None else size)}


def serve(monkeypatch: pytest.MonkeyPatch, content: bytes, size: int | None = None) -> list[str]:
    """Let every URL be this content; answers the list of those that are asked for."""
    asked: list[str] = []

    def answer(url: str, timeout: float) -> Answer:
        asked.append(url)
        return Answer(content, size)

    monkeypatch.setattr("urllib.request.urlopen", answer)
    return asked


def test_an_archive_is_downloaded_once_and_leaves_nothing_but_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    entries = {f"facades/{name}.png": png() for name in ("train/1", "train/2", "val/1", "test/1")}
    others = {"facades/README.txt": b"text", "facades/train/._1.png": b"hidden", "1.png": png()}
    asked = serve(monkeypatch, tar_of({**entries, **others}))
    for _ in range(2):
        assert len(pix2pix("facades", str(tmp_path), resolution=8)) == 2
    assert asked == ["http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/facades.tar.gz"]
    found = {str(file.relative_to(tmp_path / "pix2pix")) for file in tmp_path.rglob("pix2pix/**/*.*")}
    assert found == {*entries, ".lock"}


def test_a_zip_of_two_piles_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    serve(monkeypatch, zip_of({f"horse2zebra/{part}/1.png": png() for part in ("trainA", "trainB", "testA")}))
    assert len(cyclegan("horse2zebra", str(tmp_path), resolution=8)) == 1


@pytest.mark.parametrize("packed", [tar_of, zip_of])
@pytest.mark.parametrize("name", ["facades/../../../out.png", "/out.png", "facades/train/../../../out.png"])
def test_an_archive_cannot_write_outside_of_its_folder(
    name: str, packed: Callable[[dict[str, bytes]], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    serve(monkeypatch, packed({"facades/train/1.png": png(), name: png()}))
    message = refused(pix2pix, "facades", str(tmp_path / "root"))
    assert "outside of its folder" in message
    assert [file for file in tmp_path.rglob("*.png")] == []


@pytest.mark.parametrize("cut", [300, 1500, 3000])
def test_half_an_archive_is_refused_and_removed(cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    content = tar_of({f"facades/train/{k}.png": png() for k in range(9)})
    serve(monkeypatch, content[:-cut], size=len(content))
    assert "the download ended after" in refused(pix2pix, "facades", str(tmp_path))
    serve(monkeypatch, content[:-cut])
    assert "has no complete facades" in refused(pix2pix, "facades", str(tmp_path))
    assert [file.name for file in (tmp_path / "pix2pix").iterdir()] == [".lock"]


def test_what_somebody_put_there_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = serve(monkeypatch, tar_of({"facades/train/1.png": png()}))
    fill(tmp_path / "pix2pix" / "facades", "mine.png")
    assert "complete or delete it" in refused(pix2pix, "facades", str(tmp_path))
    assert asked == []
