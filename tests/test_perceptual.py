"""The perceptual term, and pretrained weights: where they come from, and that they stay out of runs."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from small import composed, trained
from torch import Tensor, nn
from torchvision.models import vgg19

from gantool import weights
from gantool.checkpoint import load, read
from gantool.duel import Duel
from gantool.losses.perceptual import CONVOLUTIONS, Perceptual, features
from gantool.weights import pretrained

URL = "https://example.org/models/toy-01234567.pth"


def term(**settings: Any) -> Perceptual:
    given = {"weights": "random", "channels": 3, "resolution": 16, "layer": "conv2_1", **settings}
    made = Perceptual(**given)
    made.prepare("G.perceptual")
    return made


def duel(real: Tensor, fake: Tensor) -> Duel:
    return Duel(nn.Identity(), nn.Identity(), real, real, fake)


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("activated", [True, False])
def test_equal_images_are_no_distance_apart(distance: str, activated: bool):
    x, y = torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16)
    loss = term(distance=distance, activated=activated)
    assert loss(duel(x, x)).item() == 0
    assert loss(duel(x, y)).item() == loss(duel(y, x)).item() > 0


def test_the_gradient_flows_to_the_fake_alone():
    real, fake = (torch.randn(2, 3, 16, 16, requires_grad=True) for _ in range(2))
    loss = term()
    loss(duel(real, fake)).backward()
    assert real.grad is None
    assert fake.grad is not None
    assert fake.grad.any()
    assert all(not parameter.requires_grad for parameter in loss.networks[0].parameters())


def test_grey_is_seen_as_three_equal_colours():
    real, fake = torch.randn(2, 1, 16, 16), torch.randn(2, 1, 16, 16)
    grey = term(channels=1)(duel(real, fake))
    torch.testing.assert_close(grey, term()(duel(real.expand(-1, 3, -1, -1), fake.expand(-1, 3, -1, -1))))


def test_the_mean_of_imagenets_colours_is_black_to_vgg():
    """All biases of random weights are 0, so that nothing comes of nothing."""
    mean = torch.tensor([0.485, 0.456, 0.406]).mul(2).sub(1).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    torch.testing.assert_close(features("random", "conv1_2", True, "")(mean), torch.zeros(1, 64, 8, 8))


def test_layers_are_those_of_vgg19():
    assert len(CONVOLUTIONS) == 16
    image = torch.randn(1, 3, 32, 32)
    for layer, shape in (("conv1_1", (64, 32)), ("conv3_4", (256, 8)), ("conv5_4", (512, 2))):
        before, after = (features("random", layer, activated, "")(image) for activated in (False, True))
        assert before.shape == (1, shape[0], shape[1], shape[1])
        assert before.min() < 0
        torch.testing.assert_close(after, before.relu())


def test_random_features_are_always_the_same_and_say_that_they_mean_little(caplog: Any):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    with caplog.at_level(logging.WARNING):
        one = features("random", "conv2_2", True, "loss.G.perceptual.weights").state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert "loss.G.perceptual.weights=random" in caplog.text
    torch.manual_seed(2)
    other = features("random", "conv2_2", True, "").state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_weights_of_a_file_are_what_torchvision_computes_with(tmp_path: Path):
    with torch.device("meta"):
        layers = list(vgg19().features.children())[:9]  # to the rectifier of conv2_2
    network = nn.Sequential(*layers).to_empty(device="cpu")
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    file = tmp_path / "vgg.pth"
    torch.save({f"features.{name}": value for name, value in network.state_dict().items()}, file)
    loss = term(weights=str(file), layer="conv2_2")
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    real, fake = torch.rand(2, 2, 3, 16, 16)
    seen = [
        network(((image + 1) / 2 - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)) for image in (real, fake)
    ]
    torch.testing.assert_close(loss(duel(real, fake)), (seen[0] - seen[1]).square().mean())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"channels": 2}, "data.channels=2: VGG"),
        ({"channels": 4}, "data.channels=4: VGG"),
        ({"layer": "conv6_1"}, "layer=conv6_1: choose one of conv1_1"),
        ({"distance": "l3"}, "distance=l3: choose one of l1, l2"),
        ({"layer": "conv5_4", "resolution": [8, 64]}, "take 16 pixels or more"),
    ],
)
def test_what_vgg_cannot_see_is_refused_before_training(settings: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        term(**settings)


def offline(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    def unreachable(url: str, file: Path) -> None:
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(home))
    monkeypatch.setattr(weights, "download", unreachable)


def test_without_file_and_network_training_says_what_is_missing_where_and_which_key_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    offline(monkeypatch, tmp_path / "home")
    with pytest.raises(ValueError, match="vgg19-dcbb9e9d.pth is not in ") as caught:
        trained(tmp_path / "run", "model=srgan", "perceptual.weights=imagenet")
    sentence = str(caught.value)
    assert str(tmp_path / "home" / "hub" / "checkpoints") in sentence
    assert "loss.G.perceptual.weights=PATH|random" in sentence
    assert "\n" not in sentence
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_run_holds_no_weights_of_vgg_and_is_opened_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trained(tmp_path, "model=srgan", "images=16")
    file = tmp_path / "checkpoints" / "last.ckpt"
    stored = read(file)
    assert all(name.startswith("task.") for name in stored["state_dict"])
    assert file.stat().st_size < 2_000_000

    offline(monkeypatch, tmp_path / "home")
    gan, _ = load(file)
    perceptual = gan.objective.terms_of("G")["perceptual"]
    assert isinstance(perceptual, Perceptual)
    assert not perceptual.networks
    assert not list(perceptual.parameters())
    assert gan.generator(torch.zeros(1, 3, 4, 4)).shape == (1, 3, 16, 16)


def test_a_perceptual_term_needs_targets():
    cfg = composed("data=synthetic", "loss=srgan", "model.D.norm=none", "+perceptual.weights=random")
    task = instantiate(cfg.task, _convert_="all")
    with pytest.raises(ValueError, match=r"loss.G.perceptual compares .* task=paired"):
        term().check("G.perceptual", task)


# Pretrained weights


def test_weights_in_torchs_cache_are_used_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    offline(monkeypatch, tmp_path)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"w": torch.ones(2)}, folder / "toy-01234567.pth")
    assert pretrained(URL, "toy.weights=PATH")["w"].tolist() == [1, 1]
    torch.save({"w": torch.zeros(2)}, tmp_path / "mine.pth")
    assert pretrained(URL, "toy.weights=PATH", tmp_path / "mine.pth")["w"].tolist() == [0, 0]


def test_a_file_that_arrives_damaged_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def damaged(url: str, file: Path) -> None:
        file.write_bytes(b"half")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "download", damaged)
    with pytest.raises(ValueError, match=r"toy-01234567.pth is not in .*damaged.*give toy.weights=PATH"):
        pretrained(URL, "toy.weights=PATH")
    left = [file.name for file in (tmp_path / "hub" / "checkpoints").iterdir()]
    assert left == [".toy-01234567.pth.lock"]


@pytest.mark.parametrize("content", [[torch.ones(2)], {"w": 1}, "text"], ids=["list", "number", "text"])
def test_a_file_of_anything_but_tensors_by_name_is_refused(content: Any, tmp_path: Path):
    file = tmp_path / "other.pth"
    torch.save(content, file)
    with pytest.raises(ValueError, match="other.pth holds no plain table.*toy.weights=PATH"):
        pretrained(URL, "toy.weights=PATH", file)
    file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"other.pth cannot be read.*toy.weights=PATH"):
        pretrained(URL, "toy.weights=PATH", file)
    with pytest.raises(ValueError, match=r"none.pth is no file.*toy.weights=PATH"):
        pretrained(URL, "toy.weights=PATH", tmp_path / "none.pth")


def test_a_file_of_another_network_is_refused(tmp_path: Path):
    torch.save({"features.0.weight": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="not the weights of VGG19"):
        term(weights=str(tmp_path / "other.pth"))
