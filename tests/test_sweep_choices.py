"""TensorBoard's HParams tab: what was chosen on the command line, beside the numbers of the run."""

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

from gantool.loggers.tensorboard import TensorBoard


def shown(folder: Path) -> tuple[set[str], set[str], list[Any]]:
    """Hyper-parameters, numbers and rows of the tab, as TensorBoard's own server would send them."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    context = backend_context.Context(TBContext(data_provider=provider, logdir=str(folder)))
    here = RequestContext()
    whole = api_pb2.GetExperimentRequest()  # pyright: ignore
    experiment = get_experiment.Handler(here, context, "", whole).run()
    asked = api_pb2.ListSessionGroupsRequest(  # pyright: ignore
        start_index=0,
        slice_size=99,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_UNKNOWN],  # pyright: ignore
        include_metrics=True,
    )
    groups = list_session_groups.Handler(here, context, "", asked).run().session_groups
    names = {info.name for info in experiment.hparam_infos}
    numbers = {info.name.tag for info in experiment.metric_infos}
    return names, numbers, list(groups)


def log(folder: Path, choices: dict[str, Any], losses: list[float], status: str = "success") -> None:
    """A run of two rows."""
    logger = TensorBoard(folder, 0)
    logger.log_choices(choices)
    for step, loss in enumerate(losses, start=1):
        logger.log_metrics({"G/adversarial": loss, "speed/images_per_second": 100.0}, 8 * step)
    logger.finalize(status)


def test_every_run_is_a_row_with_its_choices_and_its_last_numbers(tmp_path: Path):
    log(tmp_path / "0", {"model": "dcgan", "seed": 1, "share_fakes": True}, [3.0, 2.0])
    log(tmp_path / "1", {"model": "lsgan", "seed": 2, "share_fakes": False}, [4.0, 1.0])
    names, numbers, groups = shown(tmp_path)
    assert names == {"model", "seed", "share_fakes"}
    assert numbers == {"G/adversarial", "speed/images_per_second"}
    rows = sorted(groups, key=lambda group: group.hparams["seed"].number_value)
    assert [group.hparams["model"].string_value for group in rows] == ["dcgan", "lsgan"]
    assert [group.hparams["share_fakes"].number_value for group in rows] == [1, 0]
    for group, last in zip(rows, (2.0, 1.0), strict=True):
        values = {metric.name.tag: metric.value for metric in group.metric_values}
        assert values["G/adversarial"] == last
        assert values["speed/images_per_second"] == 100


def test_runs_with_other_choices_share_one_table(tmp_path: Path):
    log(tmp_path / "0", {"seed": 1}, [1.0])
    log(tmp_path / "1", {"model": "wgan", "data.resolution": [64, 48]}, [2.0])
    names, _, groups = shown(tmp_path)
    assert names == {"seed", "model", "data.resolution"}
    assert len(groups) == 2


def test_runs_with_the_same_choices_are_rows_of_their_own(tmp_path: Path):
    for name in "ab":
        log(tmp_path / name, {"seed": 1}, [1.0])
    assert len(shown(tmp_path)[2]) == 2


@pytest.mark.parametrize(("status", "ended"), [("success", "STATUS_SUCCESS"), ("failed", "STATUS_UNKNOWN")])
def test_a_row_tells_how_the_run_ended(tmp_path: Path, status: str, ended: str):
    log(tmp_path / "0", {"seed": 1}, [1.0], status)
    [group] = shown(tmp_path)[2]
    assert [session.status for session in group.sessions] == [api_pb2.Status.Value(ended)]  # pyright: ignore


def test_choices_make_no_second_run(tmp_path: Path):
    log(tmp_path, {"seed": 1}, [1.0])
    assert [path.is_file() for path in tmp_path.iterdir()] == [True]
