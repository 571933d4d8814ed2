"""gantool explore: a page on this machine on which a trained generator can be tried."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gantool.build import whole
from gantool.explorer import server
from gantool.explorer.latents import Explorer
from gantool.explorer.settings import Origin, Settings
from gantool.explorer.translations import Translations
from gantool.finished import Finished, device_of, tell
from gantool.runs import checkpoint, find
from gantool.trained import load


def main(cfg: DictConfig) -> None:
    """Serve a page until Ctrl-C.

    Raises ValueError for what cannot be explored, before anything is served.
    """
    start = check(cfg)
    path, folder = checkpoint(str(cfg.run)), find(str(cfg.run))
    gan, config = load(path, cfg.trust)
    origin = Origin(
        str(folder) if cfg.run == "latest" else str(cfg.run), tuple(more(cfg, gan.task.translates))
    )
    with server.silent() as temporary, server.listening(cfg.port) as opened:
        if gan.task.translates:
            run, page = translating(Translations(cfg, origin, temporary))
            offered = temporary
        else:
            run = Finished(gan.to(device_of(cfg.device)), config, path, folder, "")
            offered = folder / f"explored-{gan.images:09d}" if cfg.out is None else Path(cfg.out).expanduser()
            page = sampling(
                Explorer(run, origin, cfg.batch_size, cfg.standing, cfg.directions), offered, start
            )
        tell(f"{run.moment}: {server.address(opened)} until Ctrl-C")
        sys.stdout.flush()  # it may be a pipe, and nothing more is said
        server.serve(page, offered, opened, cfg.open)


def check(cfg: DictConfig) -> Settings:
    """What is shown first. Raises ValueError for values that there are not, and where gradio is missing."""
    whole(cfg, "directions", least=0)
    for key, least in (("seed", 0), ("count", 1), ("batch_size", 1)):
        whole(cfg, key, least=least)
    if not isinstance(cfg.open, bool):
        raise ValueError(f"open={cfg.open}: give true or false.")
    if importlib.util.find_spec("gradio") is None:
        raise ValueError("gantool explore needs the package gradio: pip install 'gantool[demo]'.")
    return Settings(seed=cfg.seed, count=cfg.count)


def more(cfg: DictConfig, translates: bool) -> list[str]:
    """What the commands on the page need so that they make the same: what differs from their defaults."""
    usual: dict[str, Any] = {"device": "auto", "trust": False}
    usual |= {"seed": 0} if translates else {"batch_size": 64, "standing": "auto"}
    typed = {True: "true", False: "false"}
    return [
        f"{key}={typed[cfg[key]] if isinstance(cfg[key], bool) else cfg[key]}"
        for key, value in usual.items()
        if cfg[key] != value
    ]


def sampling(explorer: Explorer, folder: Path, start: Settings) -> Any:
    """The page for latents; gradio is imported here, for it reads the environment then."""
    from gantool.explorer.page import page

    return page(explorer, folder, start)


def translating(translations: Translations) -> tuple[Finished, Any]:
    """The page for images; likewise."""
    from gantool.explorer.translation_page import page

    return translations.run, page(translations)
