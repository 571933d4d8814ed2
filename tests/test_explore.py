"""gantool explore: what its page shows is what gantool sample and gantool translate make."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401, the fixture
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig
from PIL import Image
from small import composed, trained

from gantool import explore, sample, translate
from gantool.explorer import server
from gantool.explorer.latents import Explorer, enlarged
from gantool.explorer.settings import Origin, Settings, file_of, override
from gantool.explorer.translations import Translations
from gantool.finished import Finished
from gantool.trained import load

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder of a small run of a model, which is trained when it is first asked for."""
    folder = tmp_path_factory.mktemp("runs")

    def of(model: str, *overrides: str) -> Path:
        path = folder / model
        if not path.exists():
            trained(path, f"model={model}", *overrides)
        return path

    return of


def request(*overrides: str, name: str = "explore") -> DictConfig:
    return composed(*overrides, "device=cpu", name=name)


def explorer(run: Path, **changes: Any) -> Explorer:
    gan, config = load(run / "checkpoints" / "last.ckpt")
    finished = Finished(gan, config, run / "checkpoints" / "last.ckpt", run, "")
    return Explorer(
        finished,
        **{"origin": Origin(str(run)), "batch_size": 64, "standing": "auto", "directions": 3, **changes},
    )


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        found = np.array(image)
    return found if found.ndim == 3 else found[:, :, None]


def sampled(line: str, out: Path) -> Path:
    """Runs the command of a page, into this folder."""
    words = shlex.split(line)
    assert words[:2] == ["gantool", "sample"]
    sample.main(request(*words[2:], f"out={out}", name="sample"))
    return out


# Images of latents


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("dcgan", Settings(seed=3, count=5, truncation=0.5)),
        ("biggan", Settings(seed=4, count=7)),  # whose statistics depend on the seed
        ("biggan", Settings(seed=5, count=4, label="2", truncation=0.7)),
        ("stylegan2", Settings(seed=6, count=5, truncation=0.6)),
        ("lapgan", Settings(seed=7, count=5)),
        ("infogan", Settings(seed=8, count=5)),
    ],
    ids=lambda value: value if isinstance(value, str) else f"seed{value.seed}",
)
def test_what_is_shown_is_what_its_command_makes(model: str, settings: Settings, runs: Any, tmp_path: Path):
    shown = explorer(runs(model))
    shown.picture(Settings(seed=1, count=3))  # what was shown before does not matter
    line = shown.origin.sample(settings)
    assert line is not None
    assert np.array_equal(shown.picture(settings), pixels(sampled(line, tmp_path) / "grid.png"))


def test_an_image_alone_is_the_file_of_its_number(runs: Any, tmp_path: Path):
    shown = explorer(runs("biggan"))
    settings = Settings(seed=2, alone=5)
    line = shown.origin.sample(settings)
    assert line is not None
    file = sampled(line, tmp_path) / file_of(settings)
    assert file.name == "000005.png"
    difference = shown.picture(settings).astype(int) - pixels(file)
    assert abs(difference).max() <= 1  # rounding may differ by batch


@pytest.mark.parametrize("model", ["dcgan", "biggan", "stylegan2"])
def test_a_strength_of_0_changes_nothing_and_any_other_does(model: str, runs: Any):
    shown = explorer(runs(model))
    assert len(shown.moves) == 3
    plain = shown.images(Settings(count=3))
    assert np.array_equal(plain, shown.images(Settings(count=3, strengths=(0.0, 0.0, 0.0))))
    for number in range(3):
        strengths = tuple(3.0 * (number == other) for other in range(3))
        assert not np.array_equal(plain, shown.images(Settings(count=3, strengths=strengths)))


def test_strengths_add_up(runs: Any):
    shown = explorer(runs("dcgan"))
    plain, first, second, both = (
        shown.points(Settings(count=2, strengths=strengths))
        for strengths in [(), (1.5,), (0.0, -2.0), (1.5, -2.0)]
    )
    torch.testing.assert_close(both - plain, (first - plain) + (second - plain))


def test_a_strength_of_1_is_a_standard_deviation_of_the_latents(runs: Any):
    assert explorer(runs("dcgan")).moves.norm(dim=1).tolist() == pytest.approx([1, 1, 1], rel=0.05)


def test_mixing_a_seed_with_itself_changes_nothing(runs: Any):
    shown = explorer(runs("stylegan2"))
    mixed = shown.images(Settings(seed=5, count=3, second=5, layers=(1, 2)))
    assert np.array_equal(shown.images(Settings(seed=5, count=3)), mixed)


def test_mixing_all_layers_shows_the_other_seed_and_some_are_neither(runs: Any):
    shown = explorer(runs("stylegan2"))
    own, other = (shown.images(Settings(seed=seed, count=3)) for seed in (5, 6))
    every = Settings(seed=5, count=3, second=6, layers=(0, shown.layers - 1))
    assert np.array_equal(shown.images(every), other)
    some = shown.points(Settings(seed=5, count=3, second=6, layers=(0, 0)))
    assert not np.array_equal(own, other)
    assert torch.equal(some[:, 0], shown.points(Settings(seed=6, count=3))[:, 0])
    assert torch.equal(some[:, 1:], shown.points(Settings(seed=5, count=3))[:, 1:])


def test_styles_truncated_to_0_are_one_image(runs: Any):
    images = explorer(runs("stylegan2")).images(Settings(count=4, truncation=0.0))
    assert (images == images[:1]).all()


def test_truncation_has_the_range_of_the_latents_and_is_missing_where_there_is_none(runs: Any):
    styled, gaussian = (explorer(runs(model)).truncation for model in ("stylegan2", "dcgan"))
    assert styled is not None
    assert gaussian is not None
    assert (styled.least, styled.most, styled.start) == (0, 1, 1)
    assert (gaussian.least, gaussian.most, gaussian.start) == (0.1, 3, 3)
    assert explorer(runs("infogan")).truncation is None


def test_what_a_generator_does_not_have_is_missing(runs: Any):
    pyramid = explorer(runs("lapgan"))
    assert pyramid.space is None
    assert (pyramid.classes, pyramid.truncation, pyramid.layers, len(pyramid.moves)) == ([], None, 0, 0)
    assert explorer(runs("dcgan")).layers == 0
    assert len(explorer(runs("dcgan"), directions=0).moves) == 0
    assert len(explorer(runs("biggan")).classes) == 10


@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_every_pixel_of_an_image_on_the_grid_leads_to_it(count: int, runs: Any):
    shown = explorer(runs("dcgan"))
    grid = shown.picture(Settings(count=count))
    images = shown.images(Settings(count=count))
    height, width = images.shape[1:3]
    for number, image in enumerate(images):
        places = [
            (y, x)
            for y in range(0, len(grid) - height + 1)
            for x in range(0, grid.shape[1] - width + 1)
            if np.array_equal(grid[y : y + height, x : x + width], image)
        ]
        [(top, left)] = places
        for x, y in [(left, top), (left + width - 1, top + height - 1)]:
            factor = len(enlarged(grid)) // len(grid)
            assert shown.number_at(x * factor, y * factor, count) == number
            assert shown.number_at((x + 1) * factor - 1, (y + 1) * factor - 1, count) == number
    assert shown.number_at(9999, 0, count) is None


def test_a_small_picture_is_enlarged_by_blocks_and_a_large_one_shown_as_it_is():
    small = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)
    large = enlarged(small)
    assert large.shape == (1080, 720, 3)
    assert np.array_equal(large[::36, ::36], small)
    assert np.array_equal(large[35::36, 35::36], small)
    assert np.array_equal(enlarged(large), large)


# What is kept


@pytest.mark.parametrize("model", ["biggan", "stylegan2"])
def test_what_is_saved_is_made_again_by_its_command(model: str, runs: Any, tmp_path: Path):
    shown = explorer(runs(model))
    second = 9 if model == "stylegan2" else None
    settings = Settings(seed=3, count=4, truncation=0.8, strengths=(2.0, -1.0), second=second, layers=(0, 1))
    assert shown.origin.sample(settings) is None  # no seed makes these
    written, line = shown.save(settings, tmp_path / "kept here")
    assert [path.name for path in written] == ["000.png", "000.json", "000.npz"]
    assert np.array_equal(shown.picture(settings), pixels(written[0]))
    assert np.array_equal(pixels(written[0]), pixels(sampled(line, tmp_path / "again") / "grid.png"))
    facts = json.loads(written[1].read_text())
    assert facts["command"] == line
    assert facts["images"] == 64
    layers = tuple(facts["settings"].pop("layers"))
    strengths = tuple(facts["settings"].pop("strengths"))
    assert Settings(**facts["settings"], layers=layers, strengths=strengths) == settings


def test_nothing_that_was_saved_is_replaced(runs: Any, tmp_path: Path):
    shown = explorer(runs("lapgan"))
    names = [[path.name for path in shown.save(Settings(count=1), tmp_path)[0]] for _ in range(2)]
    assert names == [["000.png", "000.json"], ["001.png", "001.json"]]


@pytest.mark.parametrize(
    "value",
    [
        "3",
        "007",
        "cat",
        "T-shirt/top",
        "a b",
        "null",
        "True",
        "1e3",
        "it's",
        'say "a"',
        "0.png",
        "a,b",
        "[x]",
        "$x",
        "é",
        "",
        "ä=ö",
    ],
)
def test_hydra_reads_a_value_as_the_text_that_was_meant(value: str):
    [word] = shlex.split(shlex.join([override("label", value)]))
    [parsed] = OverridesParser.create().parse_overrides([word])
    assert str(parsed.value()) == value


def test_commands_carry_what_else_was_asked_for(runs: Any):
    cfg = composed("run=a", "trust=true", "standing=false", "batch_size=8", "seed=3", name="explore")
    assert explore.more(cfg, translates=False) == ["trust=true", "batch_size=8", "standing=false"]
    assert explore.more(cfg, translates=True) == ["trust=true", "seed=3"]
    assert explore.more(composed("run=a", name="explore"), translates=False) == []
    line = Origin("a b", ["trust=true"]).sample(Settings(count=2, label="a, b"))
    assert line is not None
    assert shlex.split(line)[2:] == [
        "run=a b",
        "seed=0",
        "count=2",
        'label="a, b"',
        "trust=true",
    ]


# Images of images


def upload(path: Path, *size: int) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize(("direction", "resized"), [("ab", False), ("ba", True)])
def test_a_translation_is_that_of_its_command(
    direction: str, resized: bool, runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = runs("cyclegan")
    translations = Translations(request(f"run={run}"), Origin(str(run)), tmp_path)
    assert translations.ways == ["ab", "ba"]
    source = upload(tmp_path / "a photo.png", 40, 24)
    seen, made, line, hint = translations.translate(source, direction, resized)
    assert made.name == source.name
    assert seen.shape[:2] == ((27, 16) if resized else (40, 24))
    assert f"{seen.shape[1]} x {seen.shape[0]} pixels" in hint
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)
    assert words[:2] == ["gantool", "translate"]
    translate.main(request(*words[2:], f"out={tmp_path / 'out'}", name="translate"))
    assert np.array_equal(pixels(made), pixels(tmp_path / "out" / source.name))


def test_a_model_of_one_way_has_no_choice_of_directions(runs: Any, tmp_path: Path):
    run = runs("pix2pix")
    assert Translations(request(f"run={run}"), Origin(str(run)), tmp_path).ways == []


# What is refused, and where it listens


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["count=65"], "count=65: give 1 to 64"),
        (["count=0"], "count=0: give a whole number of 1 or more"),
        (["seed=-1"], "seed=-1: give a whole number of 0 or more"),
        (["directions=-1"], "directions=-1: give a whole number of 0 or more"),
        (["batch_size=0"], "batch_size=0: give a whole number of 1 or more"),
        (["open=perhaps"], "open=perhaps: give true or false"),
        (["port=http"], "port=http: give 0 to 65535"),
        (["standing=maybe"], "standing=maybe: give true, false or auto"),
        (["run=nowhere"], "There is no run nowhere"),
    ],
)
def test_a_wrong_request_is_refused_with_the_cure(
    overrides: list[str], message: str, runs: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    with pytest.raises(ValueError, match=message):
        explore.main(request(f"run={runs('dcgan')}", *overrides))


def test_without_gradio_the_cure_is_named_in_one_line(
    gantool: Gantool, runs: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = gantool("explore", f"run={runs('dcgan')}")
    assert result.code == 2
    assert result.err == ("gantool: gantool explore needs the package gradio: pip install 'gantool[demo]'.\n")


def test_points_of_the_plane_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    trained(tmp_path, "data=ring", "model=mlp")
    with pytest.raises(ValueError, match="makes points, not images: gantool sample shows them"):
        explore.main(request(f"run={tmp_path}"))


def test_a_taken_port_is_refused_or_passed_over_and_0_is_any(monkeypatch: pytest.MonkeyPatch):
    with server.listening(0) as first:
        host, taken = first.getsockname()
        assert host == "127.0.0.1"
        assert server.address(first) == f"http://127.0.0.1:{taken}"
        with pytest.raises(ValueError, match=f"port={taken} is taken; give another, or port=0"):
            server.listening(taken)
        monkeypatch.setattr(server, "FIRST", taken)
        with server.listening(None) as second:
            assert second.getsockname()[1] > taken


def test_nothing_is_told_to_anybody_and_nothing_left_behind(monkeypatch: pytest.MonkeyPatch):
    for name in (*server.SILENT, "GRADIO_TEMP_DIR"):
        monkeypatch.setenv(name, "")
    with server.silent() as folder:
        import os

        assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
        assert folder.is_dir()
    assert not folder.exists()


# The page, in a browser


@contextmanager
def served(run: Path, *overrides: str) -> Iterator[str]:
    """Its address; afterwards Ctrl-C must end it quietly, with the exit code of that."""
    command = [sys.executable, "-m", "gantool", "explore", f"run={run}", "port=0", "device=cpu", *overrides]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"at 64 images: (http://127\.0\.0\.1:\d+) until Ctrl-C", line)
        assert found, line + process.communicate()[1]
        yield found[1]
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 130
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def browse() -> Any:
    """Open an address in Chromium; nothing on it may fail, complain, or come from elsewhere."""
    pytest.importorskip("gradio", reason="the page needs gradio: pip install 'gantool[demo]'")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there: apt install chromium")

    @contextmanager
    def at(address: str) -> Iterator[Any]:
        wrong: list[str] = []
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            page = browser.new_page()
            page.on("console", lambda it: wrong.append(it.text) if it.type == "error" else None)
            page.on("pageerror", lambda it: wrong.append(str(it)))
            page.on(
                "response", lambda it: wrong.append(f"{it.status} {it.url}") if it.status >= 400 else None
            )
            page.on(
                "request",
                lambda it: None if it.url.startswith((address, "data:", "blob:")) else wrong.append(it.url),
            )
            page.goto(address)
            yield page
            browser.close()
        assert wrong == []

    return at


def shown(page: Any, where: str = "#picture") -> np.ndarray:
    """(H, W, C)."""
    import io

    body = page.request.get(page.locator(f"{where} img").get_attribute("src")).body()
    with Image.open(io.BytesIO(body)) as image:
        found = np.array(image)
    return found if found.ndim == 3 else found[:, :, None]


def seen(path: Path) -> np.ndarray:
    """A file of gantool sample as the page shows it."""
    return enlarged(pixels(path))


@contextmanager
def changing(page: Any, where: str = "#picture") -> Iterator[None]:
    """Wait until there is another image."""
    before = page.locator(f"{where} img").get_attribute("src")
    yield
    script = "([where, before]) => document.querySelector(`${where} img`)?.src != before"
    page.wait_for_function(script, arg=[where, before])


@pytest.mark.slow
def test_every_control_of_the_page_does_what_it_says(runs: Any, tmp_path: Path, browse: Any):
    run = runs("biggan")
    with served(run, f"out={tmp_path / 'kept'}", "count=4", "seed=2") as address, browse(address) as page:
        page.wait_for_selector("#picture img")
        line = page.locator("#command textarea").input_value()
        assert "seed=2 count=4" in line
        assert np.array_equal(shown(page), seen(sampled(line, tmp_path / "first") / "grid.png"))

        with changing(page):
            page.get_by_role("button", name="Next").click()
        assert page.get_by_label("Seed").input_value() == "3"
        with changing(page):
            page.get_by_role("button", name="Random").click()
        with changing(page):
            page.get_by_label("Seed").fill("7")
        with changing(page):
            page.get_by_label("Class").click()
            page.get_by_role("option", name="4", exact=True).click()
        with changing(page):
            page.get_by_role("slider", name=re.compile("Truncation")).fill("0.5")
        line = page.locator("#command textarea").input_value()
        assert all(word in line for word in ("seed=7", "label=4", "truncation=0.5"))
        assert np.array_equal(shown(page), seen(sampled(line, tmp_path / "second") / "grid.png"))

        with changing(page):
            page.get_by_role("slider", name=re.compile("Direction 1")).fill("3")
        assert page.locator("#command textarea").input_value() == ""
        with changing(page):
            page.locator("#picture img").click(position={"x": 120, "y": 60})
        assert "Image 0 of seed 7, class 4" in page.locator("#caption").inner_text()

        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("#saved code")
        assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
            "000.json",
            "000.npz",
            "000.png",
        ]
        assert np.array_equal(shown(page), seen(tmp_path / "kept" / "000.png"))
        made = sampled(page.locator("#command textarea").input_value(), tmp_path / "third")
        assert np.array_equal(shown(page), seen(made / "000000.png"))
        page.wait_for_selector("#files a")
        with page.expect_download() as download:
            page.locator("#files a").first.click()
        assert Path(download.value.path()).read_bytes() == (tmp_path / "kept" / "000.png").read_bytes()

        page.get_by_label("Seed").fill("")
        page.get_by_text("Give a seed, a whole number of 0 or more.").wait_for()


@pytest.mark.slow
def test_styles_of_another_image_can_be_mixed_in(runs: Any, browse: Any):
    with served(runs("stylegan2"), "count=1") as address, browse(address) as page:
        page.wait_for_selector("#picture img")
        plain = shown(page)
        page.get_by_text("Styles of another image").click()
        with changing(page):
            page.get_by_label("Its seed").fill("9")
        assert not np.array_equal(plain, shown(page))
        with changing(page):
            page.get_by_label("Its seed").fill("")
        assert np.array_equal(plain, shown(page))


@pytest.mark.slow
def test_an_image_that_is_uploaded_is_translated_both_ways(runs: Any, tmp_path: Path, browse: Any):
    source = upload(tmp_path / "photo.png", 40, 24)
    run = runs("cyclegan")
    with served(run) as address, browse(address) as page:
        page.locator("#source input[type=file]").set_input_files(source)
        page.wait_for_selector("#result img")
        for direction in ("ab", "ba"):
            out = tmp_path / direction
            translate.main(
                request(
                    f"run={run}", f"input={source}", f"out={out}", f"direction={direction}", name="translate"
                )
            )
            if direction == "ba":
                with changing(page, "#result"):
                    page.get_by_label("from b to a").check()
            assert np.array_equal(shown(page, "#result"), pixels(out / "photo.png"))
        assert "direction=ba" in page.locator("#command textarea").input_value()
        with page.expect_download() as download:
            page.get_by_text("Download the result").click()
        assert download.value.suggested_filename == "photo.png"


@pytest.mark.slow
def test_only_pages_of_this_machine_get_an_answer(runs: Any):
    pytest.importorskip("gradio", reason="the page needs gradio: pip install 'gantool[demo]'")
    with served(runs("dcgan")) as address:
        port = int(address.rpartition(":")[2])
        for host, status in [("127.0.0.1", 200), ("localhost", 200), ("elsewhere.example", 400)]:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(
                    f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
                )
                answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
            assert answer.startswith(f"HTTP/1.1 {status} ")
            assert "content-security-policy: default-src 'self'" in answer
            assert "fonts.googleapis" not in answer
