"""Where gantool keeps on this machine what it would be slow to find out or to fetch again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "gantool"
