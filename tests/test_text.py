"""Text to image: what is read in captions, what players learn from them, and what is measured of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from rich.console import Console
from small import batch_of, composed, small, trained
from torch import Tensor, nn

from gantool.build import build
from gantool.data.captioned_shapes import captioned_shapes
from gantool.data.module import in_range
from gantool.data.vocabulary import Vocabulary
from gantool.evaluate import evaluate
from gantool.layers.text import Bag, Projection, Recurrent, Text
from gantool.losses.adversarial import Hinge, LeastSquares, NonSaturating
from gantool.losses.equilibrium import Equilibrium
from gantool.losses.matching import ConditioningAugmentation, Interpolation, Mismatch, divergence
from gantool.metrics.attributes import Attributes, means
from gantool.metrics.r_precision import RPrecision
from gantool.metrics.sight import Couples
from gantool.metrics.told import Told, parted, sayings
from gantool.models.gan_cls import Discriminator, Generator
from gantool.priors import Gaussian
from gantool.tasks import text as task_text
from gantool.tasks.generation import Generation
from gantool.tasks.text import TextDuel
from gantool.train import train
from gantool.trained import load

QUIET = Console(quiet=True)
TOKENS = torch.tensor([[2, 3, 4, 0], [4, 3, 2, 0], [2, 2, 0, 0]])
READERS = ["gru", "bag_of_words"]
FEW = ("data.resolution=16", "data.words=12", "data.classes=0", "data.text_width=8")


# Reading.


@pytest.mark.parametrize("reader", READERS)
def test_padding_does_not_change_what_is_read(reader: str):
    text = Text(reader, words=6, embedding=0, size=5).eval()
    assert text(TOKENS).equal(text(torch.cat([TOKENS, torch.zeros(3, 4, dtype=torch.long)], 1)))
    torch.testing.assert_close(text(TOKENS)[2:], text(TOKENS[2:, :2]))


@pytest.mark.parametrize("reader", READERS)
def test_between_a_caption_and_itself_is_the_caption(reader: str):
    text = Text(reader, words=6, embedding=0, size=5).eval()
    torch.testing.assert_close(text(torch.stack([TOKENS, TOKENS], 1)), text(TOKENS))
    embedded = Text(reader, words=0, embedding=7, size=5).eval()
    caption = torch.randn(3, 7)
    torch.testing.assert_close(embedded(torch.stack([caption, caption], 1)), embedded(caption))


def test_between_two_captions_is_the_mean_of_what_is_read_in_them():
    text = Text("gru", words=6, embedding=0, size=5).eval()
    other = TOKENS.flip(0)
    torch.testing.assert_close(text(torch.stack([TOKENS, other], 1)), (text(TOKENS) + text(other)) / 2)


def test_a_bag_does_not_know_the_order_of_words_and_a_recurrent_network_does():
    bag, recurrent = Bag(6, 5), Recurrent(6, 5)
    torch.testing.assert_close(bag(TOKENS[:1]), bag(TOKENS[1:2]))
    assert not torch.allclose(recurrent(TOKENS[:1]), recurrent(TOKENS[1:2]))


def test_a_bag_is_the_mean_of_its_words_and_without_any_it_is_zero():
    bag = Bag(6, 5)
    torch.testing.assert_close(bag(torch.tensor([[2, 4, 0]]))[0], (bag.vectors[2] + bag.vectors[4]) / 2)
    assert bag(torch.zeros(1, 3, dtype=torch.long)).eq(0).all()


def test_a_recurrent_reader_is_torchs_gru():
    ours = Recurrent(6, 5)
    theirs = nn.GRU(5, 5, batch_first=True)
    pairs = zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), theirs._flat_weights, strict=True)
    with torch.no_grad():
        for name, weight in pairs:
            assert weight is not None
            weight.copy_(ours.cell.get_parameter(name))
    whole = TOKENS[:, :2]
    torch.testing.assert_close(ours(whole), theirs(ours.vectors[whole])[1][0])


def test_captions_are_normalised_over_a_batch_and_what_they_share_goes():
    text = Text("bag_of_words", words=9, embedding=0, size=5)
    with torch.no_grad():
        text.reader.get_parameter("vectors").add_(100.0)
    read = text(torch.randint(2, 9, (64, 3)))
    torch.testing.assert_close(read.mean(0), torch.zeros(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(read.std(0, correction=0), torch.ones(5), atol=1e-2, rtol=0)
    assert not list(Text("gru", 9, 0, 5, normalised=False).norm.buffers())


def test_a_projection_begins_alike_whatever_init_says():
    cfg = composed("model=gan_cls", "data=captioned_shapes", "data.count=20", "task.words=28")
    network = instantiate(cfg.model.G)()
    before = network.projection.weight.clone()
    instantiate(cfg.init.G)(network)
    assert network.projection.weight.equal(before)
    assert isinstance(network.projection, Projection)


def test_an_unknown_reader_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="text=lstm: choose one of gru, bag_of_words"):
        Text("lstm", 5, 0, 5)


# Players.


def players(augmentation: bool = False, norm: str = "batch") -> tuple[Generator, Discriminator]:
    told: dict[str, Any] = {
        "text": "gru",
        "words": 28,
        "embedding": 0,
        "text_width": 6,
        "projected": 4,
        "norm": norm,
    }
    G = Generator(12, 4, channels=3, resolution=16, augmentation=augmentation, **told)
    return G, Discriminator(4, channels=3, resolution=16, **told)


def task_of(**given: Any) -> task_text.Text:
    G, D = players(**given)
    return task_text.Text(lambda: G, lambda: D, Gaussian(12), words=28, embedding=0)


def duel_of(task: task_text.Text, count: int = 6) -> TextDuel:
    torch.manual_seed(3)
    shapes = captioned_shapes(count=40)
    [duel] = task.duels(task.draw(in_range(shapes[range(count)], torch.float32)))
    assert isinstance(duel, TextDuel)
    return duel


def test_both_players_heed_the_caption():
    G, D = (network.eval() for network in players())
    z, one, other = torch.randn(1, 12), torch.tensor([[2, 3]]), torch.tensor([[3, 2]])
    assert not torch.allclose(G(z, one), G(z, other))
    assert not torch.allclose(D(G(z, one), one), D(G(z, one), other))


def test_each_player_reads_for_itself():
    G, D = players()
    assert not {*map(id, G.parameters())} & {*map(id, D.parameters())}


def test_epsilon_is_the_end_of_the_latent_and_without_it_g_hears_the_mean():
    G, _ = players(augmentation=True)
    G.eval()
    z, caption = torch.randn(3, 12), TOKENS
    mu, log_sigma = G.told(caption)
    assert log_sigma is not None
    assert mu.shape == log_sigma.shape == (3, 4)
    heard: list[Tensor] = []
    G.body.register_forward_pre_hook(lambda module, args: heard.append(args[0]))
    G(z, caption)
    torch.testing.assert_close(heard[0][:, :8], z[:, :8])
    torch.testing.assert_close(heard[0][:, 8:], mu + log_sigma.exp() * z[:, 8:])


def test_a_latent_without_room_for_epsilon_is_refused():
    with pytest.raises(ValueError, match=r"model.G.latent=4: its last 4 numbers .* such as 104"):
        Generator(4, 4, 3, 16, "gru", 9, 0, 6, projected=4, augmentation=True)


def test_a_player_without_batch_norm_judges_each_sample_alone():
    _, D = players(norm="layer")
    images = torch.randn(3, 3, 16, 16)
    alone = [D(images[i : i + 1], TOKENS[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(D(images, TOKENS), torch.cat(alone))


def test_data_without_captions_are_refused_with_those_that_have_some():
    with pytest.raises(ValueError, match=r"this data set has none: choose data=captions.*captioned_shapes"):
        task_text.Text(nn.Identity, nn.Identity, Gaussian(12), words=0, embedding=0)


def test_a_drawn_batch_tells_captions_in_the_place_of_labels():
    task = task_of()
    batch = batch_of(composed("data=captioned_shapes", "data.count=20"), 3)
    drawn = task.draw(batch)
    assert drawn["label"].equal(batch["caption"])
    again = task.draw({"label": TOKENS})
    assert again["caption"].equal(TOKENS)
    assert task.generate(task.G, again)["fake"].shape == (3, 3, 16, 16)


# Losses.


@pytest.mark.parametrize("adversarial", [NonSaturating(), Hinge(), LeastSquares()])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_mismatched_reals_take_over_a_share_of_what_d_loses_over_fakes(adversarial: Any, share: float):
    """R + w M + (1 - w) F: linear between D against fakes alone and D against mismatched reals alone."""
    duel = duel_of(task_of(norm="layer"))
    assert duel.mismatch is not None
    fakes = adversarial.discriminator(duel)
    wrong = duel.discriminator(duel.real_view, duel.mismatch)
    other = task_text.TextDuel(duel.generator, duel.discriminator, duel.source, duel.real, duel.fake)
    vars(other).update(real_verdict=duel.real_verdict, fake_verdict={"logits": wrong})
    mismatched = adversarial.discriminator(other)
    whole = fakes + share * Mismatch(adversarial)(duel)
    torch.testing.assert_close(whole, share * mismatched + (1 - share) * fakes)


def test_the_loss_of_gan_cls_is_that_of_algorithm_1():
    """log s_r + (log(1 - s_w) + log(1 - s_f)) / 2, maximised."""
    cfg = composed("model=gan_cls", "data=captioned_shapes", "data.count=20")
    objective = instantiate(cfg.loss, _convert_="all")
    duel = duel_of(task_of(norm="layer"))
    assert duel.mismatch is not None
    real, fake = duel.real_logits.sigmoid(), duel.fake_logits.sigmoid()
    wrong = duel.discriminator(duel.real_view, duel.mismatch).sigmoid()
    expected = -(real.log() + ((1 - wrong).log() + (1 - fake).log()) / 2).mean()
    losses = objective("D", [duel], 0, 0)
    torch.testing.assert_close(losses["adversarial"] + losses["mismatch"], expected)


def test_interpolation_with_the_caption_itself_is_the_plain_loss():
    duel = duel_of(task_of(norm="layer"))
    for player in (duel.generator, duel.discriminator):
        player.eval()
    assert duel.condition is not None
    duel.mismatch, duel.fake = duel.condition, duel.generator(duel.source, duel.condition)
    plain = NonSaturating().generator(duel)
    torch.testing.assert_close(Interpolation(NonSaturating())(duel), plain)


def test_interpolation_lies_between_two_captions():
    """Both players are told the mean."""
    duel = duel_of(task_of())
    told: list[Tensor] = []
    for player in (duel.generator, duel.discriminator):
        player.register_forward_pre_hook(lambda module, args: told.append(args[1]))
    Interpolation(NonSaturating())(duel)
    assert duel.condition is not None
    assert duel.mismatch is not None
    assert all(one.equal(torch.stack([duel.condition, duel.mismatch], 1)) for one in told)
    assert len(told) == 2


def test_the_divergence_is_zero_where_what_is_heard_is_standard_normal():
    zero = torch.zeros(3, 4)
    assert divergence(zero, zero) == 0
    assert divergence(zero + 0.1, zero) > 0
    assert divergence(zero, zero - 0.1) > 0
    mu, log_sigma = torch.randn(5, 4), torch.randn(5, 4) / 2
    normal = torch.distributions.Normal(mu, log_sigma.exp())
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(divergence(mu, log_sigma), expected)


def test_conditioning_augmentation_measures_what_g_hears():
    duel = duel_of(task_of(augmentation=True))
    assert isinstance(duel.generator, Generator)
    duel.generator.eval()
    assert duel.condition is not None
    mu, log_sigma = duel.generator.told(duel.condition)
    assert log_sigma is not None
    assert ConditioningAugmentation()(duel) == divergence(mu, log_sigma)


def test_terms_are_refused_where_there_are_no_captions_and_losses_that_remember():
    G, D = nn.Identity(), nn.Identity()
    plain = Generation(lambda: G, lambda: D, Gaussian(12))
    for term in (Mismatch(NonSaturating()), Interpolation(NonSaturating())):
        with pytest.raises(ValueError, match="loss.D.one compares captions: it needs task=text"):
            term.check("D.one", plain)
    with pytest.raises(ValueError, match="loss.D.one shows Equilibrium images that are none of the game"):
        Mismatch(Equilibrium(0.5, 0.001)).check("D.one", task_of())
    with pytest.raises(ValueError, match="loss.G.one measures a G that augments captions"):
        ConditioningAugmentation().check("G.one", task_of())


# Training.


FEW = ("data.count=24", "data.text_width=8", "model.G.projected=8")


@pytest.mark.parametrize(
    "more",
    [
        ["trick=conditioning_augmentation", "model.G.latent=20"],
        ["model.G.text=bag_of_words"],
        ["model.D.norm=layer", "trick=r1"],
        ["~loss.G.interpolation"],
        ["micro_batch=4", "share_fakes=false"],
        ["loss.adversarial._target_=gantool.losses.adversarial.Hinge"],
    ],
    ids=lambda more: more[0],
)
def test_what_may_be_chosen_trains(more: list[str], tmp_path: Path):
    assert trained(tmp_path, "model=gan_cls", *FEW, "images=16", "log_every=1", *more) == 0
    rows = (tmp_path / "metrics.csv").read_text().splitlines()[0]
    assert ("G/augmentation" in rows) == ("augmentation" in more[0])
    assert ("G/interpolation" in rows) == ("interpolation" not in more[0])
    assert "D/mismatch" in rows


def test_micro_batches_do_not_change_the_captions_that_mismatch():
    """Both terms are means over samples: without batch norm the loss of a batch is the mean of its parts."""
    cfg = composed(*small("model=gan_cls", *FEW, "model.D.norm=layer", "model.G.norm=layer"))
    gan = build(cfg)
    gan.task.G.text.norm = nn.Identity()  # pyright: ignore
    drawn = gan.task.draw(batch_of(cfg, 8))
    drawn["key"] = torch.arange(8)
    objective = gan.objective

    def losses(rows: slice) -> Tensor:
        duels = gan.duels({name: value[rows] for name, value in drawn.items()})
        return torch.stack([*objective("D", [duels[0].for_D()], 0, 0).values()])

    parts = [losses(slice(start, start + 4)) for start in (0, 4)]
    torch.testing.assert_close(losses(slice(0, 8)), (parts[0] + parts[1]) / 2)


def test_captions_of_your_own_train_a_model_that_a_run_remembers(tmp_path: Path):
    from test_captions import folder

    given = [f"data.{key}={value}" for key, value in folder(tmp_path).items()]
    few = [
        "data=captions",
        "data.resolution=16",
        *given,
        "model=gan_cls",
        "model.G.width=4",
        "model.D.width=4",
    ]
    here = ["images=16", "batch_size=8", "samples=4", "logger=none", "trainer.accelerator=cpu"]
    assert train(composed(*few, *here), tmp_path / "run", [*few, *here], QUIET) == 0
    _, config = load(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert "cat" in config.data.vocabulary
    assert {*config.data.examples} == {"a cat", "a dog", "the bird is red"}


# Metrics.


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run, its configuration, and its images."""
    folder = tmp_path_factory.mktemp("run")
    numbers = ["data.count=400", "data.text_width=8", "images=16"]
    assert trained(folder, "model=gan_cls", *numbers) == 0
    return folder


def test_fakes_are_made_of_captions_that_reals_have(subject: Path):
    from gantool.finished import set_of
    from gantool.subject import Subject

    gan, config = load(subject / "checkpoints" / "last.ckpt")
    images = set_of(config, False)
    about = Subject(gan, config, images, seed=0, together=8)
    shown = Told().show(about, about.generator(), range(4, 12))
    assert shown.labels is not None
    places = shown.labels.tolist()
    assert places == about.order(4, 8)
    with torch.no_grad():
        expected = about.generated(about.generator(), range(4, 12), images[places]["caption"])
    torch.testing.assert_close(shown.images[""][0], expected)


METRICS = {"attributes": "attribute_accuracy", "r_precision": "r_precision"}


@pytest.mark.parametrize("metric", METRICS)
def test_a_run_is_measured_beside_reals_and_chance(metric: str, subject: Path, tmp_path: Path):
    cfg = composed(
        f"run={subject}",
        f"metrics={metric}",
        f"metrics.{metric}.learn=6000",
        f"metrics.{metric}.cache={tmp_path}",
        "count=40",
        f"out={tmp_path}",
        name="evaluate",
    )
    [file] = evaluate(cfg, QUIET)
    record = json.loads(file.read_text())
    name = METRICS[metric]
    assert record["samples"] == 40
    real, fake = record[f"real_{name}"], record[name]
    chance = record["chance"] if metric == "r_precision" else record[f"chance_{name}"]
    assert 0 <= fake <= 1
    assert real > 2 * chance if metric == "r_precision" else real > chance + 0.1
    assert "captions as often as in the data" in record["protocol"]
    kept = [one for one in tmp_path.glob("*.pt")]
    assert len(kept) == 1
    before = kept[0].stat().st_mtime_ns
    evaluate(cfg, QUIET)
    assert kept[0].stat().st_mtime_ns == before
    assert json.loads(file.read_text()) == record


@pytest.mark.parametrize("kind", [Attributes, RPrecision])
def test_reals_shown_as_fakes_score_as_reals(kind: Any, tmp_path: Path):
    from gantool.metrics.sight import Shown

    images = captioned_shapes(count=200)
    metric = kind(learn=2000, cache=str(tmp_path))
    metric.prepare(composed("data=captioned_shapes").data, images, torch.device("cpu"), lambda said: None)
    places = parted(images)[1]
    reals = in_range(images[places], torch.float32)["image"]
    found = metric.judge(metric.look(Shown({"": (reals,)}, torch.tensor(places)))).record
    for name, value in found.items():
        if name.startswith("real_"):
            assert found[name.removeprefix("real_")] == value


def test_a_caption_holds_where_all_its_claims_do():
    held = torch.tensor([[1, 1, -1], [1, 0, 1], [-1, 1, 1], [0, 0, -1]])
    assert means(held) == {"attribute_accuracy": pytest.approx(6 / 9), "caption_accuracy": 0.5}


def test_distractors_contradict_the_caption_and_none_is_twice():
    images = captioned_shapes(count=300)
    metric = RPrecision()
    metric.images = images
    for place in range(20):
        own, *others = metric.choices(place)
        assert own == images.own(place)[0]
        assert len({own, *others}) == 100
        assert images.contrary(place)[others].all()
        assert metric.choices(place) == [own, *others]


def test_too_few_captions_for_distractors_are_refused(tmp_path: Path):
    from test_captions import plain

    metric = RPrecision(cache=str(tmp_path))
    with pytest.raises(ValueError, match="metrics.r_precision.distractors=99: only 2 captions"):
        metric.prepare(composed("data=synthetic").data, plain(), torch.device("cpu"), lambda said: None)


@pytest.mark.parametrize("metric", METRICS)
def test_models_and_data_without_captions_are_refused(metric: str):
    with pytest.raises(ValueError, match=f"metrics={metric} compares images with the captions"):
        trained(Path("nowhere"), "model=dcgan", f"metrics={metric}")


def test_attributes_are_known_of_shapes_alone():
    cfg = composed("data=captions", "data.path=a", "data.captions=b")
    with pytest.raises(ValueError, match="metrics=attributes needs captions whose claims are exactly known"):
        Attributes().check(task_of(), cfg.data)


@pytest.mark.parametrize(("kind", "key"), [(Attributes, "learn"), (RPrecision, "distractors")])
def test_numbers_that_measure_nothing_are_refused(kind: Any, key: str):
    with pytest.raises(ValueError, match=f"{key}=0: give 1 or more"):
        kind(**{key: 0})


def test_a_metric_is_measured_while_training(tmp_path: Path):
    few = ["metrics=attributes", "metrics.attributes.learn=300", f"metrics.attributes.cache={tmp_path}"]
    numbers = ["metrics.attributes.count=20", "evaluate_every=8", "images=16"]
    assert trained(tmp_path / "run", "model=gan_cls", *FEW, *few, *numbers) == 0
    assert "metric/attribute_accuracy" in (tmp_path / "run" / "metrics.csv").read_text()


def test_more_mismatches_than_fakes_are_refused():
    with pytest.raises(
        ValueError, match=r"loss.D.mismatch.weight=2: give the share of mismatches, from 0 to 1"
    ):
        build(composed(*small("model=gan_cls", "loss.D.mismatch.weight=2"), *FEW))


def test_an_epsilon_that_is_not_gaussian_is_refused():
    words = small("model=gan_cls", "trick=conditioning_augmentation", "prior=uniform", "model.G.latent=20")
    with pytest.raises(
        ValueError, match="needs epsilon, the end of the latent, to be N.0, 1.: use prior=gaussian"
    ):
        build(composed(*words, *FEW))


@pytest.mark.parametrize(
    ("words", "key"),
    [(["batch_size=1"], "batch_size=1:"), (["batch_size=9", "micro_batch=4"], "batch_size=9 micro_batch=4:")],
)
def test_passes_of_one_image_are_refused_where_captions_are_normalised(words: list[str], key: str):
    with pytest.raises(ValueError, match=f"{key} .* two images or more in every pass"):
        build(composed(*small("model=gan_cls", "generator_batch_size=${batch_size}", *words), *FEW))


def test_frozen_layers_see_the_image_and_readers_go_on_learning():
    task = build(composed(*small("model=gan_cls", "freeze.D=2"), *FEW)).task
    still = {name for name, value in task.D.named_parameters() if not value.requires_grad}
    assert {name.partition(".")[0] for name in still} == {"image"}
    assert (
        len([name for name in still if name.endswith("weight") and task.D.get_parameter(name).ndim == 4]) == 2
    )


def test_what_judges_is_taught_anew_where_a_caption_was_changed():
    from test_captions import TEXTS, plain

    known = sayings(plain())
    assert sayings(plain()) == known
    edited = (["a cat", "a large cat"], *TEXTS[1:])
    assert sayings(plain(edited)) != known
    assert sayings(plain(TEXTS, Vocabulary.of(["a cat", "a dog", "the bird is red"]))) != known


def test_pairs_of_fakes_are_of_any_captions_as_pairs_of_reals_are(subject: Path):
    from gantool.finished import set_of
    from gantool.subject import Subject

    gan, config = load(subject / "checkpoints" / "last.ckpt")
    about = Subject(gan, config, set_of(config, False), seed=0, together=8)
    pair = Couples().show(about, about.generator(), range(6)).images[""]
    captions = about.labels(range(12))
    for side, images in enumerate(pair):
        expected = about.generated(about.generator(), range(side, 12, 2), captions[side::2])
        torch.testing.assert_close(images, expected)
    assert not captions[::2].equal(captions[1::2])
