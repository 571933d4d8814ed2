"""`gantool report`: what the page of a run holds, what it never holds, and what it does without."""

import base64
import io
import json
import os
import re
import shutil
import socket
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Gantool, gantool_here  # noqa: F401, the fixture
from omegaconf import OmegaConf
from PIL import Image
from small import composed, trained

from gantool import protocols, surroundings
from gantool.comparison.trace import Trace, trace_of
from gantool.reports import charts, defaults, run_page, sweep_page
from gantool.reports.pictures import Album, evenly

EVIL = "<script>alert('x')</script>"
CHROMIUM = shutil.which("chromium")


def album(limit: int = 15_000_000, frames: int = 60) -> Album:
    return Album(limit, frames)


def left(folder: Path, config: dict[str, Any], table: str = "", log: str = "") -> Path:
    """A run folder with this configuration, this metrics.csv and these lines in its log."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
    if table:
        (folder / "metrics.csv").write_text("\n".join([*table.split(), ""]))
    lines = [f"2026-01-02 03:04:05,678 INFO {line}" for line in log.splitlines()]
    if lines:
        (folder / "train.log").write_text("\n".join([*lines, ""]))
    return folder


def noise(file: Path, side: int = 8, seed: int = 0) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(values).save(file)
    return file


def page(folder: Path, **options: Any) -> str:
    return run_page.page(trace_of(str(folder)), album(**options))


class Tags(HTMLParser):
    """Every tag with its attributes; and whether each is closed in its turn."""

    def __init__(self, html: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "input", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    folder.mkdir()
    trained(folder, "sample_every=16", "log_every=1", "n_critic=1", "seed=5")
    return folder


# A run.


def test_the_page_of_a_trained_run_is_whole_and_asks_for_nothing_else(run: Path):
    html = page(run)
    tags = Tags(html)
    assert not tags.open
    for tag, attributes in tags.found:
        for name in ("src", "href", "data", "srcset", "action"):
            assert tag == "use" or (attributes.get(name) or "data:").startswith(("data:", "#"))
    assert not re.search(r"@import|url\((?!#)|<link[^>]*stylesheet", html)


def test_pictures_are_inside_the_page_bit_by_bit(run: Path):
    sources = [it["src"] or "" for it in Tags(page(run)).of("img")]
    inside = {base64.b64decode(it.partition(",")[2]) for it in sources}
    assert inside == {file.read_bytes() for file in (run / "samples").glob("*.png")}


def test_the_slider_has_a_place_for_every_picture_and_shows_the_last(run: Path):
    html = page(run)
    frames = len(list((run / "samples").glob("[0-9]*.png")))
    [slider] = Tags(html).of("input")
    assert frames == 4
    assert (slider["min"], slider["max"], slider["value"]) == ("0", "3", "3")
    film = html[html.index('id="film"') : html.index("<input")]
    assert [" hidden>" in line for line in film.splitlines() if "<img" in line] == [True] * 3 + [False]


def test_every_column_of_the_curves_has_its_line(run: Path):
    trace = trace_of(str(run))
    drawn = [line.name for it in charts.curves(trace) for chart in it.charts for line in chart.lines]
    assert sorted(drawn) == sorted(name for name in trace.columns if name != "images")


def test_what_both_players_have_shares_a_chart(tmp_path: Path):
    table = "images,D/adversarial,G/adversarial,health/real_logits,health/fake_logits,metric/fd 8,1,2,3,4,5"
    sections = charts.curves(trace_of(str(left(tmp_path / "run", {}, table))))
    assert {it.title: [[line.name for line in chart.lines] for chart in it.charts] for it in sections} == {
        "Measured": [["metric/fd"]],
        "Losses": [["D/adversarial", "G/adversarial"]],
        "Health": [["health/real_logits", "health/fake_logits"]],
    }


def test_charts_hold_no_text_but_numbers_and_take_its_colour(tmp_path: Path):
    trace = trace_of(str(left(tmp_path / "run", {}, f"images,{EVIL},$x$ 8,1,2 16,2,3")))
    for section in charts.curves(trace):
        for chart in section.charts:
            assert "currentColor" in chart.svg
            assert "script" not in chart.svg
            assert charts.INK not in chart.svg


def test_nothing_from_files_is_taken_for_html(tmp_path: Path):
    config = {
        "images": 8,
        "groups": {"model": EVIL, "data": EVIL},
        "data": {"names": [EVIL], "resolution": EVIL, "channels": 1, "classes": 2},
        EVIL: EVIL,
    }
    folder = left(
        tmp_path / "run", config, f"images,metric/{EVIL} 8,1", f"gantool train x={EVIL}\nfrom {EVIL}"
    )
    protocols.note(folder, {f"metric/{EVIL}": {"direction": "minimize", "protocol": EVIL}})
    (folder / "metrics").mkdir()
    record = {"metric": EVIL, EVIL: 1.0, "images": 8, "protocol": EVIL}
    (folder / "metrics" / "evil.json").write_text(json.dumps(record))
    noise(folder / f"neighbours-{EVIL.replace('/', '')}" / "neighbours.png")
    html = page(folder)
    assert "alert" in html
    assert "<script" not in html  # without samples there is no slider, and none of its own
    assert not Tags(html).of("script")


def test_a_run_that_has_done_nothing_has_a_page(tmp_path: Path):
    html = page(left(tmp_path / "run", {}))
    for sentence in ("no samples yet", "Nothing was measured", "has logged no numbers", "not begun"):
        assert sentence in html
    assert not Tags(html).open


def test_a_picture_that_is_being_written_is_left_out(tmp_path: Path):
    folder = left(tmp_path / "run", {})
    whole, cut = (noise(folder / "samples" / name) for name in ("000000008.png", "000000016.png"))
    cut.write_bytes(cut.read_bytes()[:60])
    assert [it.name for it in album().film([whole, cut])] == ["000000008"]
    assert "after 8 images" in page(folder)


@pytest.mark.parametrize(
    ("log", "state"),
    [
        ("gantool train\ntraining ends at 100 images", "finished"),
        ("gantool train\ntraining ends at 40 images", "ended early, at 40% of 100 images"),
        ("gantool train", "unfinished: still training, or cut off, at 40% of 100 images"),
        (
            "gantool train\ntraining ends at 40 images\ngantool train resume=auto",
            "unfinished: still training, or cut off, at 40% of 100 images",
        ),
    ],
)
def test_the_log_tells_how_it_ended(tmp_path: Path, log: str, state: str):
    folder = left(tmp_path / "run", {"images": 100}, "images,D/x 40,1", log)
    assert run_page.state(trace_of(str(folder)), run_page.log_of(folder)) == state


def test_the_command_and_the_words_of_the_doctor_are_told(tmp_path: Path):
    sick = "D tells too easily. What usually helps: trick=r1."
    html = page(
        left(tmp_path / "run", {}, log=f"gantool train model=wgan seed=3\n{sick}\nfrom 0 to 8 images")
    )
    assert '<pre class="command">gantool train model=wgan seed=3</pre>' in html
    assert html.index("<h2>Warnings</h2>") < html.index(sick) < html.index("<h2>Samples</h2>")


def test_a_result_stands_beside_that_of_real_images(tmp_path: Path):
    folder = left(tmp_path / "run", {})
    (folder / "metrics").mkdir()
    record = {"metric": "fd", "fd": 12.5, "real_fd": 0.25, "images": 8, "protocol": "10 fakes"}
    (folder / "metrics" / "fd.json").write_text(json.dumps(record))
    [found] = run_page.evaluated(trace_of(str(folder)))
    assert (found.name, found.last, found.real, found.images) == ("fd", 12.5, 0.25, 8)


def test_a_translation_has_a_film_and_a_last_picture_of_each_direction(tmp_path: Path):
    folder = left(tmp_path / "run", {})
    for place, name in enumerate(("08-ab", "08-ba", "16-ab", "16-ba")):
        noise(folder / "samples" / f"0000000{name}.png", seed=place)
    html = page(folder)
    tags = Tags(html)
    assert not tags.open
    assert "no samples yet" not in html
    assert [it["id"] for it in tags.of("div") if "id" in it] == ["film-ab", "film-ba"]
    assert len(tags.of("script")) == 1
    for kind in ("ab", "ba"):
        assert f"generated ({kind}), after 16 images" in html
        last = base64.b64encode((folder / "samples" / f"000000016-{kind}.png").read_bytes()).decode()
        assert html.count(last) == 2  # in its film, and above


def test_curves_count_among_the_bytes_of_a_page(tmp_path: Path):
    names = [f"D/{letter}" for letter in "abcdefghijklmnopqrst"]
    values = np.random.default_rng(0).normal(size=(2000, len(names)))
    rows = [",".join(map(str, (8 * i, *row))) for i, row in enumerate(values.round(4).tolist(), 1)]
    folder = left(tmp_path / "run", {}, " ".join([",".join(["images", *names]), *rows]))
    for i in range(6):
        noise(folder / "samples" / f"{i:09d}.png", 64, i)
    assert len(page(folder).encode()) > 500_000
    html = page(folder, limit=500_000)
    assert len(html.encode()) <= 500_000
    assert "after 5 images" in html


def test_a_page_whose_texts_have_no_room_says_so(tmp_path: Path):
    folder = left(tmp_path / "run", {}, log="x" * 5000)
    noise(folder / "samples" / "000000008.png")
    html = page(folder, limit=1000)
    assert "The texts and curves alone are 0.0 MB where 0.0 were allowed, so no picture is shown." in html
    assert "data:image" not in html


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("environment.json", '{"GPU": "no'),
        ("environment.json", "[1]"),
        ("protocols.json", ""),
        ("config.yaml", "data: hello"),
        ("config.yaml", "groups: [1]"),
        ("config.yaml", "data: {names: 3, channels: []}\nmetrics: 3\nsweep: nothing"),
        ("metrics.csv", "images,D/x\0"),
    ],
)
def test_a_damaged_file_is_named_on_a_page_that_holds_the_rest(tmp_path: Path, file: str, text: str):
    folder = left(tmp_path / "sweep" / "run", {}, "images,D/x 8,1", "gantool train x=3")
    (folder / file).write_text(text)
    for html in (page(folder), of_folder(tmp_path / "sweep")):
        assert f"{file} is damaged" in html or file == "metrics.csv"
        assert "gantool train x=3" in html


# The configuration.


def noted(*overrides: str, **groups: str) -> Trace:
    cfg: Any = OmegaConf.to_container(composed(*overrides), resolve=True)
    chosen = defaults.default_of({"groups": {"model": "dcgan", "data": "digits"}})
    assert chosen is not None
    return defaults.alone(cfg | {"groups": chosen["groups"] | groups})


def test_a_run_with_the_defaults_of_its_family_differs_in_nothing():
    trace = noted("model=dcgan", "data=digits")
    default = defaults.default_of(trace.config)
    assert default is not None
    assert defaults.changes(trace, default) == []
    assert all(it.default is None for it in defaults.entries(trace.config, default))


def test_what_was_chosen_is_told_beside_the_default():
    trace = noted("model=dcgan", "data=digits", "batch_size=17", "seed=4", "loss=hinge", loss="hinge")
    default = defaults.default_of(trace.config)
    assert default is not None
    told = {it.keys[0]: (it.default, it.here) for it in defaults.changes(trace, default)}
    assert told == {"loss": ("non_saturating", "hinge"), "batch_size": ("64", "17"), "seed": ("0", "4")}


def test_a_family_that_is_not_installed_has_no_default_here():
    assert defaults.default_of({"groups": {"model": "no_such", "data": "digits"}}) is None
    assert defaults.default_of({}) is None


# Pictures.


def test_evenly_keeps_first_and_last():
    for count in range(2, 12):
        found = evenly(list(range(10)), count)
        assert len(found) == min(count, 10)
        assert (found[0], found[-1]) == (0, 9)
        assert found == sorted(set(found))
    assert evenly([1, 2, 3], 1) == [3]


def test_pictures_that_are_too_many_bytes_become_smaller_and_that_is_said(tmp_path: Path):
    files = [noise(tmp_path / "samples" / f"{i:09d}.png", 600, i) for i in range(6)]
    limit = 1_000_000
    book = album(limit)
    found = book.film(files)
    assert 0 < sum(len(it.uri) for it in found) <= limit
    assert found[-1].name == "000000005"
    assert any("so that this file stays small" in it for it in book.notes)
    for it in found:
        with Image.open(io.BytesIO(base64.b64decode(it.uri.partition(",")[2]))) as image:
            assert image.size == (it.width, it.height)


def test_a_page_stays_below_its_limit(tmp_path: Path):
    folder = left(tmp_path / "run", {})
    for i in range(12):
        noise(folder / "samples" / f"{i:09d}.png", 300, i)
    html = page(folder, limit=1_000_000, frames=10)
    assert len(html) < 1_000_000
    assert "10 of 12 pictures" in html


# A folder of runs.


def several(folder: Path, **metrics: float) -> Path:
    for place, (name, value) in enumerate(metrics.items()):
        run = left(folder / name, {"lr": 0.1 * 10**place, "seed": place}, f"images,metric/fd 8,{value}")
        protocols.note(run, {"metric/fd": {"direction": "minimize", "protocol": "p"}})
        noise(run / "samples" / "000000008.png", seed=place)
    return folder


def of_folder(folder: Path, metric: str | None = None, best: int = 6) -> str:
    names = sorted(str(file.parent) for file in folder.glob("*/config.yaml"))
    return sweep_page.page(folder, names, metric, best, album())


def test_the_best_run_of_a_folder_comes_first(tmp_path: Path):
    html = of_folder(several(tmp_path / "sweep", a=3.0, b=1.0, c=2.0), best=2)
    assert "less is better; the best is run b" in html
    captions = re.findall(r"<figcaption>run (\w)", html)
    assert captions == ["b", "c"]
    assert "What each key does to metric/fd" in html


def test_numbers_of_several_protocols_are_called_not_comparable(tmp_path: Path):
    folder = several(tmp_path / "sweep", a=3.0, b=1.0)
    assert "not comparable" not in of_folder(folder)
    protocols.note(folder / "b", {"metric/fd": {"direction": "minimize", "protocol": "q"}})
    assert "measured in 2 ways, whose numbers are not comparable" in of_folder(folder)


def test_runs_that_measured_nothing_have_no_best(tmp_path: Path):
    left(tmp_path / "sweep" / "0", {"lr": 1}, "images,D/x 8,1")
    left(tmp_path / "sweep" / "1", {"lr": 2})
    html = of_folder(tmp_path / "sweep")
    assert "none is called the best" in html
    assert "No run has samples yet" in html
    with pytest.raises(ValueError, match=r"metric=D/y: no metrics\.csv of these runs has such a column"):
        of_folder(tmp_path / "sweep", "D/y")


def test_a_job_that_came_to_nothing_is_told_with_its_reason(tmp_path: Path):
    folder = several(tmp_path / "sweep", **{"0": 3.0})
    jobs(folder, ("finished", ""), ("refused", f"lr is too large {EVIL}"))
    html = of_folder(folder)
    assert "refused" in html
    assert "1: lr is too large &lt;script&gt;" in html
    assert not Tags(html).of("script")


def jobs(folder: Path, *jobs: tuple[str, str], **more: Any) -> None:
    """The records of jobs 0, 1, … that ended so, for this reason."""
    (folder / "jobs").mkdir(parents=True)
    for number, (status, error) in enumerate(jobs):
        record = {"sweep": "s", "number": number, "overrides": [f"lr={number + 1}"], "folder": f"x/{number}"}
        record |= {"host": "h", "pid": 1, "began": 0.0, "ended": 1.0, "status": status, "error": error}
        (folder / "jobs" / f"{number}.json").write_text(json.dumps(record | more))


def test_a_job_that_diverged_is_never_the_best(tmp_path: Path):
    folder = several(tmp_path / "sweep", **{"0": 3.0, "1": 1.0, "2": 2.0})
    jobs(folder, ("finished", ""), ("diverged", "weights are infinite"), ("finished", ""))
    html = of_folder(folder)
    assert "less is better; the best is run 2. Those that diverged do not take part." in html
    assert re.findall(r"<figcaption>run (\w)", html) == ["2", "0"]


def test_a_run_that_diverged_on_its_own_is_never_the_best(tmp_path: Path):
    folder = several(tmp_path / "sweep", a=3.0, b=1.0)
    line = "2026-01-02 03:04:05,678 ERROR training diverged: weights are infinite\n"
    (folder / "b" / "train.log").write_text(line)
    assert "the best is run a. Those that diverged do not take part." in of_folder(folder)


def test_without_a_known_direction_no_run_is_the_best(tmp_path: Path):
    for name, value in (("a", 2), ("b", 1)):
        run = left(tmp_path / "sweep" / name, {"lr": value}, f"images,D/x,speed/y 8,{value},{value}")
        noise(run / "samples" / "000000008.png")
    html = of_folder(tmp_path / "sweep", "D/x")
    assert "is not known, so none is called the best" in html
    assert "<mark>" not in html
    assert "the best is" not in html
    assert re.findall(r"<figcaption>run (\w)", html) == ["a", "b"]
    assert "more is better; the best is run a." in of_folder(tmp_path / "sweep", "speed/y")


def test_the_direction_of_a_sweep_is_that_of_its_own_metric(tmp_path: Path):
    for name, value in (("a", 2), ("b", 1)):
        told = {"lr": value, "sweep": {"metric": "D/x", "direction": "maximize"}}
        left(tmp_path / "sweep" / name, told, f"images,D/x,G/x 8,{value},{value}")
    assert "more is better; the best is run a." in of_folder(tmp_path / "sweep")
    assert "none is called the best" in of_folder(tmp_path / "sweep", "G/x")


def test_a_job_whose_process_is_gone_has_died(tmp_path: Path):
    over = subprocess.Popen(["true"])
    over.wait()
    here: dict[str, Any] = {"host": socket.gethostname(), "ended": None}
    jobs(tmp_path / "gone", ("running", ""), pid=over.pid, **here)
    jobs(tmp_path / "here", ("running", ""), pid=os.getpid(), **here)
    jobs(tmp_path / "away", ("running", ""), pid=over.pid, ended=None)
    states = [sweep_page.entries_of(tmp_path / name, {})[0].state for name in ("gone", "here", "away")]
    assert states == ["died", "running", "running"]


# The command line.


def test_a_sweep_whose_jobs_all_failed_is_told_with_their_reasons(gantool: Gantool):
    jobs(Path("sweep"), ("refused", "lr=-1 is below 0"), ("failed", "OSError: no room"))
    result = gantool("report", "run=sweep")
    assert (result.code, result.err) == (0, "")
    html = Path("sweep/report.html").read_text()
    for words in ("2 runs of sweep", "0: lr=-1 is below 0", "1: OSError: no room"):
        assert words in html


def test_a_page_is_put_into_a_folder_that_is_not_there_yet(gantool: Gantool):
    left(Path("0"), {})
    assert gantool("report", "run=0", "out=new/").code == 0
    assert [it.name for it in Path("new").iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("run=a", "metric=nonsense"),
            "metric=nonsense ranks the runs of a folder, and a is one run: drop it.",
        ),
        (("run=a", "out=file/x.html"), "out=file/x.html: file is a file, and nothing can lie below it"),
        (("run=a", "out=file/b/"), "out=file/b/: file is a file, and nothing can lie below it"),
        (("run=[a]",), "run=['a']: give one run."),
        (("run=x.safetensors",), "run=x.safetensors is an exported generator, without curves and log; name"),
        (("run=hf://me/x",), "run=hf://me/x is an exported generator, without curves and log; name"),
    ],
)
def test_a_report_that_cannot_be_is_refused_in_one_line(
    arguments: tuple[str, ...], sentence: str, gantool: Gantool
):
    left(Path("a"), {})
    for name in ("file", "x.safetensors"):
        Path(name).write_text("as it was")
    result = gantool("report", *arguments)
    assert result.code == 2
    assert sentence in result.err
    assert result.err.count("\n") == 1
    assert Path("file").read_text() == "as it was"
    assert not Path("a/report.html").exists()


def test_the_verb_writes_a_page_into_the_run_or_where_it_is_told(run: Path, gantool: Gantool, tmp_path: Path):
    result = gantool("report", f"run={run}")
    assert result.code == 0
    assert str(run / "report.html") in result.out
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert gantool("report", f"run={run}", "out=other.html").code == 0
    assert (tmp_path / "other.html").exists()
    assert gantool("report", f"run={run.parent}", f"out={tmp_path}").code == 0
    assert "1 runs of" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("wrong", ["frames=0", "best=no", "megabytes=-1"])
def test_wrong_numbers_are_refused(run: Path, gantool: Gantool, wrong: str):
    result = gantool("report", f"run={run}", wrong)
    assert result.code == 2
    assert wrong in result.err


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_the_slider_shows_one_picture_in_a_browser(run: Path, tmp_path: Path):
    probe = """<script>addEventListener("load", () => {
      const slider = document.querySelector("#film input");
      slider.value = 1;
      slider.dispatchEvent(new Event("input"));
      const seen = [...document.querySelectorAll("#film img")].map(it => getComputedStyle(it).display);
      document.title = `${seen} ${document.querySelector("#film output").textContent}`;
    });</script></body>"""
    file = tmp_path / "page.html"
    file.write_text(page(run).replace("</body>", probe))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    flags += ["--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom"]
    done = subprocess.run(
        [str(CHROMIUM), *flags, file.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    assert "<title>none,block,none,none after 32 images</title>" in done.stdout
    assert "CONSOLE" not in done.stderr


def test_a_page_shows_the_versions_and_the_machine_that_a_run_was_trained_with(tmp_path: Path):
    """Not those of the machine that makes the page."""
    assert trained(tmp_path / "run", "images=8", "logger=none") == 0
    noted = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert noted == surroundings.environment()
    noted["GPU"] = "Analytical Engine"
    (tmp_path / "run" / "environment.json").write_text(json.dumps(noted))
    assert "Analytical Engine" in page(tmp_path / "run")
    (tmp_path / "run" / "environment.json").unlink()
    assert "The run notes none" in page(tmp_path / "run")


def test_a_sweep_over_two_machines_names_both(tmp_path: Path):
    for name, gpu in (("0", "Difference Engine"), ("1", "Analytical Engine")):
        folder = left(tmp_path / name, {"images": 1})
        (folder / "environment.json").write_text(json.dumps({"gantool": "1", "GPU": gpu}))
    names = [str(tmp_path / "0"), str(tmp_path / "1")]
    html = sweep_page.page(tmp_path, names, None, 1, album())
    assert "Difference Engine; Analytical Engine" in html
    assert "<dt>gantool</dt><dd>1</dd>" in html
