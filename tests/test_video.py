"""Recycle-GAN: windows of frames, their duels, what holds frames together, the loop."""

from functools import partial
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from pytorch_lightning import Trainer
from small import composed, trained
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from gantool.augment.augment import Chain
from gantool.chance import keys
from gantool.checkpoint import load
from gantool.data.module import ImageData, in_range
from gantool.data.moving_shapes import moving_shapes
from gantool.fit import quiet
from gantool.gan import GAN
from gantool.losses.adversarial import LeastSquares
from gantool.losses.objective import Objective
from gantool.losses.reconstruction import Cycle, Identity
from gantool.losses.temporal import Recurrent, Recycle
from gantool.losses.top_k import TopK
from gantool.models import cyclegan, patchgan, pix2pix
from gantool.optim import Recipe
from gantool.summary import parameters
from gantool.tasks.unpaired import Unpaired
from gantool.tasks.video import Video
from gantool.video_duel import VideoDuel

CPU = torch.device("cpu")
BATCH = 2
SMALL = ["data=moving_shapes", "model=recyclegan", "data.width=4"]


class Linear(nn.Module):
    """Predicts x_3 = 2 x_2 - x_1: what moves evenly."""

    def __init__(self, source_channels: int, channels: int):
        super().__init__()
        assert source_channels == 2 * channels

    def forward(self, past: Tensor) -> Tensor:
        before, now = past.chunk(2, 1)
        return 2 * now - before


class Dim(nn.Module):
    """A translation that keeps even motion even: x to w x + c."""

    def __init__(self, source_channels: int, channels: int):
        super().__init__()
        self.weight, self.constant = nn.Parameter(torch.rand(())), nn.Parameter(torch.rand(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x + self.constant


def conv(source_channels: int = 3, channels: int = 3) -> nn.Module:
    return nn.Conv2d(source_channels, channels, 3, padding=1)


def patches(channels: int = 3) -> nn.Module:
    return nn.Conv2d(channels, 1, 3)


def video(G: Any = conv, predictor: Any = conv, **settings: Any) -> Video:
    torch.manual_seed(0)
    return Video(G, predictor, patches, {"a": 3, "b": 3}, **settings)


def noise(frames: int = 3, count: int = 2) -> dict[str, Tensor]:
    return {f"{side}{frame}": torch.randn(count, 3, 8, 8) for side in "ab" for frame in range(frames)}


def ramps() -> dict[str, Tensor]:
    """Every pixel changes evenly from frame to frame."""
    starts, speeds = ({side: torch.randn(2, 3, 8, 8) for side in "ab"} for _ in range(2))
    return {f"{side}{frame}": starts[side] + frame * speeds[side] for side in "ab" for frame in range(3)}


def duels(task: Video, batch: dict[str, Tensor]) -> list[VideoDuel]:
    found = task.duels(batch)
    assert all(isinstance(duel, VideoDuel) for duel in found)
    return found  # pyright: ignore


# Duels.


@pytest.mark.parametrize("frames", [2, 3, 4])
def test_a_predictor_is_given_all_frames_but_the_last_of_its_own_side(frames: int):
    asked: list[tuple[int, int]] = []

    def predictor(source_channels: int, channels: int) -> nn.Module:
        asked.append((source_channels, channels))
        return conv(source_channels, channels)

    task = Video(conv, predictor, patches, {"a": 1, "b": 3}, frames=frames)
    assert asked == [(frames - 1, 1), (3 * (frames - 1), 3)]
    batch = {
        f"{side}{frame}": torch.randn(2, depth, 8, 8)
        for side, depth in (("a", 1), ("b", 3))
        for frame in range(frames)
    }
    forth, back = duels(task, batch)
    assert forth.predictor is task.G["predictor_b"]  # pyright: ignore
    assert back.predictor is task.G["predictor_a"]  # pyright: ignore
    assert forth.fake.shape == forth.real.shape == (2 * frames, 3, 8, 8)
    assert back.predicted.shape == (2, 1, 8, 8)


def test_the_predictors_of_the_recipe_are_u_nets_from_two_frames_to_one():
    task = instantiate(composed(*SMALL, "data.channels=3", "data.source_channels=1").task, _convert_="all")
    for side, depth in (("a", 1), ("b", 3)):
        predictor = task.G[f"predictor_{side}"]
        assert isinstance(predictor, pix2pix.Generator)
        assert predictor(torch.randn(2, 2 * depth, 16, 16)).shape == (2, depth, 16, 16)
        assert torch.equal(
            *(predictor.train()(torch.ones(1, 2 * depth, 16, 16)) for _ in range(2))
        )  # no dropout


def test_the_published_hyper_parameters_are_the_defaults():
    rgb = ("data.channels=3", "data.source_channels=3")
    cfg = composed("model=recyclegan", "data=two_videos", "data.resolution=256", *rgb)
    assert (cfg.batch_size, cfg.task.history, cfg.task.frames, cfg.model.G.width) == (1, 0, 3, 64)
    assert (cfg.loss.G.recurrent.weight, cfg.loss.G.recycle.weight) == (10, 10)
    assert list(cfg.optimizer.betas) == [0.5, 0.999]
    with torch.device("meta"):
        task = instantiate(cfg.task, _convert_="all")
        assert (
            parameters(task.G["ab"]) == parameters(cyclegan.Generator(64, 3, 3, 128)) == 7_837_699
        )  # ResNet-6
        # The U-Net of pix2pix, without gains and biases of norms, but with biases of convolutions instead;
        # 3 channels more come in.
        assert parameters(task.G["predictor_a"]) == 54_409_603 + 3 * 64 * 16


def test_the_last_frame_is_never_translated_but_foreseen():
    task, batch = video(), noise()
    for duel, here, there in zip(duels(task, batch), "ab", "ba", strict=True):
        first, second, third = duel.fake.chunk(3)
        forth = task.G[here + there]  # pyright: ignore
        torch.testing.assert_close(first, forth(batch[f"{here}0"]))
        torch.testing.assert_close(second, forth(batch[f"{here}1"]))
        torch.testing.assert_close(third, duel.predictor(torch.cat([first, second], 1)))
        assert torch.equal(duel.foreseen, third)
        assert torch.equal(duel.awaited, batch[f"{here}2"])
        assert torch.equal(duel.future, batch[f"{there}2"])
        changed = task.duels({**batch, f"{here}2": torch.zeros(2, 3, 8, 8)})["ab".index(here)]
        assert torch.equal(changed.fake, duel.fake)


def test_d_also_judges_what_is_predicted_of_real_frames():
    task, batch = video(), noise()
    for duel, there in zip(duels(task, batch), "ba", strict=True):
        seen = duel.for_D()
        assert not seen.fake.requires_grad
        assert seen.real.shape == seen.fake.shape == seen.source.shape == (8, 3, 8, 8)
        past = torch.cat([batch[f"{there}0"], batch[f"{there}1"]], 1)
        torch.testing.assert_close(seen.fake[-2:], duel.predictor(past))
        assert torch.equal(seen.real[-2:], batch[f"{there}2"])
        assert torch.equal(seen.fake[:-2], duel.fake)
        assert duel.fake.requires_grad


def test_temporal_order_matters():
    task, batch = video(), noise()
    backwards = {f"{side}{frame}": batch[f"{side}{2 - frame}"] for side in "ab" for frame in range(3)}
    for term in (Recurrent(), Recycle()):
        for one, other in zip(duels(task, batch), duels(task, backwards), strict=True):
            assert not torch.isclose(term(one), term(other))


# Terms.


def test_the_recurrent_loss_of_even_motion_is_nothing_for_a_linear_predictor_and_something_for_uneven():
    task = video(predictor=Linear)
    for duel in duels(task, ramps()):
        torch.testing.assert_close(Recurrent()(duel), torch.zeros(()), atol=1e-6, rtol=0)
    for duel in duels(task, noise()):
        assert Recurrent()(duel) > 0.5


def test_the_recurrent_loss_is_of_real_frames_and_teaches_the_predictor_alone():
    task, batch = video(), noise()
    forth, _ = duels(task, batch)
    predicted = task.G["predictor_b"](torch.cat([batch["b0"], batch["b1"]], 1))  # pyright: ignore
    torch.testing.assert_close(Recurrent()(forth), l1_loss(predicted, batch["b2"]))
    torch.testing.assert_close(Recurrent(distance="l2")(forth), (predicted - batch["b2"]).square().mean())
    Recurrent()(forth).backward()
    moved = {name.split(".")[0] for name, value in task.G.named_parameters() if value.grad is not None}
    assert moved == {"predictor_b"}


def test_with_a_perfect_predictor_the_recycle_loss_is_the_cycle_loss_of_the_last_frame():
    task, batch = video(G=Dim, predictor=Linear), ramps()
    for duel, here, there in zip(duels(task, batch), "ab", "ba", strict=True):
        forth, back = task.G[here + there], task.G[there + here]  # pyright: ignore
        last = batch[f"{here}2"]
        torch.testing.assert_close(Recycle()(duel), l1_loss(back(forth(last)), last))
        every = [l1_loss(back(forth(batch[f"{here}{t}"])), batch[f"{here}{t}"]) for t in range(3)]
        torch.testing.assert_close(Cycle()(duel), torch.stack(every).mean())
        assert Recycle()(duel) > 0.1


def test_the_recycle_loss_teaches_both_ways_and_the_predictor_of_the_other_side():
    task = video()
    forth, _ = duels(task, noise())
    Recycle()(forth).backward()
    moved = {name.split(".")[0] for name, value in task.G.named_parameters() if value.grad is not None}
    assert moved == {"ab", "ba", "predictor_b"}


def test_terms_of_single_frames_suit_windows_and_terms_of_windows_refuse_single_frames():
    for term in (Cycle(), Identity(), Recurrent(), Recycle()):
        term.check("G.term", video())
    single = Unpaired(conv, patches, {"a": 3, "b": 3})
    for term in (Recurrent(), Recycle()):
        with pytest.raises(ValueError, match=r"loss\.G\.recycle needs predictors"):
            term.check("G.recycle", single)


def test_a_window_of_one_frame_and_data_without_windows_are_refused():
    with pytest.raises(ValueError, match=r"task\.frames=1.*give 2 or more"):
        video(frames=1)
    with pytest.raises(ValueError, match=r"this data set holds a and b: choose data=two_videos"):
        video().suit(("a", "b"))


# Chance.


def test_frames_of_a_window_have_chances_of_their_own_the_same_for_either_player():
    forth, _ = duels(video(), noise(count=5))
    forth.key = keys(5, CPU)
    seen = forth.for_D()
    assert len(set(seen.seeds.tolist())) == 20
    assert torch.equal(seen.seeds[:15], forth.seeds)
    assert torch.equal(seen.chance("real flip", 2)[:15], forth.chance("real flip", 2))


def test_two_processes_draw_for_the_frames_of_their_windows_what_one_would():
    batch, key = noise(count=6), keys(6, CPU)
    whole, _ = duels(video(), batch)
    whole.key = key
    parts: list[tuple[Tensor, Tensor]] = []
    for rank in range(2):
        part, _ = duels(video(), {name: value[rank::2] for name, value in batch.items()})
        part.key = key[rank::2]
        parts.append((part.seeds, part.for_D().real))
    seeds, real = (torch.stack(both, 1).flatten(0, 1) for both in zip(*parts, strict=True))
    assert torch.equal(seeds, whole.seeds)  # gathered as history.py gathers
    assert torch.equal(real, whole.for_D().real)


def test_micro_batches_of_windows_give_the_gradients_of_the_whole():
    task, batch = video(), noise(count=4)
    drawn = {**batch, "key": keys(4, CPU)}

    def gradient(*parts: slice) -> Tensor:
        task.zero_grad()
        for part in parts:
            for duel in task.duels({name: value[part] for name, value in drawn.items()}):
                (LeastSquares().generator(duel) + Recycle()(duel)).div(len(parts)).backward()
        return torch.cat([p.grad.flatten() for p in task.G.parameters() if p.grad is not None])

    torch.testing.assert_close(gradient(slice(2), slice(2, 4)), gradient(slice(4)))


def test_old_fakes_are_whole_windows_the_same_in_micro_batches():
    batches = [noise(count=4) | {"key": keys(4, CPU)} for _ in range(4)]

    def shown(*parts: slice) -> list[Tensor]:
        task, found = video(history=3), list[Tensor]()
        for batch in batches:
            for part in parts:
                chunk = {name: value[part] for name, value in batch.items()}
                forth, _ = duels(task, chunk)
                forth.key = chunk["key"]
                found.append(torch.stack(forth.for_D().fake.chunk(4), 1))  # (n, 4, 3, 8, 8)
        return found

    whole, parts = (torch.cat(shown(*it)) for it in ([slice(4)], [slice(1), slice(1, 4)]))
    torch.testing.assert_close(whole, parts)
    fresh = torch.cat(
        [duels(video(), it)[0].for_D().fake.unflatten(0, (4, 4)).transpose(0, 1) for it in batches]
    )
    old = (whole != fresh).flatten(1).any(1)
    assert 0 < old.sum() < len(old)
    assert (whole != fresh)[old].flatten(2).any(2).all()  # every frame of it


def test_a_lens_that_chooses_among_fakes_chooses_among_frames():
    forth, _ = duels(video(), noise(count=2))
    forth.key = keys(2, CPU)
    best = TopK(0.5)(forth, LeastSquares(), images=0)
    assert best.fake.shape == (3, 3, 8, 8)
    assert best.chance("x", 1).shape == (3, 1)


def test_augmentation_moves_every_frame_that_d_sees():
    video().check(Chain([]))


# The loop.


def test_recyclegan_equals_a_hand_written_loop_bit_for_bit():
    def task() -> Video:
        torch.manual_seed(0)
        G = partial(cyclegan.Generator, width=4, resolution=16, blocks=1)
        P = partial(
            pix2pix.Generator, width=4, resolution=16, norm="plain_instance", dropout=0.0, noise=False
        )
        D = partial(patchgan.Discriminator, width=4, resolution=16)
        return Video(G, P, D, {"a": 3, "b": 3})

    images = moving_shapes(frames=3)
    adam = partial[Any](torch.optim.Adam, lr=1e-2, betas=(0.5, 0.999))
    recipes: dict[Any, Recipe] = {player: Recipe(adam) for player in "DG"}  # pyright: ignore
    terms = {"recurrent": Recurrent(10.0), "recycle": Recycle(10.0)}
    gan = GAN(task(), Objective(LeastSquares(weight=6.0), G=terms), recipes, share_fakes=True, seed=5)
    quiet()
    trainer = Trainer(
        max_steps=5,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(gan, ImageData(images, BATCH, seed=3))

    plain, walk = task(), images.walk(3)
    ab, ba, of_a, of_b = (plain.G[it] for it in ("ab", "ba", "predictor_a", "predictor_b"))  # pyright: ignore
    for_G, for_D = (torch.optim.Adam(it.parameters(), 1e-2, (0.5, 0.999)) for it in (plain.G, plain.D))
    for iteration in range(5):
        batch = in_range(images[walk(iteration * BATCH, BATCH)], torch.float32)
        ways: list[tuple[Tensor, ...]] = []
        for here, there, forth, predictor in (("a", "b", ab, of_b), ("b", "a", ba, of_a)):
            first, second = forth(torch.cat([batch[f"{here}0"], batch[f"{here}1"]])).chunk(2)
            third = predictor(torch.cat([first, second], 1))
            guess = predictor(torch.cat([batch[f"{there}0"], batch[f"{there}1"]], 1))
            ways.append((torch.cat([first, second, third]), third, guess))
        for_D.zero_grad()
        judged = torch.zeros(())
        for (fake, _, guess), there in zip(ways, "ba", strict=True):
            D = plain.D[there]  # pyright: ignore
            real = torch.cat([batch[f"{there}{t}"] for t in (0, 1, 2, 2)])
            shown = torch.cat([fake.detach(), guess.detach()])
            judged = judged + (((D(real) - 1) ** 2).mean() + (D(shown) ** 2).mean()) / 2
        judged.backward()
        for_D.step()
        for_G.zero_grad()  # fool: a sum over three frames
        fool, recurrent, recycle = [], [], []
        for (fake, third, guess), here, there, back in zip(ways, "ab", "ba", (ba, ab), strict=True):
            fool.append(((plain.D[there](fake) - 1) ** 2).mean())  # pyright: ignore
            recurrent.append(l1_loss(guess, batch[f"{there}2"]))
            recycle.append(l1_loss(back(third), batch[f"{here}2"]))
        (3 * sum(fool) + 10 * sum(recurrent) + 10 * sum(recycle)).backward()  # pyright: ignore
        for_G.step()

    for name, value in plain.state_dict().items():
        assert torch.equal(gan.task.state_dict()[name], value), name


def test_the_same_data_train_cyclegan_frame_by_frame(tmp_path: Any):
    assert trained(tmp_path, "model=cyclegan", "data=moving_shapes", "images=16") == 0
    gan, cfg = load(tmp_path / "checkpoints" / "last.ckpt")
    assert isinstance(gan.task, Unpaired)
    assert cfg.data.frames == 1


def test_windows_are_as_long_as_the_task_wants_them(tmp_path: Any):
    assert trained(tmp_path, "model=recyclegan", "task.frames=4", "images=16") == 0
    gan, cfg = load(tmp_path / "checkpoints" / "last.ckpt")
    assert cfg.data.frames == 4
    assert gan.task.entries[3:5] == ("a3", "b0")


def test_old_fakes_are_kept_where_that_is_asked_for(tmp_path: Any):
    assert trained(tmp_path, "model=recyclegan", "task.history=7", "images=16") == 0
    gan, _ = load(tmp_path / "checkpoints" / "last.ckpt")
    assert gan.task.history["b"].images.shape == (7, 4 * 3, 16, 16)  # pyright: ignore


def test_windows_train_behind_augmentations_and_lenses_made_for_images(tmp_path: Any):
    """What is random about a window is drawn for each of its frames, however many a player sees."""
    tricks = ("augment=[ada,diffaug]", "augment.ada.p.start=0.5", "trick=[top_k]", "images=16")
    assert trained(tmp_path, "model=recyclegan", *tricks) == 0
