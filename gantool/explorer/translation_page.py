"""The page for generators of images from images: a source, and beside it the result."""

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr  # pyright: ignore[reportMissingImports]

from gantool.animation import picture
from gantool.explorer.look import EVENTS, heading, page_of
from gantool.explorer.translations import WAYS, Translations

OWN, TRAINED = "its own", "as in training"


def page(translations: Translations) -> Any:
    """The page."""
    with page_of(f"gantool: {translations.run.folder.name}") as blocks:
        gr.HTML(heading(translations.run))
        with gr.Row():
            with gr.Column(min_width=300):
                source = gr.Image(
                    label="Source",
                    type="filepath",
                    image_mode=None,
                    format="png",
                    sources=["upload", "clipboard"],
                    buttons=["fullscreen"],
                    elem_classes="pair",
                    elem_id="source",
                )
            with gr.Column(min_width=300):
                result = gr.Image(
                    label="Result",
                    type="filepath",
                    image_mode=None,
                    format="png",
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_classes="pair",
                    elem_id="result",
                )
        caption = gr.HTML("Upload an image, drop one or paste it.", elem_id="caption")
        with gr.Row():
            directions = [(WAYS[way], way) for way in translations.ways]
            direction = gr.Radio(
                directions, value="ab", label="Direction", visible=bool(directions), min_width=200
            )
            size = gr.Radio(
                [OWN, TRAINED],
                value=OWN,
                label="Size",
                visible=translations.trained is not None,
                min_width=200,
            )
        with gr.Accordion("What the network saw", open=False):
            seen = gr.Image(
                format="png",
                show_label=False,
                interactive=False,
                buttons=["fullscreen"],
                elem_classes="pair",
            )
        download = gr.DownloadButton("Download the result", variant="primary", interactive=False)
        command = gr.Textbox(label="Command", lines=2, buttons=["copy"], interactive=False, elem_id="command")

        def translate(upload: str | None, way: str, side: str) -> tuple[Any, ...]:
            if upload is None:
                return None, None, "Upload an image, drop one or paste it.", gr.Button(interactive=False), ""
            try:
                shown, made, line, hint = translations.translate(
                    Path(upload), way if directions else None, side == TRAINED
                )
            except ValueError as error:
                return None, None, escape(str(error)), gr.DownloadButton(interactive=False), ""
            offered = gr.DownloadButton(value=str(made), interactive=True)
            return str(made), picture(shown), escape(hint), offered, line

        gr.on(
            [source.change, direction.input, size.input],
            translate,
            [source, direction, size],
            [result, seen, caption, download, command],
            trigger_mode="always_last",
            **EVENTS | {"show_progress": "minimal"},
        )
    return blocks
