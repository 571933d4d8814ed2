"""Shards behind URLs: fetched once, kept within a limit, and the same images as on the disk."""

import logging
import pickle
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from shard_files import numbered, picture, tar
from torch.utils.data import DataLoader

from gantool.data import remote
from gantool.data.image_set import ImageSet
from gantool.data.module import Batches
from gantool.data.order import Order
from gantool.data.remote import Remote
from gantool.data.shards import shards

COUNT = 19  # images of numbered()
BYTES = 20_480  # of each of its shards but the smallest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "WAITS", (0.01, 0.01))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return numbered(tmp_path / "shards")


class Site:
    """A web server of a folder, and what was asked of it."""

    def __init__(self, folder: Path):
        self.asked: Counter[str] = Counter()
        self.failing = 0  # requests that will be refused
        site = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked[self.path.removeprefix("/")] += 1
                if site.failing:
                    site.failing -= 1
                    self.send_error(503)
                else:
                    super().do_GET()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def tars(self) -> dict[str, int]:
        return {name: count for name, count in self.asked.items() if name.endswith(".tar")}


@pytest.fixture
def site(root: Path) -> Iterator[Site]:
    site = Site(root)
    yield site
    site.close()


def values(images: ImageSet) -> list[int]:
    return images[range(len(images))]["image"][:, 0, 0, 0].tolist()


def refused(path: str, **options: Any) -> str:
    with pytest.raises(ValueError, match=".") as error:
        shards(path, **options)[[0]]
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_set_with_an_index_begins_without_fetching_a_shard(site: Site, root: Path):
    local = shards(str(root))  # writes the index
    images = shards(f"{site.url}/a-{{000..004}}.tar")
    assert site.tars() == {}
    assert (images.names, images.shape) == (local.names, local.shape)
    assert images[[12]]["image"][0, 0, 0, 0] == 12
    assert site.tars() == {"a-003.tar": 1}
    assert values(images) == values(local)
    assert site.tars() == {f"a-00{k}.tar": 1 for k in range(5)}
    assert values(shards(f"{site.url}/a-{{000..004}}.tar")) == values(local)
    assert site.tars() == {f"a-00{k}.tar": 1 for k in range(5)}


def test_a_set_without_an_index_is_fetched_once_and_says_so(site: Site, caplog: pytest.LogCaptureFixture):
    for _ in range(2):
        assert values(shards(f"{site.url}/a-{{000..004}}.tar")) == list(range(COUNT))
        assert site.tars() == {f"a-00{k}.tar": 1 for k in range(5)}
    assert caplog.text.count("No shards.index lies beside the shards: 5 are fetched once") == 1


def test_a_folder_and_a_pattern_of_a_server_that_lists_them(site: Site, root: Path):
    assert values(shards(site.url)) == list(range(COUNT))
    assert values(shards(f"{site.url}/a-*4.tar")) == list(range(13, COUNT))


def test_a_choice_of_remote_shards_takes_the_index_of_all(site: Site, root: Path):
    shards(str(root))
    assert values(shards(f"{site.url}/a-{{001,003}}.tar")) == [5, 6, 7, 12]
    assert site.tars() == {"a-001.tar": 1, "a-003.tar": 1}


def test_shards_that_were_replaced_with_their_index_are_fetched_again(site: Site, root: Path):
    shards(str(root))
    url = f"{site.url}/a-{{000..001}}.tar"
    assert values(shards(url))[:1] == [0]
    tar(root / "a-000.tar", {"1.png": picture(77), "1.cls": b"0"})
    shards(str(root))
    assert values(shards(url)) == [77, 5, 6, 7]
    assert site.tars() == {"a-000.tar": 2, "a-001.tar": 1}


def test_a_shard_that_its_index_does_not_know_is_refused(site: Site, root: Path):
    shards(str(root))
    tar(root / "a-000.tar", {"1.png": picture(77)})
    assert "bytes but" in refused(f"{site.url}/a-{{000..001}}.tar")
    assert "Write the index anew" in refused(f"{site.url}/a-{{000..001}}.tar")


def test_a_server_that_fails_for_a_moment_is_asked_again(site: Site, root: Path):
    shards(str(root))
    images = shards(f"{site.url}/a-{{000..004}}.tar")
    site.failing = 2
    assert images[[0]]["image"][0, 0, 0, 0] == 0
    assert site.tars() == {"a-000.tar": 3}


@pytest.mark.parametrize("path", ["/a-{000..001}.tar", "/", "/*.tar"])
def test_a_server_that_nobody_answers_for_is_an_error_of_one_line(path: str, site: Site):
    site.close()
    assert site.url in refused(site.url + path)


def test_a_shard_that_is_not_there_is_named(site: Site):
    assert f"{site.url}/a-005.tar is not there" in refused(f"{site.url}/a-{{004..005}}.tar")


def test_an_unknown_kind_of_url_and_a_mixture_are_named(root: Path):
    assert "carrier-pigeon" in refused("carrier-pigeon://a/b.tar")
    assert "mixes files and URLs" in refused(f"{{{root}/a-000,http://nowhere/a}}.tar")


def test_the_images_go_on_when_the_network_is_gone_and_the_shards_are_here(site: Site, root: Path):
    shards(str(root))
    url = f"{site.url}/a-{{000..004}}.tar"
    values(shards(url))
    site.close()
    assert values(shards(url)) == list(range(COUNT))


# The cache


def kept(folder: Path) -> int:
    """Bytes of shards; one that the background evicts between the listing and the look counts as gone."""
    size = 0
    for path in list(folder.glob("*.tar")):
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


def test_the_cache_stays_within_its_limit(site: Site, tmp_path: Path):
    cache = tmp_path / "here"
    images = shards(site.url, shuffle_shards=1, cache=str(cache), cache_bytes=2 * BYTES)
    order = Order(COUNT, 1, images.stretches)
    for start in range(0, 4 * COUNT, 4):
        batch = order(start, 4)
        assert images[batch]["image"][:, 0, 0, 0].tolist() == batch
        assert kept(cache) <= 3 * BYTES  # one that is just being fetched comes on top
    assert not (tmp_path / "cache/gantool/shards").exists()


def test_archives_of_others_in_the_cache_are_left_alone(site: Site, tmp_path: Path):
    (tmp_path / "here").mkdir()
    for name in ("backup.tar", "0123-mine.tar"):
        (tmp_path / "here" / name).write_bytes(b"0" * 10 * BYTES)
    images = shards(site.url, shuffle_shards=1, cache=str(tmp_path / "here"), cache_bytes=2 * BYTES)
    for place in Order(COUNT, 1, images.stretches)(0, COUNT):
        images[[place]]
    assert {"backup.tar", "0123-mine.tar"} <= {path.name for path in (tmp_path / "here").glob("*.tar")}
    assert 20 * BYTES < kept(tmp_path / "here") <= 23 * BYTES


def test_a_limit_below_what_the_walk_needs_is_refused(site: Site):
    message = refused(site.url, shuffle_shards=2, cache_bytes=BYTES)
    assert f"data.cache_bytes={BYTES} cannot hold 4 shards" in message
    assert "data.shuffle_shards=2" in message


def test_a_cache_that_cannot_be_written_is_named(site: Site, tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in refused(f"{site.url}/a-000.tar", cache=str(tmp_path / "file"))


def test_the_next_group_is_fetched_in_the_background(site: Site, root: Path):
    shards(str(root))
    images = shards(f"{site.url}/a-{{000..004}}.tar", shuffle_shards=2)
    Order(COUNT, 1, images.stretches)(0, 1)
    deadline = time.monotonic() + 20
    while len(site.tars()) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(site.tars().values()) == {1}
    assert len(site.tars()) == 4


def test_threads_that_want_the_same_shard_fetch_it_once(site: Site, root: Path, tmp_path: Path):
    storages = [Remote(tmp_path / "here", 10**9) for _ in range(4)]
    url = f"{site.url}/a-000.tar"
    threads = [threading.Thread(target=lambda storage=s: storage.open(url, None).close()) for s in storages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert site.tars() == {"a-000.tar": 1}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_workers_fetch_each_shard_once_and_see_the_same_walk(site: Site, root: Path):
    shards(str(root))

    def batches(images: ImageSet, workers: int, first: int, count: int) -> list[torch.Tensor]:
        sampler = Batches(Order(COUNT, 1, images.stretches), 4, lambda: 4 * first)
        options: Any = {"sampler": sampler, "batch_size": None, "num_workers": workers}
        loader = iter(DataLoader(cast(Any, images), **options))
        return [next(loader)["image"] for _ in range(count)]

    expected = batches(shards(str(root), shuffle_shards=2), 0, 0, 12)
    images = shards(f"{site.url}/a-{{000..004}}.tar", shuffle_shards=2)
    images[[0]]  # a connection is open, and a thread has fetched, before the workers start
    for first in (0, 5):
        seen = batches(images, 2, first, 12 - first)
        assert all(torch.equal(one, other) for one, other in zip(seen, expected[first:], strict=True))
    assert set(site.tars().values()) == {1}


def test_a_pickled_set_shows_the_same_images(site: Site):
    images = shards(site.url)
    assert values(pickle.loads(pickle.dumps(images))) == values(images)


def test_what_is_fetched_is_told_in_the_log(site: Site, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    shards(f"{site.url}/a-000.tar")
    assert f"{site.url}/a-000.tar: {BYTES} bytes in" in caplog.text
