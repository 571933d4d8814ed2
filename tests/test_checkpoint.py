"""Checkpoints: safe to load, never half written, and building nothing but what is ours."""

import errno
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from small import trained

from gantool.build import refuse_foreign
from gantool.catalogue import FOLDER
from gantool.checkpoint import AtomicIO, load, read
from gantool.runs import checkpoint


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    trained(folder, "images=16", "milestone_every=8", "ema=100")
    return folder


def last(run: Path) -> Path:
    return run / "checkpoints" / "last.ckpt"


def test_a_checkpoint_holds_only_tensors_and_plain_containers(run: Path):
    content = torch.load(last(run), weights_only=True)

    def check(value: Any) -> None:
        if isinstance(value, dict | OrderedDict):
            for key, inside in value.items():
                assert isinstance(key, str | int)
                check(inside)
        elif isinstance(value, list | tuple):
            for inside in value:
                check(inside)
        else:
            assert isinstance(value, torch.Tensor | str | int | float | bool | None), value

    check(content["gantool"])
    check(content["state_dict"])
    check(content["optimizer_states"])


def test_milestones_stay(run: Path):
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == ["000000008.ckpt", "000000016.ckpt", "last.ckpt"]
    gan, _ = load(run / "checkpoints" / "000000008.ckpt")
    assert gan.images == 8


def test_a_loaded_gan_has_the_averaged_generator_and_is_ready_to_generate(run: Path):
    gan, config = load(last(run))
    assert gan.generator is gan.G_ema
    assert not gan.generator.training
    assert config.data.resolution == 16


def rewritten(run: Path, path: Path, change: Any) -> Path:
    content = read(last(run))
    change(content["gantool"]["config"])
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.run",
        "builtins.eval",
        "torch.load",
        "torch.hub.load",
        "torch.nn.modules.module.torch.load",
        "gantool.checkpoint.load",
        "gantool.data.module.torch.hub.load",
        "gantool.losses.penalties.torch.load",
        "somebody.elses.Network",
    ],
)
def test_a_checkpoint_cannot_build_or_call_anything_foreign(target: str, run: Path, tmp_path: Path):
    def poison(config: dict[str, Any]) -> None:
        config["task"]["prior"] = {"_target_": target, "_args_": ["echo"]}

    path = rewritten(run, tmp_path / "evil.ckpt", poison)
    with pytest.raises(ValueError, match=r"task\.prior: the checkpoint wants to build"):
        load(path)


def test_a_checkpoint_cannot_read_the_environment(run: Path, tmp_path: Path):
    def poison(config: dict[str, Any]) -> None:
        config["task"]["prior"]["size"] = "${oc.env:HOME}"

    with pytest.raises(ValueError, match=r"task\.prior\.size=.* may not interpolate"):
        load(rewritten(run, tmp_path / "evil.ckpt", poison))


def test_targets_hidden_in_lists_are_found():
    with pytest.raises(ValueError, match=r"a\.b\[1\]: the checkpoint wants to build os\.system"):
        refuse_foreign({"a": {"b": [1, {"_target_": "os.system"}]}})


def test_what_is_ours_or_torchs_may_be_built():
    ours = "gantool.models.dcgan.Generator", "gantool.schedules.Linear", "gantool.data.digits.digits"
    for target in (*ours, "torch.optim.Adam", "torch.nn.Linear"):
        refuse_foreign({"x": {"_target_": target}})


def test_trust_builds_what_the_checkpoint_names(run: Path, tmp_path: Path):
    def foreign(config: dict[str, Any]) -> None:
        config["task"]["prior"] = {"_target_": "types.SimpleNamespace", "size": 3}

    path = rewritten(run, tmp_path / "foreign.ckpt", foreign)
    with pytest.raises(ValueError, match="add trust=true"):
        load(path)
    gan, _ = load(path, trust=True)
    assert gan.task.prior.size == 3  # pyright: ignore


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path):
    (tmp_path / "text.ckpt").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.ckpt"):
        read(tmp_path / "text.ckpt")
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=r"other\.ckpt is not a checkpoint of gantool"):
        read(tmp_path / "other.ckpt")
    torch.save({"gantool": {"schema": 99}}, tmp_path / "newer.ckpt")
    with pytest.raises(ValueError, match="has format 99"):
        read(tmp_path / "newer.ckpt")


def test_a_cut_off_file_is_named(run: Path, tmp_path: Path):
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(last(run).read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"cut\.ckpt cannot be read as a checkpoint"):
        read(cut)


def test_foreign_objects_are_not_unpickled(tmp_path: Path):
    torch.save({"gantool": Path("x")}, tmp_path / "objects.ckpt")
    with pytest.raises(ValueError, match=r"objects\.ckpt holds more than tensors"):
        read(tmp_path / "objects.ckpt")


def test_a_full_disk_while_writing_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "last.ckpt"
    AtomicIO().save_checkpoint({"x": 1}, path)

    def full(content: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        AtomicIO().save_checkpoint({"x": 2}, path)
    assert torch.load(path, weights_only=True) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_run_is_named_by_its_folder_or_its_file(run: Path):
    assert checkpoint(str(run)) == last(run)
    milestone = run / "checkpoints" / "000000008.ckpt"
    assert checkpoint(str(milestone)) == milestone


@pytest.mark.parametrize("key", ["batch_size", "generator_batch_size", "ema", "init", "anything"])
def test_no_part_of_a_configuration_may_be_foreign(key: str, run: Path, tmp_path: Path):
    """os.makedirs is no target that Hydra itself refuses."""

    def poison(config: dict[str, Any]) -> None:
        config[key] = {"_target_": "os.makedirs", "name": str(tmp_path / "made")}

    with pytest.raises(ValueError, match=rf"{key}: the checkpoint wants to build os\.makedirs"):
        load(rewritten(run, tmp_path / "evil.ckpt", poison))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "target",
    [
        "gantool.data.remote.download",
        "gantool.data.remote._delete",
        "gantool.data.fetch.contents",
        "gantool.data.remote.Remote",
        "torch.nn._reduction.get_enum",
    ],
)
def test_of_what_reads_data_a_checkpoint_may_only_name_sets(target: str):
    with pytest.raises(ValueError, match=r"x: the checkpoint wants to build"):
        refuse_foreign({"x": {"_target_": target}})


def test_every_set_that_we_offer_may_be_named():
    texts = [file.read_text() for file in (FOLDER / "data").glob("*.yaml")]
    targets = {target for text in texts for target in re.findall(r"_target_: ([\w.]+)", text)}
    assert len(targets) > 20
    for target in targets:
        refuse_foreign({"x": {"_target_": target}})
