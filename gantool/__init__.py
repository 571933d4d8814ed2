"""gantool: train, evaluate and use generative adversarial networks from one command line, or from Python.

>>> import gantool
>>> G = gantool.load("outputs/dcgan-digits/2026-11-22_10-00-00-000000")
>>> images = G.sample(16, seed=0)  # (16, C, H, W) in [-1, 1]
>>> seen = gantool.features("outputs/dcgan-digits/2026-11-22_10-00-00-000000")(images)  # (16, F)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gantool.library import Generator as Generator
    from gantool.library import load as load
    from gantool.representation import Features as Features
    from gantool.representation import features as features

__version__ = "0.1.0"
LAZY = {  # by the modules that have them, which import torch: a command line must answer at once
    "Generator": "library",
    "load": "library",
    "Features": "representation",
    "features": "representation",
}


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"gantool.{LAZY[name]}"), name)
