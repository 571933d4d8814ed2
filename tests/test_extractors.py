"""What features are taken of: a classifier that is learnt, the Inception of FID, DINOv2; and their files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import composed
from torch import Tensor, nn

from gantool.data.digits import digits
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.synthetic import synthetic
from gantool.metrics import dinov2, inception
from gantool.metrics.classifier import FEATURES, LARGEST, Classifier, learnt, parted, shifted
from gantool.metrics.classifier_features import ClassifierFeatures
from gantool.metrics.content import content, digest_of, kept
from gantool.metrics.dinov2 import DINOv2
from gantool.metrics.extractor import Extractor, eight_bit, extracted, rgb, shrunk
from gantool.metrics.inception import Inception, clean

CPU = torch.device("cpu")


def pixels(count: int, channels: int = 3, height: int = 20, width: int = 24) -> Tensor:
    numbers = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, channels, height, width), generator=numbers, dtype=torch.uint8)


def quiet(sentence: str) -> None:
    """Nobody listens."""


def ready(extractor: Extractor, images: ImageSet | None = None) -> Extractor:
    extractor.prepare("fd", synthetic(count=40) if images is None else images, CPU, quiet)
    return extractor


# The classifier.


def test_it_learns_digits_once_and_tells_how_well_without_touching_chance(tmp_path: Path):
    train, test = parted(digits(resolution=16))
    assert (len(train), len(test)) == (1618, 179)
    told: list[str] = []
    before = torch.random.get_rng_state()
    one = learnt(train, test, tmp_path, 12_000, CPU, told.append)
    assert torch.equal(before, torch.random.get_rng_state())
    assert one.accuracy > 0.9
    assert one.tested == 179
    [sentence] = told
    assert "Learning a classifier of 10 classes" in sentence
    again = learnt(*parted(digits(resolution=16)), tmp_path, 12_000, CPU, pytest.fail)
    assert (again.accuracy, again.digest) == (one.accuracy, one.digest)
    longer = learnt(train, test, tmp_path, 1000, CPU, told.append)
    assert longer.digest != one.digest


def test_what_it_is_tested_on_it_did_not_learn_from():
    images = synthetic(count=57, resolution=8)
    train, test = parted(images)
    both = [batch["image"].flatten(1) for batch in (train[range(len(train))], test[range(len(test))])]
    everything = images[range(57)]["image"].flatten(1)
    assert sorted(map(tuple, torch.cat(both).tolist())) == sorted(map(tuple, everything.tolist()))
    assert len(test) == 5


def test_its_features_vary_by_1_on_the_mean(tmp_path: Path):
    images = synthetic(count=300, resolution=16)
    seen = extracted(ready(ClassifierFeatures(2000, str(tmp_path)), images), images[range(300)]["image"])
    assert seen["features"].shape == (300, FEATURES)
    assert seen["logits"].shape == (300, 10)
    assert float(seen["features"].var(0, correction=0).mean()) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(8, 8), (24, 40), (64, 48)])
def test_it_sees_images_of_any_shape(channels: int, size: tuple[int, int]):
    classifier = Classifier(channels, 3).eval()
    images = torch.rand(2, channels, *size) * 2 - 1
    assert classifier(images).shape == (2, 3)
    assert max(shrunk(images, LARGEST).shape[2:]) <= LARGEST
    assert shifted(images).shape == images.shape


def test_16_bits_become_8_and_the_protocol_tells_all(tmp_path: Path):
    wide = InMemory(np.full((30, 1, 40, 40), 65535, np.uint16), np.arange(30) % 2, ("a", "b"))
    extractor = ready(ClassifierFeatures(128, str(tmp_path)), wide)
    assert "features of a classifier of our own, learnt from this data set, seen at 32" in extractor.protocol
    assert "of 3 images that it did not learn from, weights " in extractor.protocol
    assert extractor.protocol.endswith("not comparable with FID")
    assert extractor.identity in f"classifier-{extractor.protocol}".replace("weights ", "classifier-")


def test_data_without_labels_are_refused():
    extractor = ClassifierFeatures()
    message = "metrics=fd learns a classifier of the labels of the data, but there are no classes"
    with pytest.raises(ValueError, match=message):
        extractor.check("fd", composed("data=stacked_mnist").data)
    extractor.check("fd", composed("data=digits").data)
    with pytest.raises(ValueError, match=r"features\.learn=0: give a number of images"):
        ClassifierFeatures(0)


# Content.


def test_content_is_that_of_the_pixels_and_labels_wherever_they_lie():
    images = synthetic(count=12, resolution=8)
    copy = InMemory(images.images.copy(), np.asarray(images.labels), images.names)
    assert content(images) == content(copy)
    changed = images.images.copy()
    changed[7, 1, 3, 3] ^= 1
    labels = np.asarray(images.labels).copy()
    labels[5] += 1
    others = [
        InMemory(changed, np.asarray(images.labels), images.names),
        InMemory(images.images, labels, images.names),
        InMemory(images.images),
        InMemory(images.images[:-1], np.asarray(images.labels)[:-1], images.names),
        InMemory(images.images[::-1].copy(), np.asarray(images.labels)[::-1].copy(), images.names),
    ]
    assert len({content(it) for it in [images, *others]}) == 6


def test_what_is_kept_is_made_once(tmp_path: Path):
    made: list[int] = []

    def make() -> dict[str, Tensor]:
        made.append(1)
        return {"a": torch.arange(5)}

    for _ in range(2):
        assert kept(tmp_path / "new" / "x.pt", make)["a"].tolist() == [0, 1, 2, 3, 4]
    assert made == [1]
    assert {it.name for it in (tmp_path / "new").iterdir()} == {".x.lock", "x.pt"}


def test_images_are_what_a_file_would_keep():
    exact = torch.arange(256).view(1, 1, 16, 16) / 127.5 - 1
    assert torch.equal(eight_bit(exact).flatten(), torch.arange(256, dtype=torch.uint8))
    assert eight_bit(torch.tensor([[-2.0, 2.0]])).tolist() == [[0, 255]]


# Inception.


def random_weights(network: nn.Module) -> None:
    """Of a scale that lets something of the image through."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the right shape that has learnt nothing."""
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    file = tmp_path_factory.mktemp("inception") / "random.pth"
    with pytest.MonkeyPatch.context() as patched, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        patched.setattr(fidelity.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        patched.setattr(fidelity.torch, "load", lambda *_, **__: None)
        network = fidelity.FeatureExtractorInceptionV3("random", ["2048"], "nowhere")
    random_weights(network)
    torch.save(network.state_dict(), file)
    return file


def test_inception_is_torch_fidelitys_bit_for_bit(weights: Path):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    state = torch.random.get_rng_state()
    mine = ready(Inception(weights=str(weights)))
    assert torch.equal(state, torch.random.get_rng_state())
    theirs = FeatureExtractorInceptionV3("theirs", ["2048", "logits_unbiased"], str(weights))
    images = pixels(3)
    seen = extracted(mine, images)
    features, logits = theirs(images)
    assert seen["features"].shape == (3, 2048)
    assert float(features.std()) > 1e-3
    torch.testing.assert_close(seen["features"], features, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(seen["logits"], logits, rtol=1e-4, atol=1e-5)
    assert mine.identity == f"inception-{digest_of(weights)}-tf1"
    assert "NOT the published ones" in mine.protocol


def test_the_clean_resize_keeps_floating_pixels_and_smooths_what_it_shrinks():
    fine = (
        torch.tensor([0.0, 255.0]).repeat(300).view(1, 1, 1, 600).expand(1, 3, 600, 600)
    )  # stripes of a pixel
    assert clean(fine, CPU)[:, :, :, 5:-5].std() < 10
    assert inception.enlarged(fine, CPU).std() > 50  # the reference makes a pattern of them: no antialiasing
    ramp = torch.arange(100.0).view(1, 1, 1, 100).expand(1, 3, 100, 100)
    large = clean(ramp, CPU)
    assert large.shape == (1, 3, 299, 299)
    assert len(large.unique()) > 256
    assert float(large.max()) <= 255


def test_grey_is_seen_as_colour_and_alpha_is_not_seen(weights: Path):
    extractor = ready(Inception("clean", str(weights)))
    grey = pixels(1, channels=1)
    expected = extracted(extractor, rgb(grey))["features"]
    torch.testing.assert_close(extracted(extractor, grey)["features"], expected)
    two = torch.cat([grey, pixels(1, 1).flip(3)], 1)
    torch.testing.assert_close(extracted(extractor, two)["features"], expected)
    assert extractor.identity.endswith("-clean")


def test_weights_that_are_not_there_are_named_with_their_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("torch_fidelity")

    def offline(*_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("gantool.weights.download", offline)
    with pytest.raises(ValueError, match=r"6726825d\.pth is not in .*metrics\.fd\.features\.weights=PATH"):
        ready(Inception())
    with pytest.raises(ValueError, match=r"nothing\.pth is no file of weights"):
        ready(Inception(weights=str(tmp_path / "nothing.pth")))
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth holds no weights of the Inception of 2015"):
        ready(Inception(weights=str(tmp_path / "other.pth")))
    with pytest.raises(ValueError, match=r"features\.resize=bilinear: give tf1 or clean"):
        Inception(resize="bilinear")  # pyright: ignore


@pytest.mark.parametrize(
    ("make", "package", "module"), [(Inception, "torch-fidelity", inception), (DINOv2, "timm", dinov2)]
)
def test_a_package_that_is_missing_is_named(
    make: Callable[[], Extractor], package: str, module: object, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=rf"metrics=fd needs {package}: pip install 'gantool\[metrics\]'"):
        make().check("fd", composed().data)


# DINOv2.


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the smallest one, named as its authors name them."""
    timm = pytest.importorskip("timm")
    file = tmp_path_factory.mktemp("dinov2") / "random.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = timm.create_model("vit_small_patch14_dinov2.lvd142m", pretrained=False, num_classes=0)
    own = network.state_dict()
    torch.save({**own, "mask_token": torch.zeros(1, 384)}, file)
    return file


def test_dinov2_answers_the_class_token_of_images_of_any_size(dino: Path):
    state = torch.random.get_rng_state()
    extractor = ready(DINOv2("vit_small_patch14_dinov2.lvd142m", str(dino)))
    assert torch.equal(state, torch.random.get_rng_state())
    seen = extracted(extractor, pixels(2, channels=1))
    assert seen["features"].shape == (2, 384)
    assert not torch.equal(*seen["features"].unbind())
    assert seen.keys() == {"features"}
    assert digest_of(dino) in extractor.identity
    assert extractor.protocol.endswith("not FID")


def test_what_is_no_dinov2_is_refused(dino: Path, weights: Path):
    with pytest.raises(ValueError, match=r"features\.network=resnet18: give timm's name of a DINOv2"):
        DINOv2("resnet18")
    with pytest.raises(ValueError, match=r"random\.pth holds no weights of vit_small"):
        ready(DINOv2("vit_small_patch14_dinov2.lvd142m", str(weights)))


def test_the_clean_resize_is_pillows_of_each_channel():
    image = pixels(1).float()
    expected = Image.fromarray(image[0, 1].numpy()).resize((299, 299), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(clean(image, CPU)[0, 1].numpy(), np.asarray(expected).clip(0, 255))
