"""The sets that pix2pix and CycleGAN were published with, downloaded at their first use.

Pairs: Isola et al. (2017), arXiv:1611.07004, section 6.2; piles: Zhu et al. (2017), arXiv:1703.10593, section
7.1. Their authors serve them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from gantool.data.fetch import fetched
from gantool.data.image_set import ImageSet
from gantool.data.pairs import pairs
from gantool.data.piles import two_folders

SERVER = "http://efrosgans.eecs.berkeley.edu"


def pix2pix(
    name: str,
    root: str,
    test: str = "test",
    direction: str = "ab",
    resolution: int | Sequence[int] = 256,
    channels: int = 3,
    source_channels: int = 3,
    jitter: int = 0,
    in_memory: Literal["auto"] | bool = "auto",
    memory: int = 2_000_000_000,
    held_out: bool = False,
) -> ImageSet:
    """Pictures of a pair side by side, in train/ and in a folder for tests.

    Args:
        test: the folder of what training never sees.
        held_out: that, instead of train/.
    """
    part = test if held_out else "train"
    place = place_of(name, root, "pix2pix", ".tar.gz", [part])
    return pairs(
        path=str(place / part),
        layout="side_by_side",
        direction=direction,
        resolution=resolution,
        channels=channels,
        source_channels=source_channels,
        jitter=0 if held_out else jitter,
        in_memory=in_memory,
        memory=memory,
    )


def cyclegan(
    name: str,
    root: str,
    resolution: int | Sequence[int] = 256,
    channels: int = 3,
    source_channels: int = 3,
    jitter: int = 0,
    in_memory: Literal["auto"] | bool = "auto",
    memory: int = 2_000_000_000,
    held_out: bool = False,
) -> ImageSet:
    """Two piles, in trainA/ and trainB/.

    Args:
        held_out: testA/ and testB/ instead, which training never sees.
    """
    a, b = ("testA", "testB") if held_out else ("trainA", "trainB")
    place = place_of(name, root, "cyclegan", ".zip", [a, b])
    return two_folders(
        path=str(place),
        a=a,
        b=b,
        resolution=resolution,
        channels=channels,
        source_channels=source_channels,
        jitter=0 if held_out else jitter,
        in_memory=in_memory,
        memory=memory,
    )


def place_of(name: str, root: str, family: str, suffix: str, folders: Sequence[str]) -> Path:
    """Where a set lies; it is downloaded if it is not there.

    Raises ValueError where that is not possible.
    """
    place = Path(root).expanduser() / family / name
    url = f"{SERVER}/{family}/datasets/{name}{suffix}"
    try:
        fetched(url, place, folders)
    except Exception as error:  # of the network, of the disk, of a damaged archive
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        inside = " and ".join(str(place / folder) for folder in folders)
        toy = "synthetic_pairs" if family == "pix2pix" else "synthetic_piles"
        raise ValueError(
            f"data.root={root} has no complete {name}, and it cannot be downloaded ({reason}). Fill {inside} "
            f"from {url}, or use data={toy}, which needs no download."
        ) from error
    return place
