"""Going on with a run: which configuration counts, and what may differ from the first start."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

# What a resumed run may change: how long, where, how closely watched. Everything else would make it another
# run.
FREE = (
    "best",
    "checkpoint_every",
    "compile",
    "data.a",
    "data.b",
    "data.captions",
    "data.path",
    "data.root",
    "data.source",
    "data.table",
    "data.target",
    "data.workers",
    "disk_budget",
    "dry_run",
    "evaluate_every",
    "health_every",
    "ignore",
    "images",
    "keep_milestones",
    "log_every",
    "logger",
    "loss.G.perceptual.weights",
    "metrics",
    "micro_batch",
    "milestone_every",
    "on_device",
    "on_divergence",
    "patience",
    "resume",
    "rollback",
    "sample_every",
    "sweep",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.sync_batchnorm",
    "trust",
)
EVENTS = tuple(f"gantool.schedules.{name}" for name in ("Switch", "Steps", "Phases"))
LATE = {"data.shown"}  # what the configurations of older runs do not say
LONGEST = 60  # letters of a value in a message
PLACE = "trainer"  # a group that may change: what is free of it does, the precision stays


def continued(stored: dict[str, Any], composed: DictConfig, overrides: list[str]) -> DictConfig:
    """The configuration of a run, with what the command line may change (`resume=RUN`).

    Schedules that were to end with the run, such as a falling learning rate, end with the longer one.

    Args:
        stored: of the checkpoint.
        composed: what the command line alone would mean.
        overrides: the command line.

    Raises ValueError for an override that would make it another run.
    """
    config = OmegaConf.create(stored)
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if not free(key) and key != PLACE:
            raise ValueError(
                f"resume continues a run as it was configured; {override} would make it another one. "
                f"Only these may change: {', '.join(name for name in FREE if name != 'resume')}."
            )
        if key.startswith("loss.") and OmegaConf.select(config, key) is None:
            raise ValueError(f"{override.lstrip('+')}: this run has no such key; leave it out.")
        for name in [key] if free(key) else [name for name in FREE if name.startswith(f"{key}.")]:
            value = OmegaConf.select(composed, name)
            if value is not None or name in composed:  # null is a choice
                OmegaConf.update(config, name, value, merge=False, force_add=True)
    for key in lengths(stored):
        OmegaConf.update(config, key, config.images)
    return config


def refuse_changed(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise ValueError for data that is not what it was: other classes, words, columns, sizes, …

    Args:
        before: what the run knows of its data.
        now: what the set says of itself, see `data.module.summary`.
    """
    for key, value in now.items():
        if key == "examples" or key not in before or before[key] == value:
            continue
        if key == "shown":
            raise ValueError(
                f"data.hold_out={before.get('hold_out')}: the data set now holds {value} images that are not "
                f"held out, there were {before[key]}: which ones are held out would change; bring back the "
                "old data, or begin a new run with init_from."
            )
        raise ValueError(
            f"The data is not what this run began with: its {key} are {short(value)}, they were "
            f"{short(before[key])}; bring back the old data, or begin a new run with init_from."
        )


def short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def same_run(stored: dict[str, Any], composed: dict[str, Any]) -> None:
    """Raise ValueError if a command that says `resume=auto` means another run than the one in its folder.

    By which names things were chosen does not matter: what was chosen does.
    """
    before, now = (
        flat({name: value for name, value in it.items() if name != "groups"}) for it in (stored, composed)
    )
    moved = set(lengths(stored)) & set(lengths(composed))
    moved |= LATE - before.keys()
    for key in sorted(before.keys() | now.keys()):
        if not free(key) and key not in moved and before.get(key) != now.get(key):
            raise ValueError(
                f"resume=auto found a run with {key}={before.get(key)}, but this command says "
                f"{now.get(key)}; give the command of the first start, or another hydra.run.dir."
            )


def lengths(config: dict[str, Any]) -> list[str]:
    """Keys of schedules that end with the run: `images: ${images}` before it was resolved.

    A moment at which something happens, such as `${pretrain}`, is none, even where it is the end of the run.
    """
    leaves = flat(config)
    return [
        k
        for k, value in leaves.items()
        if k.endswith(".images")
        and k != "data.images"
        and value == config["images"]
        and leaves.get(f"{k.removesuffix('images')}_target_") not in EVENTS
    ]


def free(key: str) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in FREE)


def flat(tree: Any, key: str = "") -> dict[str, Any]:
    """Leaves by dotted key."""
    if isinstance(tree, dict):
        return {
            k: v for name, value in tree.items() for k, v in flat(value, f"{key}.{name}".lstrip(".")).items()
        }
    return {key: tree}
