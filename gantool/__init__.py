"""gantool: train, evaluate and use generative adversarial networks from one command line, or from Python.

>>> import gantool
>>> G = gantool.load("outputs/dcgan-digits/2026-11-22_10-00-00-000000")
>>> images = G.sample(16, seed=0)  # (16, C, H, W) in [-1, 1]
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gantool.library import Generator as Generator
    from gantool.library import load as load

__version__ = "0.1.0"
LAZY = ("Generator", "load")  # from gantool.library, which imports torch: a command line must answer at once


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gantool import library

    return getattr(library, name)
