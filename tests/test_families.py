"""Every file of conf/model: composes, trains, moves both players, samples, comes back from its checkpoint."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image
from small import MODELS, TOLD, batch_of, composed, data_of, small, trained

from gantool.build import build
from gantool.checkpoint import load, read

GROWING = [model for model in MODELS if "growth" in composed(f"model={model}", data_of(model)).task]


@pytest.mark.parametrize("model", MODELS)
def test_a_family_trains_samples_and_comes_back_from_its_checkpoint(model: str, tmp_path: Path):
    grows = model in GROWING  # within four iterations through all sizes: 4, 4 to 8, 8, 8 to 16 pixels
    length = 32 if grows else 16
    plan = ["task.growth.start=0", "task.growth.stable=0", "task.growth.fade=16"] if grows else []
    numbers = ["n_critic=1", f"images={length}", "ema=50", "batch_size=8", *plan]
    assert trained(tmp_path, f"model={model}", *numbers) == 0

    checkpoint = read(tmp_path / "checkpoints" / "last.ckpt")
    assert checkpoint["clock"] == {"iteration": length // 8, "images": length}
    cfg = OmegaConf.create(checkpoint["gantool"]["config"])
    assert cfg == OmegaConf.load(tmp_path / "config.yaml")

    start = build(cfg)
    for name, value in start.task.named_parameters():
        if value.ndim == 1:
            continue  # the last bias of a Wasserstein critic has no gradient
        assert not torch.equal(value, checkpoint["state_dict"][f"task.{name}"]), f"{name} has not moved"

    gan, _ = load(tmp_path / "checkpoints" / "last.ckpt")
    for name, value in gan.state_dict().items():
        assert torch.equal(value, checkpoint["state_dict"][name])
    drawn = gan.task.draw(batch_of(cfg, 4))
    for fake in gan.task.generate(gan.generator, drawn).values():
        assert fake.shape == (4, 3, 16, 16)
        assert fake.isfinite().all()

    for name, columns in gan.task.pictures(gan.generator, drawn).items():
        file = f"{length:09d}.png" if name == "fake" else f"{length:09d}-{name}.png"
        across, down = {1: (2, 2), 2: (2, 4), 3: (3, 4), 6: (6, 4)}[len(columns)]
        with (
            Image.open(tmp_path / "samples" / file) as picture,
            Image.open(tmp_path / "samples" / "real.png") as real,
        ):
            plain_grid = (across * 18 + 2, down * 18 + 2)
            assert picture.size == (real.size if model in TOLD else plain_grid)  # below which stand captions


@pytest.mark.parametrize("model", MODELS)
def test_a_familys_numbers_survive_composition(model: str):
    """What a family's file says is what is composed: nothing that is listed later resets it."""
    path = Path(__file__).parent.parent / "conf" / "model" / f"{model}.yaml"
    said = plain(OmegaConf.load(path))
    composition = plain(composed(f"model={model}", data_of(model)))
    for key in said.keys() - {"defaults", "model"}:
        assert holds(composition[key], said[key]), key


def holds(whole: Any, part: Any) -> bool:
    """Whether all entries of `part` are in `whole`, at any depth."""
    if isinstance(part, dict):
        return all(key in whole and holds(whole[key], value) for key, value in part.items())
    return whole == part


def plain(config: Any) -> dict[str, Any]:
    return OmegaConf.to_container(config)  # pyright: ignore


@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_first_weights_and_another_seed_others(model: str):
    one, same, other = (build(resolved(model, seed)) for seed in (1, 1, 2))
    for a, b in zip(one.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def resolved(model: str, seed: int):
    cfg = composed(*small(f"model={model}", f"seed={seed}"))
    OmegaConf.update(cfg, "data.names", [str(k) for k in range(10)])
    OmegaConf.resolve(cfg)
    return cfg


def test_the_published_hyper_parameters_are_the_defaults():
    dcgan, wgan, wgan_gp = (composed(f"model={model}") for model in ("dcgan", "wgan", "wgan_gp"))
    assert (dcgan.optimizer.lr, list(dcgan.optimizer.betas)) == (2e-4, [0.5, 0.999])
    assert dcgan.share_fakes
    assert dcgan.init.G.std == 0.02
    assert (wgan.n_critic, wgan.optimizer.lr, wgan.loss.adversarial.clip) == (5, 5e-5, 0.01)
    assert wgan.optimizer.D._target_ == "torch.optim.RMSprop"
    assert not wgan.share_fakes
    assert (wgan_gp.n_critic, wgan_gp.batch_size, wgan_gp.generator_batch_size) == (5, 64, 128)
    assert list(wgan_gp.optimizer.betas) == [0.0, 0.9]
    assert wgan_gp.loss.D.penalty.weight == 10.0
    assert instantiate(wgan_gp.optimizer.lr)(wgan_gp.images) == 0.0


def test_each_part_of_a_recipe_can_be_replaced_from_the_command_line():
    cfg = composed(
        "model=wgan_gp", "loss=hinge", "optimizer=adam", "init=normal", "prior=uniform", "n_critic=2"
    )
    assert cfg.loss.adversarial._target_.endswith("Hinge")
    assert cfg.loss.D == {}
    assert cfg.optimizer.lr == 2e-4
    assert cfg.init.G._target_.endswith("Normal")
    assert cfg.prior._target_.endswith("Uniform")
    assert cfg.n_critic == 2
