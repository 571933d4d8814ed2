"""The page for generators of latents: controls beside what they make."""

import random
from html import escape
from pathlib import Path
from typing import Any, final

import gradio as gr  # pyright: ignore[reportMissingImports]

from gantool.animation import picture
from gantool.explorer.latents import Explorer, enlarged
from gantool.explorer.look import EVENTS, heading, page_of
from gantool.explorer.settings import MOST, Settings, file_of

ALL = -1  # what the choice of an image says for the grid
IN_TURN = ""  # likewise, for the class
DICE = 1_000_000  # seeds among which chance chooses
FAR = 4.0  # standard deviations along a direction
NORMAL = "Latents within so many standard deviations. Right end: none."
NO_COMMAND = "Save first: the command then reads the saved latents"

Values = dict[Any, Any]  # of the controls, by control


@final
class Controls:
    """Everything that can be set, as it is at first; parts that a generator does not have are missing."""

    def __init__(self, explorer: Explorer, start: Settings):
        with gr.Row(equal_height=True):
            self.seed = gr.Number(start.seed, label="Seed", precision=0, min_width=110, scale=2)
            self.next = gr.Button("Next", min_width=70, scale=1, elem_classes="beside", size="md")
            self.dice = gr.Button("Random", min_width=70, scale=1, elem_classes="beside", size="md")
        with gr.Row():
            self.count = gr.Slider(1, MOST, start.count, step=1, label="Images", min_width=200)
            self.alone = gr.Dropdown(
                choices_of(start.count), value=ALL, label="Show", filterable=False, min_width=130
            )
        self.label = self.truncation = self.second = None
        if explorer.classes:
            choices = [("every class in turn", IN_TURN), *((name, name) for name in explorer.classes)]
            self.label = gr.Dropdown(choices, value=start.label or IN_TURN, label="Class")
        if explorer.truncation:
            known = explorer.truncation
            self.truncation = gr.Slider(
                known.least,
                known.most,
                known.start,
                step=0.05,
                label="Truncation",
                info="1: none. 0: the mean image." if known.least == 0 else NORMAL,
            )
        self.strengths: list[Any] = []
        if len(explorer.moves):
            with gr.Accordion("Directions"):
                for number in range(len(explorer.moves)):
                    slider = gr.Slider(-FAR, FAR, 0, step=0.1, label=f"Direction {number}")
                    self.strengths.append(slider)
                self.reset = gr.Button("All to 0", size="sm")
        if explorer.layers:
            last = explorer.layers - 1
            with gr.Accordion("Styles of another image", open=False):
                self.second = gr.Number(None, label="Its seed", info="Empty: none.", precision=0)
                with gr.Row():
                    self.first = gr.Slider(0, last, 0, step=1, label="From layer", min_width=130)
                    self.last = gr.Slider(0, last, min(3, last), step=1, label="To layer", min_width=130)

    @property
    def all(self) -> set[Any]:
        layers = [] if self.second is None else [self.second, self.first, self.last]
        some = [self.seed, self.count, self.alone, self.label, self.truncation, *self.strengths, *layers]
        return {control for control in some if control is not None}

    def settings(self, values: Values, explorer: Explorer) -> Settings:
        """Raises ValueError for a field that is empty, or holds what it must not."""
        if values[self.seed] is None:
            raise ValueError("Give a seed, a whole number of 0 or more.")
        count, alone = values[self.count], values[self.alone]
        truncation = None if self.truncation is None else values[self.truncation]
        if explorer.truncation and truncation == explorer.truncation.start:
            truncation = None
        layers = (0, 0) if self.second is None else sorted((values[self.first], values[self.last]))
        return Settings(
            seed=values[self.seed],
            count=count,
            alone=None if alone == ALL or alone >= count else alone,
            label=None if self.label is None else values[self.label] or None,
            truncation=truncation,
            strengths=tuple(values[slider] for slider in self.strengths),
            second=None if self.second is None else values[self.second],
            layers=(layers[0], layers[1]),
        )


def choices_of(count: int) -> list[tuple[str, int]]:
    return [("all", ALL), *((f"image {number}", number) for number in range(count))]


def page(explorer: Explorer, folder: Path, start: Settings) -> Any:
    """The page.

    Args:
        explorer: what it shows.
        folder: where Save writes.
        start: what it shows first.
    """
    with page_of(f"gantool: {explorer.run.folder.name}") as blocks:
        gr.HTML(heading(explorer.run))
        with gr.Row():
            with gr.Column(scale=3, min_width=340, elem_classes="shown"):
                image = gr.Image(
                    format="png",
                    show_label=False,
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_classes="picture",
                    elem_id="picture",
                    alt_text="What the generator makes",
                )
                caption = gr.HTML(elem_id="caption")
                command = gr.Textbox(
                    label="Command",
                    lines=2,
                    buttons=["copy"],
                    interactive=False,
                    placeholder=NO_COMMAND,
                    elem_id="command",
                )
                save = gr.Button("Save", variant="primary", elem_id="save")
                message = gr.HTML(visible=False, elem_id="saved")
                files = gr.File(file_count="multiple", visible=False, label="Downloads", elem_id="files")
            with gr.Column(scale=2, min_width=340, elem_classes="controls"):
                controls = Controls(explorer, start)

        def show(values: Values, changes: Values | None = None) -> Values:
            """What the page shows for these values, of which some are changed first."""
            changed = changes or {}
            try:
                settings = controls.settings({**values, **changed}, explorer)
                pixels = explorer.picture(settings)
            except ValueError as error:
                return {**changed, caption: escape(str(error))}
            alone = ALL if settings.alone is None else settings.alone
            return {
                **changed,
                controls.alone: gr.Dropdown(choices_of(settings.count), value=alone),
                image: picture(enlarged(pixels)),
                caption: escape(told(settings, explorer)),
                command: gr.Textbox(
                    explorer.origin.sample(settings) or "", label=f"Command for {file_of(settings)}"
                ),
            }

        def following(values: Values) -> Values:
            return show(values, {controls.seed: (values[controls.seed] or 0) + 1})

        def chance(values: Values) -> Values:
            return show(values, {controls.seed: random.randrange(DICE)})

        def straight(values: Values) -> Values:
            return show(values, {slider: 0 for slider in controls.strengths})

        def clicked(values: Values, event: gr.SelectData) -> Values:
            """Into the image of the grid that was clicked, or back to the grid."""
            if values[controls.alone] != ALL:
                return show(values, {controls.alone: ALL})
            number = explorer.number_at(*event.index, count=values[controls.count])
            return show(values, {controls.alone: ALL if number is None else number})

        def keep(values: Values) -> Values:
            try:
                settings = controls.settings(values, explorer)
                written, line = explorer.save(settings, folder)
            except (ValueError, OSError) as error:
                return {message: gr.HTML(escape(str(error)), visible=True)}
            return {
                message: gr.HTML(f"Saved in <code>{escape(str(folder))}</code>", visible=True),
                files: gr.File([str(path) for path in written], visible=True),
                command: gr.Textbox(line, label=f"Command for {file_of(settings)}"),
            }

        inputs = controls.all
        outputs = [*inputs, image, caption, command]
        changed = [control.input for control in inputs]
        gr.on([blocks.load, *changed], show, inputs, outputs, trigger_mode="always_last", **EVENTS)
        controls.next.click(following, inputs, outputs, **EVENTS)
        controls.dice.click(chance, inputs, outputs, **EVENTS)
        if controls.strengths:
            controls.reset.click(straight, inputs, outputs, **EVENTS)
        image.select(clicked, inputs, outputs, **EVENTS)
        save.click(keep, inputs, [message, files, command], **EVENTS)
    return blocks


def told(settings: Settings, explorer: Explorer) -> str:
    """What the picture is, in words."""
    classes = ""
    if explorer.classes:
        indices = explorer.labels(settings).tolist()
        one = settings.label is not None or settings.alone is not None
        classes = f", class {explorer.classes[indices[0]]}" if one else ", every class in turn"
    moved = ", moved along directions" if any(settings.strengths) else ""
    if settings.second is not None:
        first, last = settings.layers
        moved += f", with the styles {first} to {last} of seed {settings.second}"
    about = f"of seed {settings.seed}{classes}{moved}."
    if settings.alone is not None:
        return f"Image {settings.alone} {about} Click it for all."
    some = f"Images 0 to {settings.count - 1}" if settings.count > 1 else "Image 0"
    return f"{some} {about} Click an image to see it alone."
