"""Fine-tuning: runs that begin with the weights of another as far as they fit; layers that do not learn."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from small import composed, small, trained
from torch import Tensor

from gantool.build import build
from gantool.checkpoint import read
from gantool.freeze import lowest
from gantool.gan import GAN
from gantool.init_from import begin
from gantool.layers.spectral import realign
from gantool.refit import between, matched, refits
from gantool.tasks.task import Task

GREY, COLOUR = "data.channels=1", "data.channels=3"


def build_networks(model: str) -> Task:
    return instantiate(composed(f"model={model}", "data=synthetic", "data.width=8").task, _convert_="all")


def resolved(*overrides: str, names: list[str] | None = None) -> Any:
    cfg = composed(*small(*overrides))
    OmegaConf.update(cfg, "data.names", names or [], force_add=True)
    OmegaConf.resolve(cfg)
    return cfg


def built(*overrides: str, names: list[str] | None = None) -> tuple[GAN, Any]:
    """A GAN of other first weights than that of another seed, and its configuration."""
    cfg = resolved(*overrides, names=names)
    return build(cfg), OmegaConf.to_container(cfg)


def run_of(path: Path, *overrides: str, names: list[str] | None = None) -> GAN:
    """A checkpoint as training writes it, as far as `begin` reads it, and what is in it."""
    gan, config = built(*overrides, "seed=1", names=names)
    with torch.no_grad():
        for parameter in gan.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)  # so that zeros are no longer zero
    realign(gan)
    torch.save({"gantool": {"schema": 7, "config": config}, "state_dict": gan.state_dict()}, path)
    return gan


def started(path: Path, *overrides: str, names: list[str] | None = None) -> tuple[GAN, str]:
    gan, config = built(*overrides, names=names)
    return gan, begin(gan, path, config)


def images(channels: int, side: int = 16) -> Tensor:
    return torch.rand(3, channels, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_frozen_layers_are_bit_identical_after_training_and_the_others_move(tmp_path: Path):
    assert trained(tmp_path / "first", "model=dcgan", "images=16") == 0
    first = tmp_path / "first" / "checkpoints" / "last.ckpt"
    settings = ["model=dcgan", f"init_from={first}", "freeze.D=1", "seed=7", "images=16", "ema=50"]
    assert trained(tmp_path / "second", *settings) == 0
    before, after = (
        read(tmp_path / run / "checkpoints" / "last.ckpt")["state_dict"] for run in ("first", "second")
    )
    assert torch.equal(before["task.D.layers.0.weight"], after["task.D.layers.0.weight"])
    moved = [name for name, value in before.items() if name.endswith("weight") and name in after]
    moved = [name for name in moved if not torch.equal(before[name], after[name])]
    assert {"task.D.layers.2.weight", "task.G.layers.0.weight"} <= set(moved)


@pytest.mark.parametrize("model", ["progan", "stylegan1", "stylegan2"])
def test_the_first_layer_of_a_network_with_equalised_layers_is_the_one_that_sees_the_image(model: str):
    D = build_networks(model).D
    [bias, weight] = sorted(lowest(D, 1), key=lambda parameter: parameter.ndim)
    assert weight.shape[1:] == (3, 1, 1)
    assert bias.shape == weight.shape[:1]


def test_a_run_that_is_trained_no_further_is_the_one_it_began_from(tmp_path: Path):
    settings = ["model=dcgan", "images=8", "ema=50"]
    assert trained(tmp_path / "first", *settings) == 0
    still = [*settings, f"init_from={tmp_path / 'first'}", "optimizer.lr=0.0"]
    assert trained(tmp_path / "second", *still) == 0
    before, after = (
        read(tmp_path / run / "checkpoints" / "last.ckpt")["state_dict"] for run in ("first", "second")
    )
    for name, value in before.items():
        if name.startswith("task.") and name.endswith("weight"):
            torch.testing.assert_close(value, after[name])


def test_freezing_more_layers_than_there_are_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="layers are all that Discriminator has"):
        trained(tmp_path, "model=dcgan", "freeze.D=99")
    with pytest.raises(ValueError, match=r"freeze\.G=-1"):
        trained(tmp_path, "model=dcgan", "freeze.G=-1")


@pytest.mark.parametrize("model", ["dcgan", "sngan", "biggan", "stylegan2", "lapgan"])
def test_equal_networks_begin_equal_in_every_tensor(model: str, tmp_path: Path):
    first = run_of(tmp_path / "a.ckpt", f"model={model}", "ema=50")
    gan, told = started(tmp_path / "a.ckpt", f"model={model}", "ema=50")
    for name, value in gan.state_dict().items():
        if name.startswith(("task.G.", "task.D.", "G_ema.")):
            assert torch.equal(value, first.state_dict()[name]), name
    assert "anew" not in told
    assert "adapted" not in told


def test_an_averaged_generator_that_is_not_there_begins_as_the_generator(tmp_path: Path):
    first = run_of(tmp_path / "a.ckpt", "model=dcgan", "ema=0")
    gan, _ = started(tmp_path / "a.ckpt", "model=dcgan", "ema=50")
    assert gan.G_ema is not None
    for name, value in gan.G_ema.state_dict().items():
        assert torch.equal(value, first.task.G.state_dict()[name])


@pytest.mark.parametrize("model", ["dcgan", "stylegan2", "wgan_gp", "progan"])
def test_a_grey_generator_makes_the_same_pictures_in_colour_and_d_judges_them_alike(
    model: str, tmp_path: Path
):
    first = run_of(tmp_path / "a.ckpt", f"model={model}", GREY)
    gan, told = started(tmp_path / "a.ckpt", f"model={model}", COLOUR)
    grey, colour = (it.task.eval() for it in (first, gan))
    drawn = grey.draw({"image": images(1)})
    with torch.no_grad():
        one, other = (task.generate(task.G, drawn)["fake"] for task in (grey, colour))
        torch.testing.assert_close(other, one.expand(-1, 3, -1, -1), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(colour.D(other), grey.D(one), atol=1e-5, rtol=1e-4)
    assert "adapted to 3 channels instead of 1" in told
    assert "begun anew" not in told


def test_a_grey_picture_has_the_mean_of_the_colours_and_d_judges_grey_as_before(tmp_path: Path):
    first = run_of(tmp_path / "a.ckpt", "model=dcgan", COLOUR)
    gan, _ = started(tmp_path / "a.ckpt", "model=dcgan", GREY)
    z = torch.randn(3, 100)
    with torch.no_grad():
        before, after = (it.task.eval().G.layers[:-1](z[:, :, None, None]) for it in (first, gan))  # pyright: ignore
        torch.testing.assert_close(after, before.mean(1, keepdim=True))
        grey = images(1)
        torch.testing.assert_close(gan.task.D(grey), first.task.D(grey.expand(-1, 3, -1, -1)))


def test_an_alpha_begins_anew_in_g_and_is_overlooked_by_d(tmp_path: Path):
    first = run_of(tmp_path / "a.ckpt", "model=dcgan", COLOUR)
    fresh, _ = built("model=dcgan", "data.channels=4")
    gan, _ = started(tmp_path / "a.ckpt", "model=dcgan", "data.channels=4")
    made, own = (it.task.G.state_dict()["layers.6.weight"] for it in (gan, fresh))  # (width, 4, 4, 4)
    assert torch.equal(made[:, 3], own[:, 3])
    assert torch.equal(made[:, :3], first.task.G.state_dict()["layers.6.weight"])
    some = images(4)
    torch.testing.assert_close(gan.task.eval().D(some), first.task.eval().D(some[:, :3]))


@pytest.mark.parametrize("before", [1, 2, 3, 4])
@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_grey_becomes_grey_in_any_channels(before: int, after: int):
    picture = torch.ones(before)
    matrix = between(before, after)
    assert matrix is not None
    assert matrix.shape == (after, before)
    opaque = after in (2, 4) and before not in (2, 4)
    torch.testing.assert_close((matrix @ picture)[: after - opaque], torch.ones(after - opaque))


def test_channels_that_are_no_picture_cannot_be_converted():
    assert between(5, 3) is None
    assert between(3, 7) is None


@pytest.mark.parametrize("model", ["biggan", "projection", "stylegan2", "acgan", "cgan"])
def test_a_class_begins_as_that_of_its_name(model: str, tmp_path: Path):
    """Of cat and dog the first, of dog and owl the second: dog is 1 there and 0 here."""
    conditional = ["task.conditional=true"]
    if model == "stylegan2":
        conditional += ["model.G.classes=${data.classes}"]
    there = [f"model={model}", "data.classes=2", *conditional]
    first = run_of(tmp_path / "a.ckpt", *there, names=["cat", "dog"])
    here = [f"model={model}", "data.classes=3", *conditional]
    gan, told = started(tmp_path / "a.ckpt", *here, names=["dog", "emu", "owl"])
    one, other = first.task.eval(), gan.task.eval()
    drawn = one.draw({"image": images(3), "label": torch.ones(3, dtype=torch.long)})
    z, dog = drawn["latent"], torch.zeros(3, dtype=torch.long)
    with torch.no_grad():
        fakes = one.G(z, drawn["label"]), other.G(z, dog)
        torch.testing.assert_close(fakes[1], fakes[0], atol=1e-4, rtol=1e-4)
    assert "adapted to 3 classes, 1 of them among the 2 there" in told


def test_classes_in_another_order_are_found_by_their_names(tmp_path: Path):
    first = run_of(tmp_path / "a.ckpt", "model=projection", "data.classes=2", names=["cat", "dog"])
    gan, _ = started(tmp_path / "a.ckpt", "model=projection", "data.classes=2", names=["dog", "cat"])
    name = "task.D.head.V.parametrizations.weight.original"
    assert torch.equal(gan.state_dict()[name], first.state_dict()[name].flip(0))


def test_classes_without_names_are_the_same_if_as_many_and_unknown_otherwise():
    assert matched([], [], 3, 3) == (0, 1, 2)
    assert matched([], ["a", "b"], 3, 2) == (None, None)
    assert matched(["a", "b"], ["b", "c", "a"], 2, 3) == (1, None, 0)


def test_no_class_in_common_leaves_the_rest(tmp_path: Path):
    first = run_of(tmp_path / "a.ckpt", "model=projection", "data.classes=2", names=["cat", "dog"])
    gan, told = started(tmp_path / "a.ckpt", "model=projection", "data.classes=2", names=["emu", "owl"])
    name = "task.D.blocks.1.conv1.parametrizations.weight.original"
    assert torch.equal(gan.state_dict()[name], first.state_dict()[name])
    assert "has 2 classes, 0 of them among the 2 there" in told


@pytest.mark.parametrize("model", ["stylegan2", "progan", "stylegan1"])
@pytest.mark.parametrize(("there", "here"), [(16, 32), (32, 16)])
def test_networks_for_another_size_begin_with_the_layers_of_the_sizes_both_have(
    model: str, there: int, here: int, tmp_path: Path
):
    first = run_of(tmp_path / "a.ckpt", f"model={model}", f"data.resolution={there}")
    gan, _ = started(tmp_path / "a.ckpt", f"model={model}", f"data.resolution={here}")
    before, after = first.state_dict(), gan.state_dict()
    for name in before.keys() & after.keys():
        if name.startswith("task.G.") and "level" not in name and before[name].shape == after[name].shape:
            assert torch.equal(before[name], after[name]), name
    blocks = "blocks" if model == "stylegan2" else "stages"
    old, new = (len(getattr(it.task.D, blocks)) for it in (first, gan))
    for last in range(1, min(old, new) + 1):
        one, other = (getattr(it.task.D, blocks)[-last].state_dict() for it in (first, gan))
        assert all(torch.equal(one[name], other[name]) for name in one), f"{last} from the end"


def test_how_far_a_network_has_grown_is_not_taken_over(tmp_path: Path):
    first = run_of(tmp_path / "a.ckpt", "model=progan", "data.resolution=32")
    stored = torch.load(tmp_path / "a.ckpt")
    stored["state_dict"]["task.G.level.value"] = torch.tensor(3.0)
    torch.save(stored, tmp_path / "a.ckpt")
    gan, _ = started(tmp_path / "a.ckpt", "model=progan", "data.resolution=16")
    assert gan.state_dict()["task.G.level.value"] == first.state_dict()["task.G.level.value"] == 0


def test_a_bias_goes_with_its_weight(tmp_path: Path):
    run_of(tmp_path / "a.ckpt", "model=wgan_gp", "data.resolution=16")
    fresh, _ = built("model=wgan_gp", "data.resolution=[16,24]")
    gan, told = started(tmp_path / "a.ckpt", "model=wgan_gp", "data.resolution=[16,24]")
    own, new = fresh.state_dict(), gan.state_dict()
    for line in told.split("begun anew", 1)[1].split(": ", 1)[1].split(", task."):
        name = f"task.{line.removeprefix('task.')}".split(" ")[0]
        assert torch.equal(own[name], new[name]), name


def test_a_generator_of_which_nothing_fits_is_refused_in_one_line(tmp_path: Path):
    run_of(tmp_path / "a.ckpt", "model=dcgan", "data.width=8")
    with pytest.raises(ValueError, match=r"^init_from=.*: nothing of its generator fits.*give the model.*$"):
        started(tmp_path / "a.ckpt", "model=dcgan", "data.width=4")
    with pytest.raises(ValueError, match="nothing of its generator fits"):
        started(tmp_path / "a.ckpt", "model=vanilla")


def test_a_d_of_another_kind_begins_anew_and_that_is_said(tmp_path: Path):
    first = run_of(tmp_path / "a.ckpt", "model=dcgan", "model.D.width=8")
    gan, told = started(tmp_path / "a.ckpt", "model=dcgan", "model.D.width=4")
    fresh, _ = built("model=dcgan", "model.D.width=4")
    for name, value in gan.task.D.state_dict().items():
        assert torch.equal(value, fresh.task.D.state_dict()[name])
    for name, value in gan.task.G.state_dict().items():
        assert torch.equal(value, first.task.G.state_dict()[name])
    assert "and 0 of D's" in told


def test_a_frozen_layer_of_which_nothing_is_taken_over_is_refused(tmp_path: Path):
    run_of(tmp_path / "a.ckpt", "model=dcgan", "model.D.width=8")
    with pytest.raises(ValueError, match=r"freeze\.D keeps task\.D\.layers\.0\.weight .*freeze fewer"):
        started(tmp_path / "a.ckpt", "model=dcgan", "model.D.width=4", "freeze.D=1")


def test_an_exported_generator_is_one_to_begin_from(tmp_path: Path):
    from gantool import artefact

    first, config = built("model=dcgan", "seed=1")
    path = tmp_path / "g.safetensors"
    artefact.write(first, {"format": artefact.FORMAT, "config": config}, path)
    gan, told = started(path, "model=dcgan", "ema=50")
    assert gan.G_ema is not None
    for name, value in first.task.G.state_dict().items():
        assert torch.equal(value, gan.task.G.state_dict()[name])
        assert torch.equal(value, gan.G_ema.state_dict()[name])
    assert "and 0 of D's" in told


def test_a_run_in_colour_goes_on_from_a_grey_one_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    assert trained(tmp_path / "grey", "model=dcgan", GREY, "images=16") == 0
    with caplog.at_level("INFO", "gantool.init_from"):
        settings = ["model=dcgan", COLOUR, f"init_from={tmp_path / 'grey'}", "images=16", "freeze.D=1"]
        assert trained(tmp_path / "colour", *settings) == 0
    [line] = [record.message for record in caplog.records if record.message.startswith("init_from=")]
    assert "task.D.layers.0.weight adapted to 3 channels instead of 1" in line


def test_words_and_columns_in_another_order_are_found_by_their_names():
    def config(key: str, names: list[str], count: str) -> dict[str, Any]:
        return {"task": {"G": {count: len(names)}}, "data": {key: names}}

    for key, count in (("vocabulary", "words"), ("columns", "channels")):
        theirs, ours = config(key, ["a", "b", "c"], count), config(key, ["c", "a", "d", "b"], count)
        [refit] = refits(theirs, ours)
        assert refit.rows == (2, 0, None, 1)
        there, fresh = torch.arange(3.0)[:, None].expand(3, 2), torch.full((4, 2), 9.0)
        made = refit(there, fresh, 0, torch.nn.Linear(2, 4))
        assert made is not None
        assert made[:, 0].tolist() == [2, 0, 9, 1]
        assert refit.words == f"4 {'words' if count == 'words' else 'columns'}, 3 of them among the 3 there"
        assert refits(theirs, theirs) == []
        assert len(refits(theirs, config(key, ["b", "a", "c"], count))) == 1  # as many, but others


def test_a_word_begins_as_itself_in_another_vocabulary(tmp_path: Path):
    few = ["model=gan_cls", "data.resolution=16", "data.text_width=8"]

    def words(*own: str) -> list[str]:
        listed = ",".join(f"'{word}'" for word in ("<pad>", "<unknown>", *own))
        return [*few, f"data.words={2 + len(own)}", f"+data.vocabulary=[{listed}]", "data.classes=0"]

    there = run_of(tmp_path / "first.ckpt", *words("a", "cat", "dog"))
    here, told = started(tmp_path / "first.ckpt", *words("a", "bee", "cat", "dog", "eel"))
    before, after = (gan.task.D.get_parameter("text.reader.vectors") for gan in (there, here))
    assert torch.equal(after[[0, 1, 2, 4, 5]], before)
    assert "7 words, 5 of them among the 5 there" in told
