"""A batch size that changes while training."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from small import SMALL, composed, trained

from gantool.batches import iterations, sizes
from gantool.checkpoint import read
from gantool.data.module import Batches
from gantool.data.order import Order
from gantool.schedules import Switch
from gantool.shares import Share

SWITCH = "{_target_:gantool.schedules.Switch,before:8,after:4,images:24}"
CHANGING = (f"batch_size={SWITCH}", "generator_batch_size=${batch_size}", "log_every=1")


def test_batches_of_changing_size_walk_through_every_image_once():
    order = Order(48, seed=1)
    schedule = Switch(before=8, after=4, images=24)
    batches = list(islice(Batches(order, schedule, lambda: 0), 9))
    assert [len(batch) for batch in batches] == [8] * 3 + [4] * 6
    assert sorted(index for batch in batches for index in batch) == list(range(48))


def test_a_walk_goes_on_where_it_was_left_with_the_size_that_is_due():
    schedule = Switch(before=8, after=4, images=24)
    order = Order(40, seed=1)
    whole = list(islice(Batches(order, schedule, lambda: 0, minibatches=2), 4))
    rest = list(islice(Batches(order, schedule, lambda: 32, minibatches=2), 2))
    assert [len(batch) for batch in whole] == [16, 16, 8, 8]
    assert rest == whole[2:]


def test_processes_share_batches_of_changing_size():
    schedule = Switch(before=8, after=4, images=24)
    whole, first, second = (
        list(islice(Batches(Order(40, 1), schedule, lambda: 0, share), 5))
        for share in (Share(), Share(0, 2), Share(1, 2))
    )
    assert [batch[0::2] for batch in whole] == first
    assert [batch[1::2] for batch in whole] == second


def test_iterations_are_counted_in_parts_that_are_alike():
    constant = composed(*SMALL, "images=60", "n_critic=2")
    assert list(iterations(constant)) == [(4, 16)]
    assert list(iterations(constant, 48)) == [(1, 16)]
    assert list(iterations(constant, 64)) == []
    changing = composed(*SMALL, *CHANGING, "images=32")
    assert list(iterations(changing)) == [(3, 8), (2, 4)]
    assert sizes(changing, "batch_size") == sizes(changing, "generator_batch_size") == [8, 4]


def test_a_batch_size_that_becomes_a_fraction_is_refused(tmp_path: Path):
    line = "batch_size={_target_:gantool.schedules.Switch,before:8,after:2.5,images:24}"
    with pytest.raises(ValueError, match=r"batch_size=2\.5"):
        trained(tmp_path, line)


def test_a_run_whose_batch_size_changes_resumes_bit_for_bit(tmp_path: Path):
    assert trained(tmp_path / "whole", *CHANGING, "images=40") == 0
    assert trained(tmp_path / "parts", *CHANGING, "images=28", "checkpoint_every=4") == 0
    assert trained(tmp_path / "parts", "images=40", f"resume={tmp_path / 'parts'}") == 0
    whole, parts = (read(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("whole", "parts"))
    assert whole["clock"] == parts["clock"] == {"iteration": 7, "images": 40}
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, parts["state_dict"][name]), name
