"""conf/: everything that may be chosen exists, fits its class, is described, and is read by somebody."""

import inspect
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_object, instantiate
from omegaconf import OmegaConf
from small import MODELS, composed, data_of

from gantool.gan import GAN
from gantool.optim import Recipe

ROOT = Path(__file__).parent.parent
CONF = ROOT / "conf"
FILES = sorted(path for path in CONF.glob("*/*.yaml"))
LOSSES = sorted(path.stem for path in (CONF / "loss").glob("*.yaml"))
OPTIMIZERS = sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml"))


def targets(node: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node with a `_target_`, as written."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield key, node
        for name, value in node.items():
            yield from targets(value, f"{key}.{name}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from targets(value, f"{key}[{i}]")


def written(path: Path) -> dict[str, Any]:
    return OmegaConf.to_container(OmegaConf.load(path)) or {}  # pyright: ignore


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_target_exists_and_takes_the_keys_that_it_is_given(path: Path):
    pytest.importorskip("wandb") if path.stem == "wandb" else None
    pytest.importorskip("mlflow") if path.stem == "mlflow" else None
    for key, node in targets(written(path)):
        signature = inspect.signature(get_object(node["_target_"]))
        given = {name for name in node if not name.startswith("_")}
        added = {"folder", "images"} if path.parent.name == "logger" else set()
        takes = {
            name
            for name, parameter in signature.parameters.items()
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        }
        assert given | added <= takes, f"{key} in {path.name}"
        if not node.get("_partial_"):
            needed = {name for name in takes if signature.parameters[name].default is inspect.Parameter.empty}
            inherited = "defaults" in written(path)
            assert inherited or needed <= given | added, f"{key} in {path.name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_begins_with_what_it_is(path: Path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
    assert re.match(r"# \S.*", lines[0]), path
    if path.parent.name == "model":
        assert re.match(r"# \S+: .+ \(\d{4}\), arXiv:\d{4}\.\d{4,5}$", lines[0]), lines[0]
        assert lines[1].startswith("# ")
        assert lines[2].startswith("# Expect") or lines[2].startswith("# Slow"), (
            "what to expect, and its cost"
        )


def test_every_model_file_is_used_by_a_configuration_and_vice_versa():
    used = set()
    for model in MODELS:
        for _, node in targets(OmegaConf.to_container(composed(f"model={model}").model)):
            package, _, rest = node["_target_"].removeprefix("gantool.").partition(".")
            if package == "models":  # not a layer that one is built from
                used.add(rest.partition(".")[0])
    files = {path.stem for path in (ROOT / "gantool" / "models").glob("*.py")} - {"__init__"}
    assert used == files


def test_every_key_of_training_is_read_by_somebody():
    code = "".join(path.read_text() for path in (ROOT / "gantool").rglob("*.py"))
    for verb in ("train", "sample", "translate"):
        for key in written(CONF / f"{verb}.yaml").keys() - {"defaults", "hydra"}:
            assert re.search(rf"(cfg|config)\.{key}\b", code), f"nobody reads {key} of {verb}.yaml"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_setting_of_an_optimizer_reaches_both_players(optimizer: str):
    cfg = composed(f"optimizer={optimizer}")
    settings = cfg.optimizer.keys() - {"D", "G"}
    for player in "DG":
        assert settings <= cfg.optimizer[player].keys()
        recipe = Recipe(instantiate(cfg.optimizer[player], _convert_="all"))
        assert recipe.settings.keys() == cfg.optimizer[player].keys() - {"_target_", "_partial_"}


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_suits_a_discriminator_without_batch_norm(loss: str):
    suited = ["data=synthetic", "prior=codes", "task.conditional=true"]  # as InfoGAN and AC-GAN ask for
    if loss in MODELS and data_of(loss) != "data=synthetic":
        suited = [data_of(loss), f"model={loss}"]
    if loss == "ganomaly":  # whose G encodes what it has made
        suited = ["data=synthetic", "model=ganomaly"]
    if loss == "stylegan2":  # whose G has styles
        suited = ["data=synthetic", "data.width=16", "model=stylegan2"]
    elif loss != "stylegan2_text":  # whose D has no norm
        suited += ["model.D.norm=layer"]
    cfg = composed(f"loss={loss}", *suited)
    task = instantiate(cfg.task, _convert_="all")
    recipes: Any = {p: Recipe(partial(get_object("torch.optim.SGD"), lr=0.1)) for p in "DG"}
    GAN(task, instantiate(cfg.loss, _convert_="all"), recipes)


SUITED = {
    "data=synthetic": ("digits", "mnist", "fashion_mnist", "cifar10", "synthetic", "stacked_mnist"),
    "data=synthetic_pairs": ("synthetic_pairs", "pairs", "facades", "maps", "edges2handbags"),
    "data=synthetic_piles": ("synthetic_piles", "two_folders", "horse2zebra", "monet2photo"),
    "data=synthetic_superres": ("synthetic_superres", "superres"),
    "data=captioned_shapes": ("captioned_shapes", "captions"),
    "data=moving_shapes": ("moving_shapes", "two_videos"),
}


@pytest.mark.parametrize("model", MODELS)
def test_every_model_resolves_with_every_kind_of_data(model: str):
    for data in SUITED[data_of(model)]:
        cfg = composed(f"model={model}", f"data={data}")
        assert OmegaConf.to_container(cfg, resolve=True)
        assert cfg.images == cfg.data.images


def test_the_lengths_fit_the_data():
    assert composed("data=mnist").images == 25 * 60_000  # the epochs of DCGAN's reference code
    assert composed("data=mnist", "images=7").images == 7
