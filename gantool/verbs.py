"""The verbs of the command line: a new one is a line here, conf/<verb>.yaml and a module with main(cfg)."""

from typing import NamedTuple

from gantool.mistakes import Mistake, suggestion


class Verb(NamedTuple):
    name: str  # as typed; "data check" is two words
    summary: str
    examples: tuple[str, ...]  # what follows `gantool VERB`
    gathered: tuple[str, ...] = ()  # keys that may be typed again and again: run=A run=B is run=[A,B]

    @property
    def words(self) -> list[str]:
        return self.name.split()

    @property
    def config(self) -> str:
        return self.name.replace(" ", "_")

    @property
    def module(self) -> str:
        return f"gantool.{self.config}"


VERBS = (
    Verb("train", "train a GAN", ("model=wgan data=digits", "-m seed=1,2,3", "resume=latest images=200_000")),
    Verb("sample", "images from a trained generator", ("run=latest", "run=latest count=16 label=3 seed=1")),
    Verb(
        "translate",
        "images from images, as pix2pix and CycleGAN make them",
        ("run=latest input=photo.jpg", "run=RUN input=DIR out=DIR direction=ba"),
    ),
    Verb(
        "detect",
        "images unlike those that a model has learnt from, and where",
        ("run=latest input=test", "run=RUN input=DIR normal=good false_alarms=0.01"),
    ),
    Verb("interpolate", "a walk from image to image", ("run=latest", "run=latest points=[3,17] video=gif")),
    Verb("timelapse", "training as an animation", ("run=latest", "run=latest video=mp4 fps=12")),
    Verb(
        "project", "the latent of a given image", ("run=latest image=photo.png", "run=RUN image=DIR label=3")
    ),
    Verb("mix", "the coarse styles of one image in another", ("run=latest", "run=latest layers=0-5 seed=1")),
    Verb(
        "directions", "what a latent space is sensitive to", ("run=latest", "run=latest count=3 layers=4-7")
    ),
    Verb(
        "explore",
        "a page on this machine on which a trained generator can be tried",
        ("run=latest", "run=generator.safetensors port=0 open=true"),
    ),
    Verb(
        "evaluate",
        "numbers for a trained generator",
        ("run=latest", "run=latest metrics=[fd_classifier,precision_recall]"),
    ),
    Verb("neighbours", "fakes beside their nearest training images", ("run=latest", "run=RUN by=classifier")),
    Verb(
        "compare",
        "runs side by side: a table, curves, pictures of the same latents",
        ("run=RUN run=OTHER", "run=outputs/sweeps/DATE curves=[metric/fd_classifier,D/adversarial]"),
        ("run",),
    ),
    Verb("report", "a run, or a sweep, as one HTML file", ("run=latest", "run=outputs/sweeps/DATE best=3")),
    Verb(
        "export",
        "a trained generator alone, in a file that describes itself",
        ("run=latest", "run=latest format=onnx out=generator.onnx"),
    ),
    Verb("data check", "what is in a data set, before training on it", ("data=digits",)),
    Verb("list", "models, data sets, losses and all other options", ("", "models", "data --config-dir conf")),
)


def find(arguments: list[str]) -> Verb:
    """The verb that a command line begins with."""
    for verb in VERBS:
        if arguments[: len(verb.words)] == verb.words:
            return verb
    names = [verb.name for verb in VERBS]
    typed = arguments[0]
    if typed.startswith("-") or "=" in typed:
        raise Mistake(f"{typed} comes after the verb: gantool VERB {typed}. {suggestion('', names)}")
    begun = [name for name in names if name.startswith(f"{typed} ")]
    raise Mistake(f"No verb {typed}. {suggestion(typed, begun or names)}")
